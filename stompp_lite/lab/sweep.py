"""Run a recipe over the cores of this machine, skipping what is done already."""

from __future__ import annotations

from pathlib import Path

import torch

from stompp_lite.errors import RecordError, StomppError, one_of, positive
from stompp_lite.lab import record as records
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.run import Config, run


def _one(recipe: str, name: str, config: Config, path: Path, root: str) -> str:
    torch.set_num_threads(1)  # one run a core; also what makes a run repeatable to the bit
    try:
        records.save(run(config, recipe=recipe, name=name, root=root, progress=False), path)
    except StomppError as err:
        return f"{name}: {err}"
    return ""


def check_same(record: records.Record, config: Config, path: Path) -> None:
    """A finished run may be skipped only if it is the run that is wanted.

    Raises:
        RecordError: the record was made with another configuration.
    """
    wanted = config.to_dict()
    for name, value in wanted.items():
        if record.config.get(name) != value:
            raise RecordError(
                f"{path}: made with {name} = {record.config.get(name)!r}, the recipe says "
                f"{value!r}; delete the file to run it again"
            )


def sweep(
    recipe: str,
    folder: str | Path = "data/runs",
    *,
    jobs: int = 1,
    only: str = "",
    root: str = "data",
    progress: bool | None = None,
) -> dict[str, int]:
    """Run what is missing of a recipe.

    Args:
        recipe: a key of :data:`~stompp_lite.lab.recipes.RECIPES`.
        folder: where records go: ``folder/recipe/name.json``.
        jobs: processes; each uses one core.
        only: run names that contain this text only.
        root: folder of the data sets.

    Returns:
        ``{"done": ..., "skipped": ..., "failed": ...}``

    Raises:
        ConfigError: unknown recipe.
        RecordError: a record in the way was made otherwise, or some runs failed (the rest is kept).
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    one_of(recipe, RECIPES, "recipe")
    positive(jobs, "jobs")
    todo, skipped = [], 0
    for name, config in RECIPES[recipe].runs():
        if only not in name:
            continue
        path = Path(folder) / recipe / f"{name}.json"
        if path.exists():
            check_same(records.read(path), config, path)
            skipped += 1
        else:
            todo.append((recipe, name, config, path, root))
    work = Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(_one)(*t) for t in todo)
    disable = None if progress is None else not progress  # None: only in a terminal
    failures = [f for f in tqdm(work, total=len(todo), unit="run", disable=disable) if f]
    if failures:
        raise RecordError(f"{len(failures)} of {len(todo)} runs failed; the first: {failures[0]}")
    return {"done": len(todo), "skipped": skipped, "failed": len(failures)}
