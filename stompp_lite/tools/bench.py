r"""What a run costs, in ratios: times of one machine and one moment, compared with each other.

A window of a forward, STE-free run propagates back only through the stages that are not committed
yet. With :math:`F` the time of a step whose stages are all committed (forward pass and float head)
and :math:`b_l` the time that stage :math:`l` adds to it, a whole run costs at best

.. math:: \text{floor} = \frac{F + \sum_l b_l \, (l + 1) / L}{F + \sum_l b_l}

of a run that always propagates through everything.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from stompp_lite.checks import count
from stompp_lite.lab.arms import configuration
from stompp_lite.lab.config import Config
from stompp_lite.lab.record import machine, versions
from stompp_lite.lab.run import build
from stompp_lite.training.data import load
from stompp_lite.training.progression import Progression

_STEPS_PER_WINDOW = 8


class _Timed:
    """A network with its optimizer, set to a step of its progression."""

    def __init__(self, config: Config, data: Any, window: float) -> None:
        self.x, self.y = data.train_x[:64], data.train_y[:64]
        self.model = build(config, data)
        self.model.train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9)
        stages = len(self.model.binarization.stages)  # type: ignore[union-attr,arg-type]
        self.total = stages * _STEPS_PER_WINDOW
        self.progression = Progression(self.model, self.total, replace(config.plan, tail=0.0))
        self.progression.attach(self.optimizer)
        self.progression.set_step(min(round(window * _STEPS_PER_WINDOW), self.total - 1))
        self.step()  # masks are replayed once

    def steps(self, count: int) -> None:
        for _ in range(count):
            self.step()

    def step(self) -> None:
        loss = F.cross_entropy(self.model(self.x), self.y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()


def _time(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def measure(blocks: int = 6, width: int = 16, repeats: int = 5, inner: int = 5) -> dict[str, Any]:
    """Time single steps and whole runs of the lab network.

    Args:
        blocks: residual blocks in each of the two groups.
        width: channels of the first group.
        repeats: measurements of each quantity; they are taken in turn, not in blocks.
        inner: steps per measurement of a step.

    Returns:
        Milliseconds and ratios, each as ``{"min", "median", "max"}`` over the repeats.

    Raises:
        ConfigError: a size below one.
    """
    count(repeats, "repeats")
    data = load("digits")
    sizes = {"blocks": count(blocks, "blocks"), "width": width}
    configs = {m: configuration({"method": m, **sizes}) for m in ("float", "ste", "stompp")}
    stages = 4 * blocks + 1
    step_ms: dict[str, list[float]] = {}
    nets = {name: _Timed(configs[name], data, 0) for name in ("float", "ste")}
    nets["mid window 0"] = _Timed(configs["stompp"], data, 0.5)
    nets["mid window 1"] = _Timed(configs["stompp"], data, 1.5)
    # a little after the start of window k, stages 0 ... k - 1 are committed
    nets |= {f"committed {k}": _Timed(configs["stompp"], data, k) for k in range(stages + 1)}
    for _ in range(repeats):
        for name, net in nets.items():
            spent = _time(partial(net.steps, inner))
            step_ms.setdefault(name, []).append(1000 * spent / inner)

    cost = [statistics.median(step_ms[f"committed {k}"]) for k in range(stages + 1)]
    backward = [cost[k] - cost[k + 1] for k in range(stages)]
    forward = cost[stages]
    late = sum(b * (k + 1) / stages for k, b in enumerate(backward))
    floor = (forward + late) / (forward + sum(backward))

    ratios, pairs = [], {"stompp": [], "ste": []}  # type: ignore[var-annotated]
    for _ in range(repeats):
        for name, times in pairs.items():
            times.append(_time(partial(_whole_run, configs[name], data)))
        ratios.append(pairs["stompp"][-1] / pairs["ste"][-1])
    middle = max("mid window 0", "mid window 1", key=lambda n: statistics.median(step_ms[n]))
    mid = [a / b for a, b in zip(step_ms[middle], step_ms["float"], strict=True)]
    ratio = _spread(ratios)
    return {
        "network": f"LabResNet, width {width}, blocks ({blocks}, {blocks}), {stages} stages",
        "repeats": repeats,
        "versions": versions(),
        "machine": machine(),
        "forward_ms": forward,
        "backward_ms": backward,
        "float_step_ms": _spread(step_ms["float"]),
        "ste_step_ms": _spread(step_ms["ste"]),
        "middle_step_over_float": _spread(mid),
        "run_over_ste": ratio,
        "floor": floor,
        "run_over_floor": ratio["median"] / floor,
    }


def _whole_run(config: Config, data: Any) -> None:
    net = _Timed(config, data, 0)
    for t in range(net.total):
        net.progression.set_step(t)
        net.step()


def text(result: dict[str, Any]) -> str:
    """The measurement as a few lines for a terminal."""

    def show(name: str, unit: str = "") -> str:
        r = result[name]
        return f"{r['median']:.3g}{unit} (min {r['min']:.3g}, max {r['max']:.3g})"

    backward = " ".join(f"{b:.2f}" for b in result["backward_ms"])
    return "\n".join(
        [
            f"{result['network']}; {result['repeats']} repeats, "
            f"{result['machine']['threads']} threads",
            f"step of the float network       {show('float_step_ms', ' ms')}",
            f"step of the STE network         {show('ste_step_ms', ' ms')}",
            f"F, everything committed         {result['forward_ms']:.3g} ms",
            f"b_l, backward per stage, ms     {backward}",
            f"step in mid-window / float step {show('middle_step_over_float')}",
            f"whole forward run / STE run     {show('run_over_ste')}",
            f"floor                           {result['floor']:.3g}",
            f"whole run / floor               {result['run_over_floor']:.3g}",
        ]
    )
