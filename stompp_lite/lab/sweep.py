"""Run a recipe over the cores of this machine, skipping what is done already."""

from __future__ import annotations

from pathlib import Path

import torch

from stompp_lite.checks import count, one_of
from stompp_lite.errors import ConfigError, RecordError, StomppError
from stompp_lite.lab import record as records
from stompp_lite.lab.recipes import RECIPES
from stompp_lite.lab.run import Config, check_same, run
from stompp_lite.training.files import check_writable


def _one(recipe: str, name: str, config: Config, path: Path, root: str) -> str:
    torch.set_num_threads(1)  # one run a core; also what makes a run repeatable to the bit
    try:
        records.save(run(config, recipe=recipe, name=name, root=root, progress=False), path)
    except StomppError as err:
        return f"{name}: {err}"
    return ""


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
        ConfigError: unknown recipe, or no run of that name.
        CheckpointError: the folder cannot be written to (found out before the first run).
        RecordError: a record in the way was made otherwise, or some runs failed (the rest is kept).
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    one_of(recipe, RECIPES, "recipe")
    count(jobs, "jobs")
    if not any(only in name for name, _ in RECIPES[recipe].runs()):
        first = next(RECIPES[recipe].runs())[0]
        raise ConfigError(f"no run of {recipe!r} has {only!r} in its name; one is called {first!r}")
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
    if todo:
        check_writable(todo[0][3])
    work = Parallel(n_jobs=jobs, return_as="generator_unordered")(delayed(_one)(*t) for t in todo)
    disable = None if progress is None else not progress  # None: only in a terminal
    failures = [f for f in tqdm(work, total=len(todo), unit="run", disable=disable) if f]
    if failures:
        raise RecordError(f"{len(failures)} of {len(todo)} runs failed; the first: {failures[0]}")
    return {"done": len(todo), "skipped": skipped, "failed": len(failures)}
