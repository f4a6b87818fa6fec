"""Packed networks of tokens: linear layers of bits around attention that stays float."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from stompp_lite import binarize_model, fit, load, load_packed, pack, save_packed
from stompp_lite.errors import ConfigError, ConversionError, DataError, DtypeError
from stompp_lite.networks.families import Transformer
from stompp_lite.networks.layers import binary_layers
from stompp_lite.ship.export_c import export_c
from stompp_lite.ship.export_onnx import export_onnx, export_qonnx
from stompp_lite.ship.floats import FLOATS
from stompp_lite.ship.program import shapes
from stompp_lite.ship.sequences import SEQUENCES
from stompp_lite.ship.torch_floats import TORCH
from tests.packed import TOKENS, exact, finished, of_tokens


def tokens(name, **rules):
    if name == "bert":
        pytest.importorskip("transformers")
    return of_tokens(name, **rules)


@torch.no_grad()
def outputs(model, x):
    return model(x).numpy()


@pytest.mark.parametrize("scale", [None, "layer", "channel"])
@pytest.mark.parametrize("name", TOKENS)
def test_logits_are_equal_to_the_bit(name, scale):
    model, ids = tokens(name, scale=scale)
    packed, want = pack(model, ids[:1]), outputs(exact(model), ids)
    assert np.allclose(want, outputs(model, ids), atol=1e-4)
    for kernels in ("numpy", "numba"):
        assert np.array_equal(packed(ids, kernels, "torch"), want), kernels
        assert np.allclose(packed(ids, kernels, "numpy"), want, atol=1e-5)
    layers = [op for op in packed.program.ops if op.kind == "xnor"]
    assert len(layers) == len(binary_layers(model)) == 12
    # between the two layers of the feed-forward part there are signs only
    assert sum("thresholds" in op.arrays for op in layers) == 2
    sizes = packed.program.sizes()
    assert sizes["signs_as_float32"] == 32 * sizes["signs"]
    found = shapes(packed.program)[packed.program.ops[-1].output]
    assert found == want.shape[1:]


def test_the_traced_bert_is_the_librarys():
    model, ids = tokens("bert")
    with torch.no_grad():
        for batch in (ids, ids[:1], ids[:, :3]):  # the second has no padding
            assert torch.equal(model.plain(batch), model(batch))


def test_a_trained_model_of_characters_answers_the_same_on_the_whole_test_set():
    data = load("topics")
    torch.manual_seed(0)
    net = Transformer(data.tokens, data.train_x.shape[1], width=32)
    model = binarize_model(net, data.train_x[:1])
    fit(model, replace(data, train_x=data.train_x[:1024], train_y=data.train_y[:1024]), epochs=1)
    packed, want = pack(model, data.test_x[:1]), outputs(exact(model.eval()), data.test_x)
    assert np.array_equal(packed(data.test_x), want)
    for floats in ("torch", "numpy"):
        found = packed(data.test_x, floats=floats).argmax(-1)
        assert np.array_equal(found, outputs(model, data.test_x).argmax(-1))


def test_numpys_operations_are_torchs():
    """Every kind that only networks of tokens have, beside torch, on the same numbers."""
    kinds = set()
    for name in TOKENS:
        model, ids = tokens(name)
        packed = pack(model, ids[:1])
        values = {"input": ids.numpy()}
        signs = packed._of("numpy")
        for op in packed.program.ops:
            inputs = [values[i] for i in op.inputs]
            if op.kind in TORCH:
                mine, theirs = FLOATS[op.kind](op, *inputs), TORCH[op.kind](op, *inputs)
                assert mine.dtype == theirs.dtype and mine.shape == theirs.shape, op.kind
                assert np.abs(mine - theirs).max() <= 1e-5 * np.abs(theirs).max(), op.kind
                values[op.output] = theirs
                kinds.add(op.kind)
            else:
                values[op.output] = getattr(signs, op.kind)(op, *inputs)
    assert kinds >= set(SEQUENCES) - {"gelu"}
    x = np.linspace(-4, 4, 9, dtype=np.float32)
    assert np.allclose(FLOATS["gelu"](None, x), TORCH["gelu"](None, x), atol=1e-6)


def test_a_file_and_onnx_hold_them(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    for name in TOKENS:
        model, ids = tokens(name, scale="layer")
        packed = pack(model, ids[:1])
        want = packed(ids)
        save_packed(packed, tmp_path / "net.stompp")
        assert np.array_equal(load_packed(tmp_path / "net.stompp")(ids), want)
        export_onnx(packed, tmp_path / "net.onnx")
        session = runtime.InferenceSession(tmp_path / "net.onnx")
        (found,) = session.run(None, {"input": ids.numpy()})
        assert np.allclose(found, want, atol=1e-4)
        export_qonnx(packed, tmp_path / "bipolar.onnx", batch=len(ids))
        assert (tmp_path / "bipolar.onnx").stat().st_size > (tmp_path / "net.onnx").stat().st_size


def test_onnx_compares_floats_with_floats_where_the_input_holds_ids(tmp_path):
    runtime = pytest.importorskip("onnxruntime")

    class Masks(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.act = nn.Embedding(9, 8), nn.Hardtanh()
            self.layer, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, ids):
            x = self.layer(self.act(self.token(ids)))
            return self.head(x * (x != 0).float())

    model, ids = finished(Masks, (5,), ids=9)
    packed = pack(model, ids)
    export_onnx(packed, tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    (found,) = session.run(None, {"input": ids.numpy()})
    assert np.allclose(found, packed(ids), atol=1e-4)


def test_c_says_that_it_writes_images_and_vectors(tmp_path):
    model, ids = tokens("sentences")
    with pytest.raises(ConfigError, match=r"not written in C.*export_onnx writes networks of tok"):
        export_c(pack(model, ids), tmp_path / "net.c")

    model, x = finished(lambda: vector(nn.LayerNorm(8)), (6,), real_inputs=True)
    with pytest.raises(
        ConfigError, match=r"computes 'layer_norm', which is not written in C; use expo"
    ):
        export_c(pack(model, x), tmp_path / "net.c")


# ---- refusals ------------------------------------------------------------------------------------
def vector(odd):
    """A perceptron with something odd behind its binary layer."""
    return nn.Sequential(
        nn.Linear(6, 8), nn.Hardtanh(), nn.Linear(8, 8), nn.Hardtanh(), odd, nn.Linear(8, 2)
    )


class Does(nn.Module):
    """A module that computes a function."""

    def __init__(self, does):
        super().__init__()
        self.does = does

    def forward(self, x):
        return self.does(x)


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (lambda x: x.view(x.shape[0], -1), None),
        (lambda x: 2.0 * x + 1.0 - 0.0 * x.shape[1], r"'sub' .* cannot be packed"),
        (lambda x: 2.0 * x + x.shape[0], "computes with the size of the batch"),
        (lambda x: x * (1.0 + x.shape[1]), None),
        (lambda x: x / 3, None),
        (lambda x: 3 / x, "the constant '3' enters where a result"),
        (lambda x: x - x.mean(0), "takes the batch together"),
        (lambda x: x * x.sum(), "takes the batch together"),
        (lambda x: x.transpose(0, 1).transpose(0, 1), "moves the batch axis"),
        (lambda x: x[:, :8], "only one entry of an axis"),
        (lambda x: x.unsqueeze(0).squeeze(0), "changes the batch axis"),
        (lambda x: x * (x != 0).float(), None),
        (lambda x: x.to(torch.float64).to(torch.float32), "turns torch.float32 into torch.float64"),
        (lambda x: nn.functional.gelu(x, approximate="tanh"), "approximates GELU by 'tanh'"),
        (lambda x: x.to(torch.int64).to(torch.float32), "turns torch.float32 into torch.int64"),
    ],
)
def test_constants_and_shapes_are_packed_or_refused(does, says):
    model, x = finished(lambda: vector(Does(does)), (6,), real_inputs=True)
    if says is None:
        assert np.array_equal(pack(model, x[:1])(x), outputs(exact(model), x))
        return
    with pytest.raises(ConversionError, match=says):
        pack(model, x)


def test_ids_without_a_row_are_named():
    model, ids = tokens("sentences")
    packed = pack(model, ids)
    for wrong in (30, -1):
        for floats in ("torch", "numpy"):
            with pytest.raises(DataError, match=rf"'token' got the id {wrong}; .* from 0 to 29"):
                packed(torch.full_like(ids, wrong), floats=floats)
    with pytest.raises(DtypeError, match="float32; this network takes int64"):
        packed(ids.float())


def test_a_mask_of_numbers_and_dropout_in_attention_are_refused():
    class Attends(nn.Module):
        def __init__(self, **options):
            super().__init__()
            self.token, self.act = nn.Embedding(9, 8), nn.Hardtanh()
            self.layer, self.head, self.options = nn.Linear(8, 8), nn.Linear(8, 2), options

        def forward(self, ids):
            x = self.layer(self.act(self.token(ids)))
            options = dict(self.options)
            if "attn_mask" in options:
                options["attn_mask"] = (ids != 0).float().unsqueeze(1)
            return self.head(nn.functional.scaled_dot_product_attention(x, x, x, **options))

    for options, says in (
        ({"attn_mask": 1}, "adds its mask to the scores; use a mask of True"),
        ({"dropout_p": 0.1}, "dropout or with groups"),
    ):
        model, ids = finished(lambda o=options: Attends(**o), (5,), ids=9)
        with pytest.raises(ConversionError, match=says):
            pack(model, ids)
    model, ids = finished(lambda: Attends(scale=0.3, is_causal=True), (5,), ids=9)
    assert np.array_equal(pack(model, ids)(ids), outputs(exact(model), ids))


def test_signs_of_four_axes_before_a_linear_layer_are_refused():
    class Heads(nn.Module):
        def __init__(self):
            super().__init__()
            self.token, self.act = nn.Embedding(9, 8), nn.Hardtanh()
            self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, ids):
            x = self.act(self.token(ids).unflatten(-1, (2, 4)))
            return self.head(self.layer(x).mean((1, 2)))

    model, ids = finished(Heads, (5,), ids=9)
    with pytest.raises(ConversionError, match=r"'layer' reads signs of shape .* flatten the axes"):
        pack(model, ids)
