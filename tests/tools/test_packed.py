"""Packing from the command line, and what its measurement says."""

import numpy as np
import pytest
import torch

from stompp_lite import load, load_packed
from stompp_lite.__main__ import main
from stompp_lite.lab import record
from stompp_lite.lab.config import config_of
from stompp_lite.lab.run import build
from stompp_lite.tools import packed
from stompp_lite.training import checkpoint

FAST = ["--set", "model=mlp", "blocks=[3]", "width=8", "epochs=2", "plan.tail=0.2"]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    """A finished run: its checkpoint and its record."""
    folder = tmp_path_factory.mktemp("run")
    kept, out = folder / "kept.npz", folder / "mine.json"
    assert main(["run", *FAST, "--checkpoint", str(kept), "--out", str(out)]) == 0
    return kept, out


def test_a_run_becomes_a_file_of_bits(a_run, tmp_path, capsys):
    kept, out = a_run
    net = tmp_path / "net.stompp"
    assert main(["pack", str(kept), "--record", str(out), "--out", str(net)]) == 0
    assert f"{net}: {net.stat().st_size:,} bytes (signs 16," in capsys.readouterr().out
    data = load("digits")
    model = build(config_of(record.read(out)), data)
    model.load_state_dict(checkpoint.load(kept)["run"]["weights"])
    with torch.no_grad():
        want = model.eval()(data.test_x).numpy()
    assert np.array_equal(load_packed(net)(data.test_x, floats="torch"), want)
    accuracy = 100 * (want.argmax(1) == data.test_y.numpy()).mean()
    assert accuracy == pytest.approx(record.read(out).final["test_acc"])


def test_a_packed_network_is_exported(a_run, tmp_path, capsys):
    kept, out = a_run
    net = tmp_path / "net.stompp"
    main(["pack", str(kept), "--record", str(out), "--out", str(net)])
    capsys.readouterr()
    for to, ending in packed.FORMATS.items():
        assert main(["export", str(net), "--to", to]) == 0
        file = net.with_suffix(ending)
        said = capsys.readouterr().out
        assert said.startswith(f"{file}: ") and (to == "c" or f"{file.stat().st_size:,}" in said)
    assert "tables" in said and "buffers" in said
    assert main(["export", str(net), "--to", "onx"]) == 1
    assert "did you mean 'onnx'" in capsys.readouterr().err


def test_what_does_not_belong_together_is_refused(a_run, tmp_path, capsys):
    kept, _ = a_run
    other = tmp_path / "other.json"
    main(["run", *FAST, "width=6", "epochs=1", "--out", str(other)])
    net = str(tmp_path / "net.stompp")
    assert main(["pack", str(kept), "--record", str(other), "--out", net]) == 1
    assert "are not those of the model of" in capsys.readouterr().err
    assert main(["pack", "/nowhere.npz", "--record", str(other), "--out", net]) == 1
    assert "there is no checkpoint" in capsys.readouterr().err


def test_the_measurement_is_in_pairs(capsys):
    result = packed.measure(repeats=2, small=True)
    assert result["peak_gmacs"] == result["roof"]["bits"] > 0 and torch.get_num_threads() == 1
    (product,) = result["products"]
    for row in [product, *result["networks"]]:
        ratio = row["over_float32"]
        assert 0 < ratio["min"] <= ratio["median"] <= ratio["max"] and row["packing_ms"] > 0
    assert [row["batch"] for row in result["networks"]] == [1, 64]
    said = packed.text(result)
    assert "products of 256 x K" in said and "batch 64" in said
