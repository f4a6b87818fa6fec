"""Packed networks from the command line: pack a recorded run, and measure what packing buys.

A time is CPU time of one thread, so that other work on the machine does not count, and every ratio
is of two measurements that were taken one after the other.

See chapter 19 of the book.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stompp_lite.checks import count, one_of
from stompp_lite.errors import CheckpointError
from stompp_lite.lab import record as records
from stompp_lite.lab.config import config_of
from stompp_lite.lab.run import build
from stompp_lite.networks.convert import binarize_model
from stompp_lite.networks.families import Transformer, resnet
from stompp_lite.networks.layers import sites
from stompp_lite.networks.models import LabResNet
from stompp_lite.ship.export_c import export_c
from stompp_lite.ship.export_onnx import export_onnx, export_qonnx
from stompp_lite.ship.file import load_packed, packed_bytes
from stompp_lite.ship.pack import pack
from stompp_lite.ship.runtime import Packed
from stompp_lite.tools.roof import measure_roof, milliseconds
from stompp_lite.training import checkpoint
from stompp_lite.training.data import load

#: Format of an export -> ending of its file.
FORMATS = {"onnx": ".onnx", "qonnx": ".qonnx.onnx", "c": ".c"}
#: Lengths of the sums of the measured products; ResNet-18 has 576 to 4,608.
LENGTHS = (576, 1024, 2304, 4096)
#: The tokens that BERT knows, and the measured transformer with it.
WORDS = 30522
#: Rows and columns of the measured products.
SIDE = 256


def pack_run(kept: str | Path, record: str | Path, root: str | Path = "data") -> Packed:
    """Pack the network of a run.

    Args:
        kept: the run's checkpoint. record: what it wrote, which says how the model is built.
        root: folder of the data sets.

    Raises:
        StomppError: a file is missing or damaged, they belong to different runs, or the network
            cannot be packed.
    """
    config = config_of(records.read(Path(record)))
    state = checkpoint.load(kept)
    data = load(config.data, root, validation=config.validation, tokenizer=config.bert)
    model = build(config, data)
    try:
        model.load_state_dict(state["run"]["weights"])
    except (KeyError, TypeError, RuntimeError) as err:
        raise CheckpointError(
            f"the weights in {kept} are not those of the model of {record} ({err}); name the "
            "record that the same run wrote"
        ) from err
    return pack(model, data.train_x[:1])


def export(net: str | Path, to: str, out: str | Path | None = None) -> str:
    """Write a packed network for another tool; returns what was written, in a line.

    Args:
        net: the file of the packed network. to: one of :data:`FORMATS`.
        out: None: the same name with another ending.

    Raises:
        StomppError: an unknown format, a damaged file, a missing library.
    """
    one_of(to, FORMATS, "format")
    path = Path(net).with_suffix(FORMATS[to]) if out is None else Path(out)
    packed = load_packed(net)
    if to == "c":
        sizes = export_c(packed, path)
        said = ", ".join(f"{kind} {size:,} bytes" for kind, size in sizes.items())
        return f"{path}: {said}"
    write = export_onnx if to == "onnx" else export_qonnx
    return f"{path}: {write(packed, path):,} bytes"


def measure(repeats: int = 5, small: bool = False) -> dict[str, Any]:
    """Time products of signs and packed networks against torch, on one core.

    Args:
        repeats: pairs of measurements of each.
        small: a short product and a small network only, to see that it works.

    Returns:
        ``products`` and ``networks``, rows with milliseconds and ratios, ``peak_gmacs``, what the
        kernel does with operands in the nearest cache, ``roof``, from
        :func:`~stompp_lite.tools.roof.measure_roof`, and the machine.

    Raises:
        ConfigError: repeats below one.
    """
    count(repeats, "repeats")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            roof = measure_roof(repeats)
            return {
                "repeats": repeats,
                "machine": records.machine(),
                "versions": records.versions(),
                "vector_popcount": _vector_popcount(),
                "peak_gmacs": roof["bits"],
                "roof": roof,
                "products": [product(k, repeats) for k in (LENGTHS[:1] if small else LENGTHS)],
                "networks": _networks(repeats, small),
            }
    finally:
        torch.set_num_threads(threads)


def _vector_popcount() -> bool:
    from llvmlite.binding import get_host_cpu_features

    return bool(get_host_cpu_features().get("avx512vpopcntdq", False))


def _pairs(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float, dict[str, float]]:
    """Milliseconds of both, and how many times faster ours is."""
    ours(), theirs()
    inner = max(1, round(5 / max(milliseconds(ours), 0.01)))  # long enough for the clock
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        a = milliseconds(lambda: [ours() for _ in range(inner)]) / inner
        b = milliseconds(lambda: [theirs() for _ in range(inner)]) / inner
        times.append((a, b))
    ratios = [b / a for a, b in times]
    middle = [statistics.median(t) for t in zip(*times, strict=True)]
    return middle[0], middle[1], {
        "min": min(ratios), "median": statistics.median(ratios), "max": max(ratios),
    }  # fmt: skip


def product(length: int, repeats: int = 5) -> dict[str, Any]:
    """A product of [SIDE, length] and [length, SIDE] signs: packed, in float32, and in int8.

    Args:
        length: terms of each sum. repeats: pairs of measurements.

    Returns:
        Milliseconds of each way and of packing, the ratios, and ``gmacs``, billions of products of
        signs a second. The packed sums were compared with torch's.
    """
    from stompp_lite.ship.program import Op, Program
    from stompp_lite.ship.run_words import Bits, Words, to_words

    draw = np.random.default_rng(length)
    a, b = (draw.integers(0, 2, (SIDE, length)).astype(bool) for _ in range(2))
    op = Op("xnor", "product", ["input"], "out", {"layer": "linear"}, {"signs": b})
    words, run = Bits(to_words(a), length), Words(Program([op], (length,)))
    x, y = (torch.from_numpy(np.where(s, 1, -1).astype(np.float32)) for s in (a, b))
    x8, y8 = x.to(torch.int8), y.to(torch.int8).T
    packing = milliseconds(lambda: to_words(a))
    found: Any = run.xnor(op, words)
    assert np.array_equal(found, (x @ y.T).numpy())
    ours, floats, ratio = _pairs(lambda: run.xnor(op, words), lambda: x @ y.T, repeats)
    _, bytes_, ratio8 = _pairs(lambda: run.xnor(op, words), lambda: torch._int_mm(x8, y8), repeats)
    return {
        "length": length, "packing_ms": packing, "packed_ms": ours, "float32_ms": floats,
        "int8_ms": bytes_, "over_float32": ratio, "over_int8": ratio8,
        "gmacs": SIDE * SIDE * length / ours / 1e6,
    }  # fmt: skip


def _bert_size() -> nn.Module:
    """Its biases are 0, as BERT's before training: with others torch rounds the sums of signs."""
    net = Transformer(WORDS, 128, 2, width=768, depth=12, heads=12)
    for layer in net.blocks.modules():
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)
    return net


def _networks(repeats: int, small: bool) -> list[dict[str, Any]]:
    """Networks with random weights, against float networks of the same form."""

    def images(*shape: int) -> Callable[[int], Tensor]:
        return lambda count: torch.randn(count, *shape)

    def words(count: int) -> Tensor:
        return torch.randint(1, WORDS, (count, 128))

    nets: dict[str, tuple[Callable[[], nn.Module], Callable[[int], Tensor], tuple[int, int]]] = {
        "lab network, width 16, 24 binary layers":
            (lambda: LabResNet(1, 10, 16, (6, 6)), images(1, 8, 8), (1, 64)),
        "ResNet-18, images of 32x32":
            (lambda: resnet("resnet18", 10), images(3, 32, 32), (1, 64)),
        "transformer of BERT base's size, 128 tokens": (_bert_size, words, (1, 8)),
    }  # fmt: skip
    rows = []
    for name, (make, draw, batches) in list(nets.items())[: 1 if small else None]:
        torch.manual_seed(0)
        model = binarize_model(make(), draw(1))
        for site in sites(model).values():
            site.p = 1.0
        model.train()(draw(16))
        plain = make().eval()
        start = time.thread_time()
        packed = pack(model, draw(1))
        packing = 1000 * (time.thread_time() - start)
        size = _sizes(model.eval(), packed)
        for batch in batches:
            x = draw(batch)
            same = int((packed(x) == model(x).numpy()).all(1).sum())
            ours, theirs, ratio = _pairs(
                lambda p=packed, x=x: p(x),  # type: ignore[misc]
                lambda m=plain, x=x: m(x),  # type: ignore[misc]
                repeats,
            )
            rows.append(
                {"network": name, "batch": batch, "packing_ms": packing, "packed_ms": ours,
                 "float32_ms": theirs, "over_float32": ratio, "equal": same, **size}
            )  # fmt: skip
    return rows


def _sizes(model: nn.Module, packed: Packed) -> dict[str, int]:
    """Bytes of the files, and of the weights of binary layers in them."""
    signs = [op.arrays["signs"].size for op in packed.program.ops if "signs" in op.arrays]
    kept = io.BytesIO()
    torch.save(model.state_dict(), kept)
    return {
        "state_dict_bytes": len(kept.getvalue()), "file_bytes": len(packed_bytes(packed)),
        "binary_weights": sum(signs), "binary_bytes": sum((n + 7) // 8 for n in signs),
    }  # fmt: skip


def text(result: dict[str, Any]) -> str:
    """The measurement as a few lines for a terminal."""

    def times(r: dict[str, float]) -> str:
        return f"{r['median']:5.1f}x ({r['min']:.1f} to {r['max']:.1f})"

    lines = [
        f"{result['machine']['cpu']}, one core, {result['repeats']} repeats; popcount "
        + ("of vectors" if result["vector_popcount"] else "of single words"),
        f"kernel alone, in the nearest cache: {result['peak_gmacs']:.0f} billion products a second",
        "",
        f"products of {SIDE} x K and K x {SIDE}: times faster than torch",
        "    K  packed ms   GMAC/s  of peak  against float32        against int8",
    ]
    for p in result["products"]:
        share = p["gmacs"] / result["peak_gmacs"]
        lines.append(
            f"{p['length']:5} {p['packed_ms']:10.3f} {p['gmacs']:8.0f} {share:7.0%}  "
            f"{times(p['over_float32']):<22} {times(p['over_int8'])}"
        )
    lines += ["", "networks, end to end, against the same network in float32"]
    for n in result["networks"]:
        if n["batch"] == 1:
            lines.append(f"{n['network']}; packing it took {n['packing_ms']:.0f} ms")
        ratio = times(n["over_float32"]).strip()
        lines.append(f"  batch {n['batch']:2}: {n['packed_ms']:.3g} ms, {ratio}")
    lines += ["", "files: state_dict of floats, packed"]
    for n in result["networks"]:
        if n["batch"] == 1:
            lines.append(f"{n['network']}: {n['state_dict_bytes']:,}, {n['file_bytes']:,} bytes")
    return "\n".join(lines)
