"""Widgets that need a kernel: plans drawn by the package itself, networks trained on the spot.

Training runs in a thread, so that the stop button is heard. Taught in chapters 8 and 11.
"""

from __future__ import annotations

import html
import io
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from stompp_lite import rng
from stompp_lite.checks import one_of
from stompp_lite.errors import ConfigError, StomppError
from stompp_lite.lab.arms import ARMS, configuration
from stompp_lite.lab.experiment import LAB
from stompp_lite.lab.run import build
from stompp_lite.method import ORDERS, SHAPES, Binarizer, Walker
from stompp_lite.schedule import Schedule
from stompp_lite.training.data import Data, load
from stompp_lite.training.loop import Run, fit
from stompp_lite.viz import style
from stompp_lite.viz.explore import schedule_explorer
from stompp_lite.viz.figures import FREEZE, smooth

_ENTRIES, _COLUMNS = 48, 6  # of a stage's mask that are drawn
_REFRESH = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
_BOOK_SHAPES = tuple(SHAPES)  # the browser knows these, and no reader's own


def _widgets() -> Any:
    try:
        import ipywidgets
    except ImportError as err:
        raise ConfigError("this needs ipywidgets: pip install ipywidgets") from err
    return ipywidgets


def _png(fig: Figure) -> bytes:
    target = io.BytesIO()
    fig.savefig(target, format="png", dpi=110)
    return target.getvalue()


def _shown(widget: Any, stands_in: str) -> dict[str, Any]:
    """What a notebook shows: the widget, and what stands in its place without a kernel."""
    bundle = widget._repr_mimebundle_()
    return dict(bundle[0] if isinstance(bundle, tuple) else bundle) | {"text/html": stands_in}


class PlanOnKernel:
    """Curves and masks of a plan, computed by the package's own schedule and walkers.

    It offers what :data:`~stompp_lite.method.SHAPES` and :data:`~stompp_lite.method.ORDERS` hold
    when it is made: a shape of your own, too. Without a kernel the schedule explorer of the book
    stands in its place.

    Args:
        start: values of the controls at first: ``order``, ``shape``, ``rule``, ``rho``, ``stages``,
            ``window`` (steps for each stage), ``t``.

    Raises:
        ConfigError: ipywidgets is not installed, an unknown control, or a value it does not have.
    """

    def __init__(self, **start: Any) -> None:
        w = _widgets()
        calm = {"continuous_update": False}
        self.controls = {
            "order": w.Dropdown(options=list(ORDERS), value="forward", description="order"),
            "shape": w.Dropdown(options=list(SHAPES), value="cubic", description="shape"),
            "rule": w.Dropdown(options=["threshold", "redraw"], description="mask rule"),
            "rho": w.SelectionSlider(options=_REFRESH, value=0.01, description="refresh ρ"),
            "stages": w.IntSlider(value=9, min=1, max=25, description="stages", **calm),
            "window": w.IntSlider(value=50, min=10, max=100, description="steps each", **calm),
            "t": w.IntSlider(value=0, min=0, max=2500, description="step"),
        }
        for name, value in start.items():
            box = self.controls[one_of(name, self.controls, "control")]
            options = getattr(box, "options", None)
            fits = value in options if options is not None else box.min <= value <= box.max
            if not fits:
                known = ", ".join(map(str, options)) if options else f"{box.min} to {box.max}"
                raise ConfigError(f"the control {name!r} has no {value!r}; it has {known}")
            box.value = value
        self.start = start
        self.picture, self.says = w.Image(format="png", value=b""), w.Label("")
        boxes = list(self.controls.values())
        self.widget = w.VBox([w.HBox(boxes[:4]), w.HBox(boxes[4:]), self.picture, self.says])
        for name, box in self.controls.items():
            box.observe(self._draw if name == "t" else self._make, names="value")
        self._make()

    def _make(self, _: Any = None) -> None:
        """A new plan: its walkers begin again."""
        c = {name: box.value for name, box in self.controls.items()}
        self.schedule = Schedule(c["stages"], c["stages"] * c["window"], c["order"], c["shape"])
        self.walkers = [
            Walker(
                Binarizer(),
                partial(self.schedule.fraction, k),
                self.schedule.window(k)[0],
                rng.make_key(0, f"stage {k}", "weight"),
                c["rule"],
                c["rho"],
                nn.Parameter(torch.zeros(_ENTRIES)),
            )
            for k in range(c["stages"])
        ]
        self.controls["t"].max = self.schedule.steps  # a later step moves there, and draws
        self._draw()

    def masks(self) -> Tensor:
        """Which entries are frozen now: bool [stages, 48]."""
        rows = []
        for walker in self.walkers:
            walker.to(self.controls["t"].value)
            b, u = walker.binarizer, walker.weight
            rows.append(b.mask(u) if b.mask else torch.full((_ENTRIES,), b.p == 1.0))  # type: ignore[arg-type]
        return torch.stack(rows)

    def _draw(self, _: Any = None) -> None:
        t, plan, masks = self.controls["t"].value, self.schedule, self.masks()
        fig = Figure(figsize=(7.6, 3.9), layout="constrained")
        top, bottom = fig.subplots(2, 1, height_ratios=(3, 2))
        steps = range(0, plan.steps + 1, max(1, plan.steps // 400))
        curves = [plan.fractions(step) for step in steps]
        top.plot(list(steps), curves, color=style.FROZEN, lw=1, alpha=0.7)
        top.axvline(t, color=style.INK, lw=1)
        top.set(xlabel="step", ylabel="frozen fraction p", xlim=(0, plan.steps))
        tiles = masks.float().unflatten(1, (_ENTRIES // _COLUMNS, _COLUMNS))
        spaced = torch.nn.functional.pad(tiles, (0, 1), value=torch.nan)
        picture = spaced.transpose(0, 1).flatten(1).numpy()
        bottom.imshow(picture, cmap=FREEZE, vmin=0, vmax=1, aspect="equal")
        bottom.set(xticks=[], yticks=[], xlabel="masks of the stages, input at the left")
        bottom.spines[:].set_visible(False)
        self.picture.value = _png(fig)
        p = plan.fractions(t)
        between = [f"stage {k}: p = {x:.2f}" for k, x in enumerate(p) if 0 < x < 1]
        self.says.value = f"Step {t} of {plan.steps}: {sum(x == 1 for x in p)} stages frozen" + (
            "; " + ", ".join(between[:3]) + (" ..." if len(between) > 3 else "") if between else ""
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        known = {k: v for k, v in self.start.items() if k != "shape" or v in _BOOK_SHAPES}
        return _shown(self.widget, schedule_explorer(**known).html(script=False))

    def __repr__(self) -> str:
        return "<a plan on the kernel>"


_SHOWN = ("float", "ste", "stompp", "stompp+ste", "hybrid")


class _StopError(Exception):
    """The reader pressed Stop."""


class TrainItYourself:
    """Choose a method, train the lab's network, add the result to the comparison.

    The last expression of a cell shows it. Without a kernel a link to the playground stands there.

    Args:
        data: what to train on; default the digits.
        blocks: depths to choose from: residual blocks of a group, four binary convolutions each.

    Raises:
        ConfigError: ipywidgets is not installed, or no depth is given.
    """

    def __init__(self, data: Data | None = None, blocks: Sequence[int] = (1, 2, 4, 6)) -> None:
        if not blocks:
            raise ConfigError("no depth to choose from; give at least one, such as blocks=(2,)")
        w = _widgets()
        self.data = data or load("digits")
        depths = [(f"{4 * n} convolutions", n) for n in blocks]
        arms = [arm for arm in ARMS if arm != "sgd"]  # its rates were chosen at two depths only
        self.choices = {
            "method": w.Dropdown(options=list(_SHOWN), value="stompp", description="method"),
            "order": w.Dropdown(options=list(ORDERS), value="forward", description="order"),
            "shape": w.Dropdown(options=list(SHAPES), value="cubic", description="shape"),
            "arm": w.Dropdown(options=arms, value="minimal", description="arm"),
            "blocks": w.Dropdown(options=depths, value=blocks[0], description="depth"),
            "epochs": w.IntSlider(value=20, min=2, max=60, description="epochs"),
            "seed": w.IntSlider(value=0, min=0, max=9, description="seed"),
        }
        self.run_button = w.Button(description="Train", button_style="primary")
        self.stop_button = w.Button(description="Stop", disabled=True)
        self.bar = w.FloatProgress(value=0.0, min=0.0, max=1.0, layout=w.Layout(width="20rem"))
        self.says = w.Label("")
        self.picture = w.Image(format="png", value=b"")
        self.table = w.HTML("")
        self.run_button.on_click(lambda _: self.start())
        self.stop_button.on_click(lambda _: self.stop())
        boxes = list(self.choices.values())
        rows = [w.HBox(boxes[:4]), w.HBox(boxes[4:])]
        row = w.HBox([self.run_button, self.stop_button, self.bar, self.says])
        self.widget = w.VBox([*rows, row, self.picture, self.table])
        self.results: list[tuple[str, str, list[float]]] = []  # name, accuracy, loss of each step
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    # ---- a run -----------------------------------------------------------------------------------
    def start(self) -> None:
        """Train with the present choices, in a thread; does nothing while a run is under way."""
        if self._thread is not None and self._thread.is_alive():
            return
        chosen = {key: box.value for key, box in self.choices.items()}
        self._stop.clear()
        self._busy(True)
        self._thread = threading.Thread(target=self._train, args=(chosen,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the run under way after its present step."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> None:
        """Until the run under way has ended."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _busy(self, busy: bool) -> None:
        self.run_button.disabled, self.stop_button.disabled = busy, not busy

    def _train(self, chosen: dict[str, Any]) -> None:
        torch.set_num_threads(1)
        losses: list[float] = []
        name = "{method}, {order}, {shape}, {arm}, seed {seed}".format(**chosen)

        def watch(run: Run) -> None:
            losses.append(run.loss)
            if self._stop.is_set():
                raise _StopError
            if run.step % 10 == 0 or run.step == run.total:
                self.bar.value = run.step / run.total
                self.says.value = f"epoch {run.epoch}, loss {run.loss:.3f}"
            if run.step % 50 == 0:
                self._draw(name, losses)

        try:
            config = configuration(
                LAB | chosen | {"eval_every": chosen["epochs"], "diagnose": False}
            )
            history = fit(
                build(config, self.data), self.data, config, callbacks=[watch], progress=False
            )
            told = f"{history.final['test_acc']:.1f} %"
        except _StopError:
            told = f"stopped at step {len(losses)}"
        except StomppError as err:  # a diverged run is a result, too
            told = f"ended: {err}"
        except Exception as err:  # a thread has nobody else to tell
            told = f"failed: {type(err).__name__}: {err}"
        self.says.value = told
        self.results.append((name, told, losses))
        self._draw()
        self._tell()
        self._busy(False)

    # ---- what is seen ----------------------------------------------------------------------------
    def _draw(self, name: str = "", losses: Sequence[float] = ()) -> None:
        fig = Figure(figsize=(7.2, 3.0), layout="constrained")
        ax = fig.subplots()
        drawn = [(n, told, x) for n, told, x in self.results[-5:] if x]
        for label, told, x in [*drawn, *([(name, "now", list(losses))] if losses else [])]:
            color = style.look(label.split(",")[0]).color
            ax.plot(smooth(x, min(20, len(x))), color=color, lw=1.2, label=f"{label}: {told[:30]}")
        ax.set(xlabel="training step", ylabel="training loss", yscale="log")
        if ax.lines:
            ax.legend(fontsize=7)
        self.picture.value = _png(fig)

    def _tell(self) -> None:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(told)}</td></tr>"
            for name, told, _ in self.results
        )
        self.table.value = f"<table><tr><th>run</th><th>test accuracy</th></tr>{rows}</table>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return _shown(self.widget, STAND_IN)

    def __repr__(self) -> str:
        return f"<train it yourself: {len(self.results)} runs>"


#: What stands in a stored notebook, and so in the book, where no kernel can train.
STAND_IN = (
    '<p class="lbl-stand-in">This cell trains networks when you run it. Without Python, train one '
    'in the <a href="../book/playground.html">playground</a>.</p>'
)
