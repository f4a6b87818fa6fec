"""Two processes do what one does: equal masks, equal gradients, one record, and a restart."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from stompp_lite import Data, Plan
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.lab import record
from stompp_lite.lab.config import Config
from stompp_lite.lab.run import run
from stompp_lite.training.loop import Run, fit, ranks_here
from stompp_lite.training.parallel import Ranks, processes
from stompp_lite.training.settings import Settings
from tests.conftest import lab_net

WORLD = 2


def some_data(dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    y = torch.arange(48) % 3
    x = torch.randn(48, 1, 6, 6, generator=g, dtype=dtype) + y.view(-1, 1, 1, 1) - 1.0
    return Data("tiny", x, y, x[:12], y[:12], classes=3)


def steps(method, count, batch, **options):
    """``count`` steps in float64 with batch norm in evaluation: gradients, weights, masks."""
    model = lab_net(*method).double()
    run = Run(
        model, some_data(), Settings(batch_size=batch, epochs=20, lr=0.05, augment="crop-flip")
    )
    masks, losses = [], []
    for k in range(count):
        model.eval()
        run.train_step(torch.arange(k, k + batch) % 48)
        for w in run.progression.walkers:
            if w.binarizer.mask is not None:
                like = torch.zeros(1, *w.binarizer.shape) if w.weight is None else w.weight
                masks.append(w.binarizer.mask(like))
        losses.append(run.loss)
    grads = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    run.progression.release()
    return {"grads": grads, "weights": dict(model.state_dict()), "masks": masks, "losses": losses}


METHODS = [("ste:identity", "ste:clip"), ("stompp", "stompp")]
CASES = [(method, batch) for method in METHODS for batch in (12, 11)]


def worker(rank, port, out):
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    torch.save([steps(method, 40, batch) for method, batch in CASES], f"{out}/{rank}.pt")
    dist.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.slow
def test_two_processes_take_the_step_of_one(tmp_path):
    """A batch in two parts (unequal ones, too), through half-frozen and committed stages."""
    mp.spawn(worker, (free_port(), str(tmp_path)), nprocs=WORLD)
    pairs = zip(*(torch.load(tmp_path / f"{rank}.pt") for rank in range(WORLD)), strict=True)
    for (method, batch), pair in zip(CASES, pairs, strict=True):
        alone = steps(method, 40, batch)
        for one in pair:
            assert one["grads"].keys() == alone["grads"].keys() and alone["grads"]
            for part in ("grads", "weights"):
                for name, tensor in alone[part].items():
                    assert torch.allclose(one[part][name], tensor, rtol=1e-9, atol=1e-12), name
            assert torch.tensor(one["losses"]).allclose(torch.tensor(alone["losses"]), rtol=1e-9)
        for masks in zip(alone["masks"], *(one["masks"] for one in pair), strict=True):
            assert all(torch.equal(masks[0], other) for other in masks[1:])
        assert bool(alone["masks"]) == (method[0] == "stompp")


@pytest.mark.parametrize("method", METHODS, ids="/".join)
def test_a_batch_in_parts_is_the_step_of_the_whole(method):
    whole, parts = steps(method, 40, 11), steps(method, 40, 11, accumulate=3)
    assert parts["grads"].keys() == whole["grads"].keys()
    for part in ("grads", "weights"):
        for name, tensor in whole[part].items():
            assert torch.allclose(parts[part][name], tensor, rtol=1e-9, atol=1e-12), name
    assert torch.tensor(parts["losses"]).allclose(torch.tensor(whole["losses"]), rtol=1e-6)


def test_parts_of_one_sample_are_refused_before_anything_starts():
    said = r"a last batch of 12 \(48 in all\) for 7 parts, which need 14"
    with pytest.raises(ConfigError, match=said):
        fit(lab_net(), some_data(torch.float32), epochs=8, batch_size=12, accumulate=7)


def test_short_memory_says_what_helps(monkeypatch, tmp_path):
    data, stored = some_data(torch.float32), tmp_path / "run.npz"
    options = {"epochs": 8, "batch_size": 24, "checkpoint": stored, "checkpoint_every": 1}
    fit(lab_net(), data, **options, stop_at=3)
    before = stored.read_bytes()

    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Run, "_logits", full)
    with pytest.raises(ConfigError, match=r"batch of 24 in 1 parts: accumulate=2"):
        fit(lab_net(), data, **options)
    assert stored.read_bytes() == before


COMMAND = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(WORLD),
    "-m", "stompp_lite", "run", "--method", "stompp+ste", "--set", "epochs=4", "eval_every=2",
]  # fmt: skip
ENV = os.environ | {"OMP_NUM_THREADS": "1", "WORLD_SIZE": "", "CUDA_VISIBLE_DEVICES": ""}
del ENV["WORLD_SIZE"]


def torchrun(*extra):
    return subprocess.Popen(
        [*COMMAND, *map(str, extra)], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def wait_for(path, process, seconds=200):
    """Until the file is there; fails where the process ended before, or where it takes longer."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"no {path.name} from process {process.args}: {process.communicate()[0]}")
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_process_costs_the_steps_since_the_last_checkpoint(tmp_path):
    """kill -9 one of two, start again: the record is that of a run that nobody disturbed."""
    whole = torchrun("--out", tmp_path / "whole.json")
    said = whole.communicate(timeout=300)[0]
    assert whole.returncode == 0, said
    assert said.count("test accuracy") == 1, said  # the first process alone speaks and writes
    stored = tmp_path / "run.npz"
    broken = torchrun("--out", tmp_path / "again.json", "--checkpoint", stored)
    import psutil

    wait_for(stored, broken)
    family = psutil.Process(broken.pid).children(recursive=True)
    workers = [p for p in family if "stompp_lite" in p.cmdline()]
    workers[-1].send_signal(signal.SIGKILL)
    assert broken.wait(timeout=120) != 0
    assert stored.exists() and not (tmp_path / "again.json").exists()
    again = torchrun("--out", tmp_path / "again.json", "--checkpoint", stored)
    said = again.communicate(timeout=300)[0]
    assert again.returncode == 0, said
    a, b = (record.read(tmp_path / name) for name in ("whole.json", "again.json"))
    assert (a.final, a.curves, a.correct) == (b.final, b.curves, b.correct)
    assert a.machine["processes"] == WORLD and a.config["batch_size"] == 64

    # and on one process in place of two: the same run, up to rounding (and batch norm's parts)
    half = tmp_path / "half.npz"
    first = torchrun("--out", tmp_path / "x.json", "--checkpoint", half)
    wait_for(half, first)
    first.send_signal(signal.SIGTERM)
    first.wait(timeout=120)
    config = Config.from_dict({k: v for k, v in a.config.items() if k != "test_images"})
    alone = run(config, checkpoint=half)
    assert alone.final["test_acc"] > 50 and len(alone.curves["epoch"]) == 2


def test_alone_nothing_changes():
    ranks, net = Ranks.here(), nn.Linear(2, 2)
    assert (ranks.rank, ranks.world, ranks.first) == (0, 1, True)
    assert ranks.parallel(net) is net and ranks_here() is None
    assert ranks.summed(0.5, 3, 4, torch.device("cpu")) == (0.5, 3, 4)
    with processes("cpu") as device:
        assert device == "cpu" and not dist.is_initialized()


def pretend(monkeypatch, world):
    monkeypatch.setattr("stompp_lite.training.loop.ranks_here", lambda: Ranks(0, world))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"batch_size": 44},
            r"leaves a last batch of 4 \(48 in all\) for 3 processes, which need 6",
        ),
        ({"plan": Plan(activation_mask_rule="per-sample")}, "masks for each sample"),
    ],
)
def test_what_several_processes_cannot_do(monkeypatch, changes, said):
    pretend(monkeypatch, 3)
    with pytest.raises(ConfigError, match=said):
        fit(lab_net(), some_data(torch.float32), **({"epochs": 8, "batch_size": 24} | changes))


def test_a_checkpoint_that_only_some_processes_see_is_refused(monkeypatch):
    def gather(found, mine):
        found[:] = [True, False]

    monkeypatch.setattr(dist, "all_gather_object", gather)
    with pytest.raises(CheckpointError, match=r"processes \[0\] and for no others"):
        Ranks(0, 2).check_all_see(True, "run.npz")


def test_more_processes_than_gpus(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    said = "process 1 of this machine has no GPU: there are 1"
    with pytest.raises(ConfigError, match=said), processes("cuda"):
        pass


def test_records_of_one_process_say_nothing_of_processes(tmp_path):
    kept = run(Config(epochs=1, plan=Plan(tail=0.2)))
    assert "processes" not in kept.machine and json.dumps(kept.machine)
