"""Chapter 19's moving figures: a page computes from a file's bytes what the package computes."""

import base64
import json

import numpy as np
import pytest
import torch
from torch import nn

from stompp_lite import LabResNet, load, mlp, pack, save_packed
from stompp_lite.errors import CheckpointError, ConfigError
from stompp_lite.networks.models import residual_mlp
from stompp_lite.ship.file import packed_bytes
from stompp_lite.ship.floats import FLOATS
from stompp_lite.ship.program import SIGN_KINDS, Op, Program
from stompp_lite.ship.run_numpy import Signs
from stompp_lite.ship.runtime import Packed
from stompp_lite.ship.sequences import SEQUENCES
from stompp_lite.tools.roof import bounds
from stompp_lite.viz import components, shipped
from stompp_lite.viz.shipped import digit_machine, file_view, roofline
from tests.browser import in_both_themes, move, rows, says, show
from tests.packed import finished

WIDTH = 900  # of the pages
ROOF = {"float32": 46.0, "int8": 190.0, "bits": 1029.0, "bandwidth": 21.9}


class Pools(nn.Module):
    """Every operation that the lab's networks and perceptrons leave out."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1), nn.MaxPool2d(2), nn.AvgPool2d(3, 1, 1), nn.ReLU6(),
            nn.BatchNorm2d(6), nn.Hardtanh(),
            nn.Conv2d(6, 12, 3, 1, 2, dilation=2, groups=2), nn.BatchNorm2d(12), nn.Hardtanh(),
            nn.MaxPool2d(2), nn.Conv2d(12, 40, 3, padding=1), nn.BatchNorm2d(40), nn.Hardtanh(),
            nn.Flatten(), nn.Linear(160, 10),
        )  # fmt: skip

    def forward(self, x):
        return self.body(x)


NETWORKS = {
    "lab": (lambda: LabResNet(1, 10, 8, (1, 1)), (1, 8, 8), {}),
    "lab with a scale": (lambda: LabResNet(1, 10, 4, (1, 1)), (1, 8, 8), {"scale": "channel"}),
    "perceptron": (lambda: mlp(64, 10, 40, 3), (1, 8, 8), {}),
    "residual perceptron": (lambda: residual_mlp(64, 10, 20, 1), (64,), {}),
    "pools": (Pools, (1, 8, 8), {}),
    "binary weights alone": (
        lambda: mlp(64, 10, 12, 2),
        (1, 8, 8),
        {"activations": "float", "scale": "layer"},
    ),
}


@pytest.fixture(scope="module")
def digits():
    """Test digits, one of each class, and their labels."""
    data = load("digits")
    first = [int((data.test_y == k).nonzero()[0]) for k in range(10)]
    return data.test_x[first].numpy(), data.test_y[first].tolist()


@pytest.fixture(scope="module")
def nets():
    out = {}
    for name, (make, shape, rules) in NETWORKS.items():
        model, x = finished(make, shape, **rules)
        out[name] = pack(model, x[:1])
    return out


def values(packed, x):
    """Every value that a packed network computes, by name, with NumPy alone."""
    signs, found = Signs(packed.program.dtype), {"input": x}
    for op in packed.program.ops:
        inputs = [found[name] for name in op.inputs]
        compute = getattr(signs, op.kind) if op.kind in SIGN_KINDS else FLOATS[op.kind]
        found[op.output] = compute(op, *inputs)
    return found


@pytest.fixture
def module(context):
    """Evaluate an expression where ``$packed`` and ``$roofline`` are the modules."""
    page = context.new_page()
    page.goto("about:blank")
    script = components._bundle(["digit_machine", "roofline"]).replace("const $", "var $")
    page.evaluate(f"(0, eval)({json.dumps(script)})")
    return page.evaluate


# ---- what a page computes ------------------------------------------------------------------------
@pytest.mark.slow
def test_a_page_computes_every_value_of_a_packed_network_from_its_bytes(module, nets, digits):
    """Signs and sums of signs exactly, floats to their last bits; and each output's vote."""
    assert set(module("Object.keys($packed.OPS)")) == set(shipped.KINDS)
    assert set(shipped.KINDS) == {*SIGN_KINDS, *FLOATS} - set(SEQUENCES)
    met = set()
    for name, packed in nets.items():
        x = digits[0].reshape(-1, *packed.program.input_shape)
        found = module(
            """([file, all]) => {
              const net = $packed.read($packed.fromBase64(file));
              const entries = ({ words, numbers, shape }) => numbers ? [...numbers]
                : Array.from({ length: shape.reduce((a, b) => a * b, 1) },
                  (_, k) => 2 * $packed.bitOf(words, k) - 1);
              const votes = (values) => net.ops.filter((op) => op.kind === "xnor").map((op) =>
                $packed.vote(op, op.inputs.map((key) => values[key]), 1, 0));
              return all.map((sample) => {
                const values = $packed.run(net, sample);
                const listed = Object.entries(values).map(([key, v]) => [key, entries(v)]);
                return { values: Object.fromEntries(listed), votes: votes(values) };
              });
            }""",
            [base64.b64encode(packed_bytes(packed)).decode(), x.reshape(len(x), 64).tolist()],
        )
        want = values(packed, x)
        for key, array in want.items():
            got = np.array([one["values"][key] for one in found]).reshape(array.shape)
            if array.dtype == np.int8:
                assert np.array_equal(got, array), (name, key)
            else:
                assert np.allclose(got, array, rtol=1e-4, atol=1e-4), (name, key)
        output = np.array([one["values"]["output"] for one in found])
        assert np.array_equal(output.argmax(1), packed(x).argmax(1))
        layers = [op for op in packed.program.ops if op.kind == "xnor"]
        for k, op in enumerate(layers):
            for sample, one in enumerate(found):
                vote, out = one["votes"][k], want[op.output][sample].reshape(-1)
                at = out.size // len(op.arrays["signs"])  # output 1, pixel 0
                assert vote["all"] == op.arrays["signs"][0].size >= vote["count"] >= vote["agree"]
                if "bit" in vote:
                    assert 2 * vote["bit"] - 1 == out[at]
                else:
                    assert vote["sum"] == 2 * vote["agree"] - vote["count"] == out[at]
        met |= {op.kind for op in packed.program.ops}
    assert met == set(shipped.KINDS)


@pytest.mark.slow
def test_a_file_that_the_page_cannot_read_is_named(module, nets):
    content = packed_bytes(nets["perceptron"])
    cases = {
        "too short for a packed network": content[:5],
        "ends before its header does": content[:200],
        "the file ends before its tensor": content[:-1],
        "holds no packed network": b"\2\0\0\0\0\0\0\0{}",
        "version 7 of the format": content.replace(b'\\"version\\":1', b'\\"version\\":7'),
        "the file's format is": content.replace(b"stompp_lite packed", b"stompp_lite peckad"),
        "computes no nurm": content.replace(b'\\"kind\\":\\"norm', b'\\"kind\\":\\"nurm'),
    }
    told = module(
        "files => files.map((file) => { try { $packed.read($packed.fromBase64(file)); }"
        " catch (error) { return error.message; } })",
        [base64.b64encode(changed).decode() for changed in cases.values()],
    )
    for said, found in zip(cases, told, strict=True):
        assert said in found


# ---- the figures ---------------------------------------------------------------------------------
def accessible(page):
    """Axe finds nothing in both themes, pictures are named and change, and a phone is enough."""
    pictures = in_both_themes(page)
    assert pictures[0] != pictures[1]
    told = page.locator("[role=img]:not([aria-hidden]):visible").evaluate_all(
        "all => all.map(el => el.getAttribute('aria-label'))"
    )
    assert all(len(text) > 25 for text in told) and len(set(told)) == len(told), told
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def drawn(page):
    """The 8 x 8 gray values that the network reads, as the picture says them."""
    told = page.get_by_label("The digit as the network reads it").get_attribute("aria-label")
    return np.array([int(v) for v in told.rstrip(".").rpartition(": ")[2].split()])


@pytest.mark.slow
def test_a_digit_is_drawn_and_the_page_says_what_the_network_says(context, nets, digits):
    packed, (images, labels) = nets["lab"], digits
    watched = show(context, digit_machine(packed, images[:4], labels[:4]))
    page = watched.page

    def compared(name=""):
        x = (drawn(page) / 8 - 1).astype(np.float32).reshape(1, 1, 8, 8)
        want = values(packed, x)
        (logits,) = packed(x)
        page.wait_for_function(
            "said => document.querySelector('.lbl-says').textContent.includes(said)",
            arg=f"network says {logits.argmax()}",
        )
        return want, logits

    for k in (1, 3):
        page.get_by_role("button", name=f"load test digit {k + 1}").click()
        want, logits = compared()
        assert f"; it is a {labels[k]}." in says(page)
        assert np.array_equal(drawn(page), (images[k].reshape(64) + 1) * 8)
    shown = np.array([float(row[1]) for row in rows(page)])
    assert np.abs(shown - logits).max() < 1e-3
    # one output of the second layer: a residual sign moves its threshold
    page.locator("select").select_option(index=1)
    for k, value in enumerate((3, 10)):  # output, pixel
        page.locator("input[type=range]").nth(k).fill(str(value))
    second = [op for op in packed.program.ops if op.kind == "xnor"][1]
    sign = int(want[second.output][0, 2].reshape(-1)[9])
    brought = int(want[second.inputs[1]][0, 2].reshape(-1)[9])
    words = {1: "+1", -1: "−1"}
    assert "Output 3 of binary layer 2: " in says(page)
    assert f"the shortcut brings {words[brought]}" in says(page)
    assert f"sign {words[sign]}" in page.locator(".lbl-sum").text_content()
    # by keyboard and by pen
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function("document.querySelector('.lbl-says').textContent.includes('is empty')")
    pad = page.get_by_role("application")
    pad.focus()
    for key in ("ArrowUp", "Space", "ArrowRight", "Space", "Space"):
        page.keyboard.press(key)
    compared()
    assert drawn(page).nonzero()[0].tolist() == [19] and drawn(page)[19] == 16
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 20, steps=4)
    page.mouse.up()
    page.wait_for_timeout(100)
    compared()
    assert (drawn(page).reshape(8, 8)[1:7, 3:5].sum(1) > 12).all()
    # the very file
    link = page.get_by_role("link", name="Download the file")
    stored = base64.b64decode(link.get_attribute("href").partition(",")[2])
    assert stored == packed_bytes(packed) and link.get_attribute("download") == "digits.stompp"
    accessible(page)
    assert not watched.wrong, watched.wrong


@pytest.mark.slow
def test_a_byte_of_the_file_and_its_eight_signs_are_found_in_each_other(context, nets):
    packed = nets["perceptron"]
    content, layer = packed_bytes(packed), next(
        op for op in packed.program.ops if op.kind == "xnor"
    )  # fmt: skip
    view = file_view(packed)
    regions = view.data["regions"]
    watched = show(context, view)
    page, start = watched.page, regions[view.data["start"]]["from"]
    row = layer.arrays["signs"][0]  # 40 signs: five bytes

    def signs(k):
        return " ".join("+" if s else "−" for s in row[8 * k : 8 * k + 8])

    assert f"Byte {start:,} (hex {start:04x}) belongs to signs of layer 4." in says(page)
    assert f"from the right {signs(0)}, of output 1 from entry 1." in says(page)
    lines = page.locator(".lbl-eight tbody tr").all_inner_texts()
    assert [line.split("\t")[3] for line in lines] == [signs(k) for k in range(5)]
    assert [line.split("\t")[1] for line in lines] == [f"{b:02x}" for b in content[start:][:5]]
    hexes = page.locator(".lbl-dump td[class^=lbl-in]").all_inner_texts()
    top = start - start % 16
    first = min(top, 16 * max(-(-len(content) // 16) - 10, 0))
    assert bytes.fromhex("".join(hexes)) == content[first : first + 160]
    page.locator(".lbl-dump").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert f"from the right {signs(3)}, of output 1 from entry 25." in says(page)
    assert page.locator(".lbl-dump .lbl-here").inner_text() == f"{content[start + 3]:02x}"
    # a sign in the grid leads to its byte
    grid = page.locator(".lbl-bytes canvas")
    cell = grid.evaluate("el => Math.min(Math.max(Math.floor((el.clientWidth - 2) / 40), 5), 14)")
    grid.click(position={"x": 1 + 17.5 * cell, "y": 1 + 2.5 * cell})  # output 3, entry 18
    assert f"Byte {start + 12:,} " in says(page) and "of output 3 from entry 17" in says(page)
    # what else there is
    for kind, said in (
        ("header", "the character { of the header"),
        ("length", f"how long the header is: {regions[1]['to'] - 8:,}"),
        ("floats", "a float32."), ("thresholds", "one of the 2 bytes of"),
    ):  # fmt: skip
        at = next(k for k, r in enumerate(regions) if r["kind"] == kind)
        page.get_by_label("go to").select_option(index=at)
        assert said in says(page), kind
    assert [int(line[2]) for line in rows(page)] == [r["to"] - r["from"] for r in regions]
    accessible(page)
    assert not watched.wrong, watched.wrong


@pytest.mark.slow
def test_the_roofline_moves_by_the_packages_arithmetic(context, module):
    sizes = [(r, k, o) for r in shipped.ROWS for k in shipped.LENGTHS for o in (1, 64, 4096)]
    for packed in (True, False):
        found = module(
            "([roof, all, packed]) => all.map((one) => $roofline.bounds(roof, ...one, packed))",
            [ROOF, sizes, packed],
        )
        assert found == [bounds(ROOF, *size, packed) for size in sizes]
    watched = show(context, roofline(ROOF, measured=[("bits", 256, 1024, 256, 556)]))
    page = watched.page
    assert "At best bits are" in says(page) and "Both wait for memory" in says(page)
    move(page, "K, length of a sum", shipped.LENGTHS.index(4096))
    move(page, "rows", shipped.ROWS.index(1024))
    move(page, "outputs", shipped.OUTPUTS.index(16))
    page.get_by_label("activations arrive").select_option("float32")
    want = bounds(ROOF, 1024, 4096, 16, packed=False)
    told = {row[0]: row[1:] for row in rows(page)}
    for name, one in want.items():
        assert told[name][:2] == [str(one["operations"]), str(one["bytes"])]
        assert float(told[name][5]) == pytest.approx(one["faster"], rel=1e-3)
        assert told[name][6] == one["bound"]
    assert f"{want['bits']['faster']:.3g} times as fast as float32" in says(page)
    assert "Bits wait for memory, which" in says(page) and "float32 waits for arithmetic." in says(
        page
    )
    accessible(page)
    assert not watched.wrong, watched.wrong


# ---- what Python refuses -------------------------------------------------------------------------
def packed_of(make, shape, **rules):
    model, x = finished(make, shape, **rules)
    return pack(model, x[:1])


def test_what_the_machine_cannot_show_is_refused(nets, digits):
    net, (images, labels) = nets["perceptron"], digits
    floats = nets["binary weights alone"]
    small = packed_of(lambda: mlp(36, 3, 8, 2), (1, 6, 6))
    large = packed_of(lambda: mlp(64, 10, 1200, 2), (1, 8, 8))
    odd = Packed(Program([*net.program.ops, Op("softmax", "end", ["_10"], "out")], (1, 8, 8)))
    constant = Op("add", "end", ["_10"], "out", {}, {"value": np.zeros(10, np.float32)})
    plus = Packed(Program([*net.program.ops, constant], (1, 8, 8)))
    for call, said in (
        (lambda: digit_machine(plus, images, labels), "does not compute 'add' of 'end'"),
        (lambda: digit_machine(torch.nn.Linear(2, 2), images, labels), "packed is a Linear"),
        (lambda: digit_machine(small, images, labels), r"shape \(1, 6, 6\)"),
        (lambda: digit_machine(odd, images, labels), "does not compute 'softmax' of 'end'"),
        (lambda: digit_machine(floats, images, labels), "no binary layer .* reads signs"),
        (lambda: digit_machine(large, images, labels), "at most 262,144: show a smaller"),
        (lambda: digit_machine(net, images[:, :, :4], labels), r"got an array of shape"),
        (lambda: digit_machine(net, images + 0.01, labels), "a pixel must be one of"),
        (lambda: digit_machine(net, images, labels[:3]), "10 numbers from 0 to 9"),
        (lambda: digit_machine(net, images[:2], [1, 10]), r"got \[1, 10\]"),
        (lambda: digit_machine(net, images[:2], [1, 0.5]), "a label must be of type int"),
        (lambda: file_view(3), "source is a int"),
        (lambda: file_view(net, tensors=["_6.sign"]), "did you mean '_6.signs'"),
        (lambda: roofline({"float32": 1.0}), "the roof has no 'int8'"),
        (lambda: roofline({**ROOF, "bandwidth": 0}), "'bandwidth' of the roof must be above 0"),
        (lambda: roofline(ROOF, rows=3), "rows must be one of 1, 4, .*, got 3"),
        (lambda: roofline(ROOF, packed="yes"), "packed must be of type bool"),
        (lambda: roofline(ROOF, measured=[("bit", 1, 1, 1, 1.0)]), "did you mean 'bits'"),
        (lambda: roofline(ROOF, measured=[("bits", 1, 1, 1)]), "give .kind, rows, length"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=said):
            call()


def test_the_view_of_a_file_holds_what_is_small_and_refuses_what_is_none(nets, tmp_path):
    path, content = tmp_path / "net.stompp", packed_bytes(nets["lab"])
    save_packed(nets["lab"], path)
    data = file_view(path).data
    assert base64.b64decode(data["pieces"][0][1]) == content and data["name"] == "net.stompp"
    assert [r["from"] for r in data["regions"][1:]] == [r["to"] for r in data["regions"][:-1]]
    large = packed_of(lambda: mlp(64, 10, 400, 2), (1, 8, 8))
    whole = packed_bytes(large)
    data = file_view(whole, tensors=["_1.weight"]).data
    assert len(whole) > shipped.WHOLE and len(json.dumps(data)) < 20_000
    for at, text in data["pieces"]:
        piece = base64.b64decode(text)
        assert whole[at : at + len(piece)] == piece
    for broken in (content[:100], content[:-1], content + b"x", b""):
        with pytest.raises(CheckpointError):
            file_view(broken)
    with pytest.raises(CheckpointError, match="there is no packed network"):
        file_view(tmp_path / "none")
