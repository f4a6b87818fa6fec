"""The file of a packed network: small, whole or refused, and read without torch."""

import json
import struct
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from stompp_lite import load_packed, pack, save_packed
from stompp_lite.errors import CheckpointError
from stompp_lite.networks.families import resnet
from stompp_lite.ship import file as module
from tests.conftest import ROOT
from tests.packed import NETWORKS, finished


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A packed network, its file, a batch and the logits."""
    model, x = finished(*NETWORKS["lab"], scale="channel")
    packed = pack(model, x[:1])
    path = tmp_path_factory.mktemp("packed") / "net.stompp"
    save_packed(packed, path)
    return packed, path, x


@pytest.mark.parametrize("name", ["lab", "perceptron", "mobilenet", "bireal"])
def test_what_is_stored_comes_back(name, tmp_path):
    model, x = finished(*NETWORKS[name])
    packed = pack(model, x[:1])
    save_packed(packed, tmp_path / "net.stompp")
    again = load_packed(tmp_path / "net.stompp")
    assert np.array_equal(again(x), packed(x)) and str(again.program) == str(packed.program)
    assert module.packed_bytes(again) == (tmp_path / "net.stompp").read_bytes()


def test_resnet18_fits_into_2_2_megabytes(tmp_path):
    model, x = finished(lambda: resnet("resnet18", 10), (3, 8, 8), passes=1)
    packed = pack(model, x[:1])
    save_packed(packed, tmp_path / "net.stompp")
    size, parts = (tmp_path / "net.stompp").stat().st_size, packed.program.sizes()
    assert size <= 2_200_000
    assert size - sum(parts[k] for k in ("signs", "thresholds", "floats")) < 30_000  # the header
    binary = parts["signs"] + parts["thresholds"]
    assert parts["signs_as_float32"] / binary >= 25
    state = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert state / size > 20


@pytest.mark.parametrize("share", [(k + 0.5) / 60 for k in range(60)], ids="{:.3f}".format)
def test_a_flipped_bit_is_noticed(lab, share, tmp_path):
    content = bytearray(lab[1].read_bytes())
    place = int(share * len(content))
    content[place] ^= 1 << (place % 8)
    (tmp_path / "bad.stompp").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is not a whole packed network|no packed network"):
        load_packed(tmp_path / "bad.stompp")


@pytest.mark.parametrize("keep", [0, 7, 8, 1000, 0.5, 0.999])
def test_a_truncated_file_is_refused(lab, keep, tmp_path):
    content = lab[1].read_bytes()
    end = keep if isinstance(keep, int) else int(keep * len(content))
    (tmp_path / "short.stompp").write_bytes(content[:end])
    with pytest.raises(CheckpointError, match="not a whole packed network"):
        load_packed(tmp_path / "short.stompp")


def changed(lab, path, change, digest=True):
    """A copy with another header."""
    content = lab[1].read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    outer = json.loads(content[8 : 8 + length])
    header = json.loads(outer["__metadata__"]["stompp_lite"])
    change(header)
    if digest:
        with module._library().safe_open(lab[1], framework="numpy") as file:
            tensors = {n: file.get_tensor(n) for n in file.keys()}  # noqa: SIM118
        header["digest"] = module._digest(header, tensors)
    outer["__metadata__"]["stompp_lite"] = json.dumps(header)
    text = json.dumps(outer).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    return path


@pytest.mark.parametrize(
    ("change", "digest", "says"),
    [
        ({"version": 2}, True, "version 2 of the format, this package reads version 1; update"),
        ({"format": "other"}, True, "its format is 'other'"),
        ({"dtype": "float64"}, False, "its digest is not that of its content"),
        ({"ops": []}, True, "it has no operations"),
        ({"ops": [{"kind": "exec", "inputs": [], "output": "x"}]}, True, "no operation 'exec'"),
        (
            {"ops": [{"kind": "sign", "inputs": ["nowhere"], "output": "x"}]},
            True,
            "reads a value that nothing has made",
        ),
    ],
)
def test_other_headers_are_refused(lab, change, digest, says, tmp_path):
    path = changed(lab, tmp_path / "net.stompp", lambda h: h.update(change), digest)
    with pytest.raises(CheckpointError, match=says):
        load_packed(path)


def test_foreign_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no packed network"):
        load_packed(tmp_path / "none.stompp")
    save_file({"a": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match="no packed network of this package"):
        load_packed(tmp_path / "foreign.safetensors")
    (tmp_path / "text").write_text("hello, this is a text\n", encoding="utf-8")
    torch.save({"a": 1}, tmp_path / "pickle.pt")
    for name in ("text", "pickle.pt"):
        with pytest.raises(CheckpointError, match="not a whole packed network"):
            load_packed(tmp_path / name)


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import numpy as np
from stompp_lite import load_packed
net = load_packed({path!r})
x = np.load({x!r})
np.save({out!r}, net(x))
assert not {blocked} & set(sys.modules)
try:
    from stompp_lite import fit
except ImportError as err:
    print(err)
try:
    net(x, floats="torch")
except ValueError as err:
    print(err)
"""


@pytest.mark.parametrize("kernels", ["numba", "numpy"])
def test_it_runs_where_torch_is_missing(lab, kernels, tmp_path):
    packed, path, x = lab
    blocked = {"torch", "torchvision", "sklearn", "scipy", "matplotlib"}
    blocked |= {"numba"} if kernels == "numpy" else set()
    np.save(tmp_path / "x.npy", x.numpy())
    code = WITHOUT.format(
        blocked=sorted(blocked), path=str(path), x=str(tmp_path / "x.npy"),
        out=str(tmp_path / "out.npy"),
    ).replace(f"not {sorted(blocked)} &", f"not set({sorted(blocked)}) &")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'fit' needs torch" in done.stdout and "torch is not installed" in done.stdout
    found = np.load(tmp_path / "out.npy")
    want = packed(x, floats="torch")
    assert np.array_equal(found, packed(x, kernels, "numpy"))
    assert np.array_equal(found.argmax(1), want.argmax(1)) and np.abs(found - want).max() < 1e-4


def test_a_missing_library_is_named(lab, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(CheckpointError, match=r"pip install 'stompp-lite\[bits\]'"):
        load_packed(lab[1])
