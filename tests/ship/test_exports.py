"""Exported networks give the packed network's answers, in the runtimes that they are for."""

import copy
import ctypes
import re
import shutil
import subprocess
from functools import lru_cache

import numpy as np
import pytest

from stompp_lite import pack
from stompp_lite.errors import ConfigError
from stompp_lite.ship import export_onnx as module
from stompp_lite.ship.export_c import export_c
from stompp_lite.ship.export_onnx import export_onnx, export_qonnx
from stompp_lite.ship.program import shapes
from tests.packed import NETWORKS, finished

#: Every network, and one with each rule that changes what is written.
CASES = [(name, {}) for name in NETWORKS if name != "resnet50"]
CASES += [("lab", {"scale": "channel"}), ("mobilenet", {"activations": "float"})]


@lru_cache
def of(name, rules):
    model, x = finished(*NETWORKS[name], **dict(rules))
    packed = pack(model, x[:1])
    return packed, x.numpy(), packed(x, floats="torch")


def packed_and_batch(name, **rules):
    """A packed network, inputs and its answers: made once, and not to be changed."""
    return of(name, tuple(rules.items()))


def same_answers(found, want):
    assert np.allclose(found, want, atol=1e-4 * np.abs(want).max())
    assert np.array_equal(found.argmax(1), want.argmax(1))


@pytest.mark.parametrize(("name", "rules"), CASES, ids=str)
def test_onnxruntime_gives_the_same_answers(name, rules, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    packed, x, want = packed_and_batch(name, **rules)
    size = export_onnx(packed, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    (found,) = session.run(None, {"input": x})
    same_answers(found, want)
    parts = packed.program.sizes()
    # bits stay bits: the file is far smaller than its weights as floats
    extra = 1500 * len(packed.program.ops) + 2 * parts["thresholds"]
    assert (tmp_path / "net.onnx").stat().st_size == size < parts["signs"] + parts["floats"] + extra


@pytest.mark.parametrize("name", ["lab", "perceptron", "bireal"])
def test_qonnx_executes_to_the_same_answers(name, tmp_path):
    pytest.importorskip("qonnx")
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.transformation.infer_shapes import InferShapes

    packed, x, want = packed_and_batch(name)
    export_qonnx(packed, tmp_path / "net.onnx", batch=len(x))
    model = ModelWrapper(str(tmp_path / "net.onnx")).transform(InferShapes())
    model = model.transform(InferDataTypes())
    (found,) = execute_onnx(model, {"input": x}).values()
    same_answers(found, want)
    ops = packed.program.ops
    signs = sum(op.kind == "sign" or "thresholds" in op.arrays for op in ops)
    weights = sum("signs" in op.arrays for op in ops)
    bipolar = model.get_nodes_by_op_type("BipolarQuant")
    assert len(bipolar) == signs + weights
    assert {str(model.get_tensor_datatype(n.output[0])) for n in bipolar} == {"BIPOLAR"}


def test_a_missing_library_is_named(monkeypatch, tmp_path):
    packed, _, _ = packed_and_batch("perceptron")

    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", missing)
    with pytest.raises(ConfigError, match=r"pip install 'stompp-lite\[onnx\]'"):
        export_onnx(packed, tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match=r"pip install 'stompp-lite\[qonnx\]'"):
        export_qonnx(packed, tmp_path / "net.onnx")


# ---- C -------------------------------------------------------------------------------------------
GCC = shutil.which("gcc")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-ffp-contract=off"]


def compiled(path, dtype=np.float32):
    """The function of a C file, on arrays; and the most stack that one of its functions takes."""
    library = path.with_suffix(".so")
    subprocess.run(
        [GCC, *FLAGS, "-fstack-usage", "-shared", "-fPIC", "-o", library, path],
        check=True, cwd=path.parent,
    )  # fmt: skip
    usage = next(path.parent.glob("*.su")).read_text(encoding="utf-8")
    run = ctypes.CDLL(str(library)).net_run
    pointer = np.ctypeslib.ndpointer(dtype, flags="C_CONTIGUOUS")
    run.argtypes, run.restype = [pointer, pointer], None

    def call(x, outputs):
        found = np.zeros((len(x), outputs), dtype)
        for sample, row in zip(np.ascontiguousarray(x), found):
            run(sample, row)
        return found

    return call, max(int(line.split("\t")[1]) for line in usage.splitlines())


@pytest.mark.skipif(GCC is None, reason="no gcc")
@pytest.mark.parametrize(
    ("name", "rules"), [c for c in CASES if not c[0].startswith("resnet18")], ids=str
)
def test_c_gives_the_same_answers(name, rules, tmp_path):
    packed, x, want = packed_and_batch(name, **rules)
    sizes = export_c(packed, tmp_path / "net.c")
    call, stack = compiled(tmp_path / "net.c")
    for _ in range(2):  # buffers hold nothing from call to call
        same_answers(call(x, want.shape[1]), want)
    text = (tmp_path / "net.c").read_text(encoding="utf-8")
    assert "malloc" not in text and re.findall("#include <(.*)>", text) == ["stddef.h", "stdint.h"]
    assert f"Tables: {sizes['tables']} bytes" in text and stack < 512
    parts = packed.program.sizes()
    assert sizes["tables"] >= parts["signs"]
    if not rules:
        assert (
            sizes["tables"]
            < 4 * parts["signs"] + parts["floats"] + 4 * parts["thresholds"] + 20_000
        )


@pytest.mark.skipif(GCC is None, reason="no gcc")
def test_c_shares_its_buffers(tmp_path):
    packed, _, _ = packed_and_batch("lab")
    alone = sum(
        4 * int(np.prod(shape)) for name, shape in shapes(packed.program).items() if name != "input"
    )
    assert export_c(packed, tmp_path / "net.c")["buffers"] < alone / 2


def test_c_refuses_what_it_cannot_say(tmp_path):
    packed, _, _ = packed_and_batch("lab")
    with pytest.raises(ConfigError, match="must be a C identifier such as 'net', got '2 nets'"):
        export_c(packed, tmp_path / "net.c", name="2 nets")
    packed = copy.deepcopy(packed)
    next(op for op in packed.program.ops if op.kind == "mean").settings["axes"] = [2]
    with pytest.raises(ConfigError, match=r"shape that is not written in C|other axes"):
        export_c(packed, tmp_path / "net.c")
