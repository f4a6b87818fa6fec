// Arrow field (chapter 2): two latent weights, where the STE pushes them and where the blurred loss
// does, and the angle between the two.
import { canvas, color, legend, look, within } from "./draw.js";
import { controls, frame, h, need, slider, tell } from "./kit.js";
import { angle, gradients, LOSSES } from "./noise.js";

const END = 1.5, CELLS = 10; // of the plane: both weights go from −1.5 to 1.5
const FIRST = 0.8; // input of the first weight
const STEP = 0.05; // of the point, by one arrow key
const GRID = Array.from({ length: CELLS }, (_, k) => -END + ((k + 0.5) * 2 * END) / CELLS);
const PAIRS = { // a surrogate, and the noise of whose blurred step it is the slope, or nearly
  "uniform noise, clip": { noise: "uniform", surrogate: "clip" },
  "triangular noise, polynomial": { noise: "triangular", surrogate: "polynomial" },
  "Gaussian noise, identity": { noise: "gaussian", surrogate: "identity" },
};
const MARGIN = { left: 44, bottom: 36, top: 8, right: 8 };
const minus = (text) => text.replaceAll("-", "−"), of = (v) => minus(Number(v).toFixed(2));

export function render({ model, el }) {
  const { sigma, beside, loss } = model.get("data");
  need(sigma > 0 && Number.isFinite(sigma), `the width of the noise must be positive: ${sigma}`);
  need(beside > 0 && Number.isFinite(beside), `the second input must be positive, got ${beside}`);
  need(loss in LOSSES, `unknown loss ${loss}`);
  const f = frame(el, "Arrow field");
  const s = { pair: "Gaussian noise, identity", loss, sigma, beside, w: [-0.3, 0.4] };
  const { pick, slide } = controls(f.controls, s, draw);
  pick("loss", "loss of y = " + `${FIRST} s1 + x2 s2`, [
    ["straight", "linear, 1 − y"],
    ["curved", "curved, (y − 1)²"],
  ]);
  pick("pair", "noise and surrogate", Object.keys(PAIRS));
  slide("sigma", "width σ of the noise", 0.2, 2, { step: 0.05, show: of });
  slide("beside", "input x2 of the second weight", 0.1, 1.6, { step: 0.1, show: of });
  const weights = [0, 1].map((k) =>
    slider(f.controls, {
      label: `latent weight w${k + 1}`,
      min: -END,
      max: END,
      step: STEP,
      value: s.w[k],
      show: of,
      on: (value) => {
        s.w[k] = value;
        draw();
      },
    })
  );
  const exact = look("stompp").tone, ste = look("ste").tone;
  const holder = h("div", {
    class: "lbl-plane",
    tabindex: "0",
    role: "application",
    "aria-label": "Plane of the two weights; arrow keys move the chosen point",
    "data-lm-suppress-shortcuts": "true",
    onkeydown: (event) => {
      const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (!(event.key in by)) return;
      event.preventDefault();
      go(s.w.map((v, k) => v + STEP * by[event.key][k]));
    },
  });
  f.stage.append(holder);
  const view = canvas(holder, { height: (width) => width, label: "", draw: paint });
  view.node.classList.add("lbl-drag");
  legend(f.stage, [
    { label: "where the blurred loss pushes", tone: exact },
    { label: "where the STE pushes", tone: ste, dash: [5, 3] },
  ]);

  function go(w) {
    s.w = w.map((v) => Math.round(Math.min(Math.max(v, -END), END) / STEP) * STEP);
    weights.forEach((control, k) => control.set(s.w[k]));
    draw();
  }
  function follow(event) {
    const [x, y] = within(view.node, event), side = plane(view.node.clientWidth).side;
    go([
      ((x - MARGIN.left) / side) * 2 * END - END,
      END - ((y - MARGIN.top) / side) * 2 * END,
    ]);
  }
  view.node.addEventListener("pointerdown", (event) => {
    view.node.setPointerCapture(event.pointerId);
    follow(event);
  });
  view.node.addEventListener("pointermove", (event) => event.buttons && follow(event));

  /** Pushes (minus the gradients) and the angle between them at two weights. */
  function at(w) {
    const how = { ...PAIRS[s.pair], loss: s.loss, sigma: s.sigma, inputs: [FIRST, s.beside] };
    const found = gradients(w, how), push = (g) => g.map((v) => -v);
    return {
      exact: push(found.exact),
      ste: push(found.ste),
      angle: angle(found.exact, found.ste),
    };
  }
  let field = []; // pushes all over the plane

  function plane(width) {
    const side = width - MARGIN.left - MARGIN.right;
    return {
      side,
      x: (v) => MARGIN.left + ((v + END) / (2 * END)) * side,
      y: (v) => MARGIN.top + ((END - v) / (2 * END)) * side,
    };
  }
  function arrow(c, [x, y], push, length, tone, dash, wide) {
    const size = Math.hypot(...push);
    c.strokeStyle = c.fillStyle = color(tone, c.canvas);
    if (size < 1e-9) { // no push at all
      c.fillRect(x - 1.5, y - 1.5, 3, 3);
      return;
    }
    const turn = Math.atan2(-push[1], push[0]), head = 3 + 1.6 * wide;
    const tip = [x + length * Math.cos(turn), y + length * Math.sin(turn)];
    c.lineWidth = wide;
    c.setLineDash(dash);
    c.beginPath();
    c.moveTo(x, y);
    c.lineTo(...tip);
    c.stroke();
    c.setLineDash([]);
    c.beginPath();
    for (const side of [0, 2.6, -2.6]) {
      c.lineTo(tip[0] + head * Math.cos(turn + side), tip[1] + head * Math.sin(turn + side));
    }
    c.fill();
  }
  function paint(c, width) {
    const { side, x, y } = plane(width), ink = color("ink", c.canvas);
    c.fillStyle = ink;
    c.font = "12px system-ui, sans-serif";
    c.lineWidth = 1;
    for (const v of [-1, 0, 1]) {
      c.strokeStyle = color(v === 0 ? "line" : "faint", c.canvas);
      c.beginPath();
      c.moveTo(x(v), y(END));
      c.lineTo(x(v), y(-END));
      c.moveTo(x(-END), y(v));
      c.lineTo(x(END), y(v));
      c.stroke();
      c.textAlign = "center";
      c.fillText(minus(String(v)), x(v), y(-END) + 15);
      c.textAlign = "right";
      c.fillText(minus(String(v)), x(-END) - 6, y(v) + 4);
    }
    c.textAlign = "center";
    c.fillText("latent weight w1", x(0), y(-END) + 31);
    c.save();
    c.translate(12, y(0));
    c.rotate(-Math.PI / 2);
    c.fillText("latent weight w2", 0, 0);
    c.restore();
    const short = (side / CELLS) * 0.46;
    c.globalAlpha = 0.85;
    for (const { w, exact: a, ste: b } of field) {
      const place = [x(w[0]), y(w[1])];
      arrow(c, place, a, short, exact, [], 1.6);
      arrow(c, place, b, short, ste, [3, 2], 1.6);
    }
    c.globalAlpha = 1;
    const now = at(s.w), place = [x(s.w[0]), y(s.w[1])];
    c.fillStyle = color("ground", c.canvas);
    c.strokeStyle = ink;
    c.lineWidth = 1;
    c.beginPath();
    c.arc(...place, 46, 0, 7);
    c.fill();
    c.stroke();
    arrow(c, place, now.exact, 38, exact, [], 3);
    arrow(c, place, now.ste, 38, ste, [6, 4], 3);
    c.fillStyle = ink;
    c.beginPath();
    c.arc(...place, 4, 0, 7);
    c.fill();
  }

  function verdict({ exact, ste, angle: between }) {
    if (between !== null) {
      if (between < 0.5) return "The two point the same way.";
      return `The angle between the two is ${between.toFixed(0)}°.`;
    }
    const [a, b] = [exact, ste].map((v) => Math.hypot(...v) < 1e-9);
    if (a && b) return "Neither pushes here.";
    return a
      ? "The blurred loss is flat here; the STE pushes all the same."
      : "The STE is silent here.";
  }
  function draw() {
    field = GRID.flatMap((b) => GRID.map((a) => ({ w: [a, b], ...at([a, b]) })));
    const now = at(s.w), known = field.map((p) => p.angle).filter((v) => v !== null);
    const mean = known.length ? known.reduce((a, b) => a + b) / known.length : null;
    const rest = CELLS * CELLS - known.length;
    const list = (v) => v.map(of).join(", ");
    const told = `At w1 = ${of(s.w[0])}, w2 = ${of(s.w[1])}: the blurred loss pushes by ` +
      `(${list(now.exact)}), the STE by (${list(now.ste)}). ${verdict(now)}`;
    f.say(
      told +
        (mean === null
          ? " Nowhere on the grid do both push."
          : ` Over the grid the mean angle is ${mean.toFixed(0)}°` +
            (rest
              ? ` (${rest} of ${CELLS * CELLS} points have none: a push is zero there).`
              : ".")),
    );
    view.describe(
      `The plane of two latent weights with ${CELLS * CELLS} pairs of arrows; the mean angle ` +
        `between the two of a pair is ${mean === null ? "not defined" : `${mean.toFixed(0)}°`}. ` +
        told,
    );
    view.paint();
    f.data(() => [
      ["w1", "w2", "blurred loss", "STE", "angle"],
      ...field.map((p) => [
        ...p.w.map((v) => v.toFixed(2)),
        p.exact.map((v) => v.toFixed(3)).join(", "),
        p.ste.map((v) => v.toFixed(3)).join(", "),
        p.angle === null ? "none" : `${p.angle.toFixed(1)}°`,
      ]),
    ]);
    tell(model, { w: s.w, exact: now.exact, ste: now.ste, angle: now.angle, mean });
  }
  draw();
}
