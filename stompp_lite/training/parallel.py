"""One run on several processes: each computes its part of every batch, and all take the same step.

torch's DistributedDataParallel averages the gradients; nothing of that is our own. What is left is
little, because a run's draws are keyed: batches, crops and masks are the same numbers on every
process, so masks are neither sent nor stored. Process r of W takes entries r, r + W, ... of each
batch. Batch norm sees a process's own part (or all of it, with torch's ``SyncBatchNorm``, on GPUs);
before anything is judged or stored, all take over the running statistics of the first.

Taught in chapter 14, *One run on many machines*.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from stompp_lite.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class Ranks:
    """The place of this process among all that share a run.

    Attributes:
        rank: 0 is the first, which writes files and shows progress.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @classmethod
    def here(cls) -> Ranks:
        """Of this process; alone unless a process group was set up."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files."""
        return self.rank == 0

    def parallel(self, model: nn.Module) -> nn.Module:
        """The model whose backward pass averages gradients over all processes.

        Committed stages pass no gradient, so the parameters that take part change during a run.
        """
        if self.world == 1 or not any(p.requires_grad for p in model.parameters()):
            return model
        follow = [name for name, _ in model.named_buffers() if name.endswith(".committed")]
        nn.parallel.DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(
            model,
            follow,  # each process knows them from the step
        )
        return nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)

    def rows(self, batch: int) -> Tensor:
        """Which entries of a batch are computed here: int64."""
        return torch.arange(self.rank, batch, self.world)

    def averaging(self, model: nn.Module, now: bool) -> AbstractContextManager[None]:
        """Let a backward pass average gradients over the processes, or wait for the next one."""
        if now or not isinstance(model, nn.parallel.DistributedDataParallel):
            return nullcontext()
        waiting: AbstractContextManager[None] = model.no_sync()
        return waiting

    def summed(
        self, loss: float, hits: int, seen: int, device: torch.device
    ) -> tuple[float, int, int]:
        """Mean loss, hits and entries of the whole batch from those of this process."""
        if self.world == 1:
            return loss, hits, seen
        numbers = torch.tensor([loss * seen, hits, seen], dtype=torch.float64, device=device)
        dist.all_reduce(numbers)
        return float(numbers[0] / numbers[2]), int(numbers[1]), int(numbers[2])

    @torch.no_grad()
    def agree(self, model: nn.Module) -> None:
        """Every process takes over the running statistics of the first."""
        if self.world > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()

    def check_all_see(self, found: bool, path: object) -> None:
        """Raise CheckpointError if some processes find a checkpoint and others do not."""
        if self.world > 1:
            seen: list[bool] = [False] * self.world
            dist.all_gather_object(seen, found)
            if len(set(seen)) > 1:
                raise CheckpointError(
                    f"{path} is there for processes {[r for r, s in enumerate(seen) if s]} and for "
                    "no others; checkpoints need a folder that every machine shares"
                )


@contextmanager
def processes(device: str) -> Iterator[str]:
    """Set up what ``torchrun`` announces in the environment; the device of this process.

    Without torchrun nothing happens.

    Raises:
        ConfigError: more processes on this machine than it has GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1 or dist.is_initialized():
        yield device
        return
    kind, local = torch.device(device).type, int(os.environ.get("LOCAL_RANK", "0"))
    if kind == "cuda":
        if local >= torch.cuda.device_count():
            raise ConfigError(
                f"process {local} of this machine has no GPU: there are "
                f"{torch.cuda.device_count()}; use torchrun --nproc_per_node with at most so many"
            )
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
    dist.init_process_group("nccl" if kind == "cuda" else "gloo")
    try:
        yield device
    finally:
        dist.destroy_process_group()
