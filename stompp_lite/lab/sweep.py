"""Run a recipe on the cores of one machine or of many, and skip the runs that are recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from stompp_lite.checks import count, one_of
from stompp_lite.errors import ConfigError, RecordError, StomppError
from stompp_lite.lab import arguments, local, speed
from stompp_lite.lab import record as records
from stompp_lite.lab.config import Config
from stompp_lite.lab.recipes import runs_of
from stompp_lite.lab.run import build, check_device, check_same, run, start_of
from stompp_lite.lab.verdict import check_chosen
from stompp_lite.training.data import load
from stompp_lite.training.files import check_writable
from stompp_lite.training.loop import fit

#: Where runs go (processes of this machine; a dask cluster, by joblib's own back end).
BACKENDS = ("local", "dask")


def _one(
    recipe: str, name: str, config: Config, root: str, device: str, checkpoint: Path | None
) -> records.Record | str:
    """A finished run, or what went wrong."""
    torch.set_num_threads(1)  # one core for a run, which also makes it repeatable to the bit
    try:
        if checkpoint is not None:
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
        return run(
            config, recipe=recipe, name=name, root=root, device=device, checkpoint=checkpoint,
            progress=False,
        )  # fmt: skip
    except StomppError as err:
        return f"{name}: {err}"
    except torch.cuda.OutOfMemoryError as err:  # outside of the steps, which say it themselves
        return f"{name}: {device} is too small ({str(err).splitlines()[0]}); use fewer --jobs"


def one_step(config: Config, root: str = "data", device: str = "cpu") -> str:
    """Take one training step of a run, to see that it would start; what came out, in words.

    Raises:
        StomppError: what would stop the run at once.
    """
    check_device(device)
    if config.signals is not None:
        return local.one_step(config, root)
    data = load(config.data, root, validation=config.validation, tokenizer=config.bert).to(device)
    start = time.perf_counter()
    fit(build(config, data).to(device), data, config, stop_at=1, progress=False)
    return f"one step of {config.batch_size} in {time.perf_counter() - start:.1f} s"


@contextmanager
def _backend(name: str, address: str | None, jobs: int) -> Iterator[None]:
    """Send joblib's work to this machine's cores, or to a cluster."""
    from joblib import parallel_config

    if name == "local":
        yield
        return
    try:
        from dask.distributed import Client
    except ImportError as err:
        raise ConfigError(
            "the back end 'dask' needs dask; run: pip install 'dask[distributed]'"
        ) from err
    here = {} if address else {"n_workers": jobs, "threads_per_worker": 1}
    try:
        client = Client(address, set_as_default=True, **here)  # type: ignore[no-untyped-call]
    except OSError as err:
        raise ConfigError(
            f"no dask cluster answers at {address}: {err}. Start its scheduler, or leave out "
            "--address for one on this machine"
        ) from err
    try:
        threads = client.nthreads()  # type: ignore[no-untyped-call]
        several = [worker for worker, n in threads.items() if n > 1]
        if several:  # runs in one process would draw from one generator of random numbers
            raise ConfigError(
                f"worker {several[0]} has {threads[several[0]]} threads, and a run needs a process "
                "of its own; start workers with: dask worker --nworkers auto --nthreads 1"
            )
        with parallel_config(backend="dask"):
            yield
    finally:
        client.close()  # type: ignore[no-untyped-call]


def sweep(
    recipe: str,
    folder: str | Path = "data/runs",
    *,
    jobs: int = 1,
    only: str = "",
    root: str = "data",
    device: str = "cpu",
    checkpoints: str | Path | None = None,
    changes: list[str] | None = None,
    backend: str = "local",
    address: str | None = None,
    progress: bool | None = None,
    dry_run: bool = False,
) -> dict[str, int]:
    """Run what is not recorded yet of a recipe.

    Args:
        recipe: a key of :data:`~stompp_lite.lab.recipes.RECIPES`.
        folder: where records go: ``folder/recipe/name.json``. Runs are computed by the workers,
            records are written here.
        jobs: processes; each uses one core. Several may share a GPU. (A cluster at an address uses
            all its workers.)
        only: run names that contain this text only.
        root: folder of the data sets (on each machine that works).
        device: a torch device, such as ``"cuda"``.
        checkpoints: folder to store running runs in; a run that was killed goes on from there.
        changes: ``field=value`` texts that change every run, as for ``run --set``. What the names
            of the runs tell (the method, the arm, the depth, the seed) cannot be changed.
        backend: one of :data:`BACKENDS`.
        address: of the cluster's scheduler; None: one is started on this machine.
        dry_run: take one training step of each run instead, and write nothing.

    Returns:
        ``{"done": ..., "skipped": ..., "failed": ...}``

    Raises:
        ConfigError: unknown recipe, no run of that name, a change that would make names wrong,
            rates that another recipe has still to choose, or a cluster that cannot be had.
        CheckpointError: the folder cannot be written to (found out before the first run).
        RecordError: a record in the way was made otherwise, or some runs failed (the rest is kept).
    """
    from joblib import Parallel, delayed
    from tqdm import tqdm

    count(jobs, "jobs")
    one_of(backend, BACKENDS, "back end")
    arguments.check_changes(changes or [])
    arguments.check_names_stay_true(recipe, changes)
    if not dry_run:
        check_chosen(recipe, folder)
    check_device(device)
    arguments.check_folder(checkpoints, "the folder of checkpoints")
    todo, skipped = [], 0
    place = Path(folder) / recipe
    for name, config in runs_of(recipe, changes, only):
        path = place / f"{name}.json"
        if path.exists():
            check_same(records.read(path), config, path)
            skipped += 1
        else:
            stored = None if checkpoints is None else Path(checkpoints) / recipe / f"{name}.npz"
            todo.append((recipe, name, config, root, device, stored))
    if dry_run:
        for name, config in runs_of(recipe, changes, only):
            tqdm.write(f"{name}: {one_step(config, root, device)}")
        return {"done": 0, "skipped": skipped, "failed": 0}
    if todo:
        check_writable(place / f"{todo[0][1]}.json")
    disable = None if progress is None else not progress  # None: only in a terminal
    failures, finished = [], list[records.Record]()
    with _backend(backend, address, jobs):
        work = Parallel(n_jobs=jobs, return_as="generator_unordered")(
            delayed(_one)(*task) for task in todo
        )
        for result in tqdm(work, total=len(todo), unit="run", disable=disable):
            if isinstance(result, str):
                failures.append(result)
                continue
            records.save(result, place / f"{result.name}.json")
            finished.append(result)
            if disable is not True:
                tqdm.write(speed.line(result))
            if checkpoints is not None:
                stored = Path(checkpoints) / recipe / f"{result.name}.npz"
                for file in (stored, start_of(stored)):
                    file.unlink(missing_ok=True)
    if finished and device.startswith("cuda"):
        agree = "equal" if speed.draws_agree(device) else "NOT equal"
        tqdm.write(
            "\n".join([*speed.ratios(finished), f"draws and masks: {agree} to a processor's"])
        )
    if failures:
        raise RecordError(f"{len(failures)} of {len(todo)} runs failed; the first: {failures[0]}")
    return {"done": len(todo), "skipped": skipped, "failed": len(failures)}
