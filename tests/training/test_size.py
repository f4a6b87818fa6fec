"""The loop stays small enough to read: how many of our files a plain run passes through."""

import sys

import torch
from torch import nn

from stompp_lite import binarize_model, fit
from tests.conftest import ROOT

#: What a plain run has nothing to do with.
ELSEWHERE = ("parallel", "resume", "checkpoint", "files", "data", "folders", "texts", "augment")


def test_a_plain_run_passes_through_few_files(tiny):
    """One epoch on one process, without a checkpoint; functions that are called, not imports."""
    torch.manual_seed(0)
    layers = [nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)]
    model = binarize_model(nn.Sequential(nn.Flatten(), *layers), tiny.train_x[:1])
    package, called = f"{ROOT / 'stompp_lite'}/", set()

    def note(frame, event, _):
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(package) and frame.f_code.co_name != "<module>":
            called.add(file.removeprefix(package).removesuffix(".py"))

    sys.setprofile(note)
    try:
        fit(model, tiny, epochs=1, batch_size=16, progress=False)
    finally:
        sys.setprofile(None)
    training = {name for name in called if name.startswith("training/")}
    assert len(training) <= 10 and len(called) <= 20, sorted(called)
    assert not training & {f"training/{name}" for name in ELSEWHERE}
    lines = sum(len((ROOT / "stompp_lite" / f"{n}.py").read_text().splitlines()) for n in called)
    assert lines <= 3510
