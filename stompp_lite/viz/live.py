"""A widget that trains a network on the spot, for which it needs a kernel.

Training runs in a thread, so that the stop button is heard. Taught in chapter 7.
"""

from __future__ import annotations

import html
import io
import threading
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.figure import Figure

from stompp_lite.errors import ConfigError, StomppError
from stompp_lite.lab.arms import ARMS, configuration
from stompp_lite.lab.experiment import LAB
from stompp_lite.lab.run import build
from stompp_lite.method import ORDERS, SHAPES
from stompp_lite.training.data import Data, load
from stompp_lite.training.loop import Run, fit
from stompp_lite.viz import style
from stompp_lite.viz.figures import smooth


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


_SHOWN = ("float", "ste", "stompp", "stompp+ste", "hybrid")
_DASHES = ("-", "--", ":", "-.", (0, (5, 1)))  # of the runs that are compared


def _arms(method: str) -> list[tuple[str, str]]:
    """Words and names of the arms that a method can be trained in."""
    return [
        (style.WORDS[arm], arm)
        for arm, settings in ARMS.items()
        if arm != "sgd"  # its rates were chosen at two depths only
        and not (method == "float" and "scale" in settings)  # nothing binary to scale
    ]


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
        methods = [(style.look(name).label, name) for name in _SHOWN]
        self.choices = {
            "method": w.Dropdown(options=methods, value="stompp", description="method"),
            "order": w.Dropdown(options=list(ORDERS), value="forward", description="order"),
            "shape": w.Dropdown(options=list(SHAPES), value="cubic", description="shape"),
            "arm": w.Dropdown(options=_arms("stompp"), value="minimal", description="steps"),
            "blocks": w.Dropdown(options=depths, value=blocks[0], description="depth"),
            "epochs": w.IntSlider(value=20, min=2, max=60, description="epochs"),
            "seed": w.IntSlider(value=0, min=0, max=9, description="seed"),
        }
        self.choices["method"].observe(self._offer, names="value")
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
        # of each run: name, accuracy, loss of each step, method
        self.results: list[tuple[str, str, list[float], str]] = []
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def _offer(self, change: dict[str, Any]) -> None:
        """Offer the arms of the chosen method, and stay with the present one if it is there."""
        box, arms = self.choices["arm"], _arms(change["new"])
        kept = box.value if box.value in dict(arms).values() else "minimal"
        box.options = arms
        box.value = kept

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
        method = chosen["method"]
        name = (
            f"{style.look(method).label}, {chosen['order']}, {chosen['shape']}, "
            f"{style.WORDS[chosen['arm']]}, {4 * chosen['blocks']} convolutions, "
            f"seed {chosen['seed']}"
        )

        def watch(run: Run) -> None:
            losses.append(run.loss)
            if self._stop.is_set():
                raise _StopError
            if run.step % 10 == 0 or run.step == run.total:
                self.bar.value = run.step / run.total
                self.says.value = f"epoch {run.epoch}, loss {run.loss:.3f}"
            if run.step % 50 == 0:
                self._draw((name, "now", losses, method))

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
        self.results.append((name, told, losses, method))
        self._draw()
        self._tell()
        self._busy(False)

    # ---- what is seen ----------------------------------------------------------------------------
    def _draw(self, *now: tuple[str, str, list[float], str]) -> None:
        fig = Figure(figsize=(7.2, 3.0), layout="constrained")
        ax = fig.subplots()
        drawn = [*(run for run in self.results[1 - len(_DASHES) :] if run[2]), *now]
        for dash, (name, told, x, method) in zip(_DASHES, drawn, strict=False):
            color, label = style.look(method).color, f"{name}: {told[:30]}"
            ax.plot(smooth(x, min(20, len(x))), color=color, ls=dash, lw=1.2, label=label)
        ax.set(xlabel="training step", ylabel="training loss", yscale="log")
        if ax.lines:
            ax.legend(fontsize=7)
        self.picture.value = _png(fig)

    def _tell(self) -> None:
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(told)}</td></tr>"
            for name, told, *_ in self.results
        )
        self.table.value = f"<table><tr><th>run</th><th>test accuracy</th></tr>{rows}</table>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        # ipywidgets 7, which Colab has, makes no bundle; the protocol is that of 8
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {
            "application/vnd.jupyter.widget-view+json": view,
            "text/plain": repr(self), "text/html": STAND_IN,
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"<train it yourself: {len(self.results)} runs>"


#: What stands in a stored notebook, and so in the book, where no kernel can train.
STAND_IN = (
    '<p class="lbl-stand-in">This cell trains networks when you run it. Without Python, train one '
    'in the <a href="../book/playground.html">playground</a>.</p>'
)
