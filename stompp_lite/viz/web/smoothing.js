// Smoothing explorer (chapter 2): one or two weights, their loss, the loss blurred by noise, what STE
// says, and the angle between the two gradients.
import { canvas, color, legend, look, plot } from "./draw.js";
import { choice, frame, h, need, slider, tell } from "./kit.js";

const GRID = Array.from({ length: 401 }, (_, i) => -2 + i / 100);

function erf(x) { // W. J. Cody's bound is not needed here: Abramowitz and Stegun 7.1.26, error below 2e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 -
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) *
      t * Math.exp(-x * x);
  return x < 0 ? -y : y;
}

// noise of width s: the chance that w + noise is positive, and its density at w
const NOISE = {
  uniform: {
    up: (w, s) => Math.min(Math.max((w / s + 1) / 2, 0), 1),
    density: (w, s) => (Math.abs(w) <= s ? 1 / (2 * s) : 0),
  },
  triangular: {
    up: (w, s) => {
      const u = Math.min(Math.max(w / s, -1), 1);
      return u < 0 ? (1 + u) ** 2 / 2 : 1 - (1 - u) ** 2 / 2;
    },
    density: (w, s) => Math.max(1 - Math.abs(w / s), 0) / s,
  },
  gaussian: {
    up: (w, s) => (1 + erf(w / s / Math.SQRT2)) / 2,
    density: (w, s) => Math.exp(-((w / s) ** 2) / 2) / (s * Math.sqrt(2 * Math.PI)),
  },
};
const SURROGATES = {
  clip: (w) => (Math.abs(w) <= 1 ? 1 : 0),
  polynomial: (w) => Math.max(2 - 2 * Math.abs(w), 0),
  identity: () => 1,
};

const BESIDE = 0.6; // input of the second weight

/** Two gradients as arrows of equal length from one point, and the angle between them. */
function compass(c, width, arrows) {
  const middle = [Math.min(width / 2, 110), 88], length = 64;
  for (const { at: [x, y], color: paint, dash } of arrows) {
    const size = Math.hypot(x, y);
    c.strokeStyle = c.fillStyle = paint;
    c.lineWidth = 2.4;
    if (size === 0) continue;
    const tip = [middle[0] + (length * x) / size, middle[1] - (length * y) / size],
      turn = Math.atan2(-y, x);
    c.setLineDash(dash ?? []);
    c.beginPath();
    c.moveTo(...middle);
    c.lineTo(...tip);
    c.stroke();
    c.setLineDash([]);
    c.beginPath();
    for (const side of [0, 2.6, -2.6]) {
      c.lineTo(tip[0] + 9 * Math.cos(turn + side), tip[1] + 9 * Math.sin(turn + side));
    }
    c.fill();
  }
}

export function render({ model, el }) {
  const { scale } = model.get("data");
  need(
    Number.isFinite(scale) && scale !== 0,
    `the example must be a number other than 0, got ${scale}`,
  );
  const f = frame(el, "Smoothing explorer");
  const s = {
    w: -0.3,
    v: 0.4,
    sigma: 1,
    noise: "uniform",
    surrogate: "clip",
    x: scale,
    weights: "one",
  };
  const inputs = () => (s.weights === "two" ? [s.x, BESIDE] : [s.x]);
  const loss = (signs) => (inputs().reduce((sum, x, i) => sum + x * signs[i], 0) - 1) ** 2;
  const sign = (w) => (w >= 0 ? 1 : -1), up = (w) => NOISE[s.noise].up(w, s.sigma);

  choice(f.controls, {
    label: "weights",
    options: ["one", "two"],
    value: s.weights,
    on: (n) => {
      s.weights = n;
      second();
      draw();
    },
  });
  choice(f.controls, {
    label: "noise",
    options: Object.keys(NOISE),
    value: s.noise,
    on: (v) => {
      s.noise = v;
      draw();
    },
  });
  choice(f.controls, {
    label: "surrogate",
    options: Object.keys(SURROGATES),
    value: s.surrogate,
    on: (v) => {
      s.surrogate = v;
      draw();
    },
  });
  slider(f.controls, {
    label: "width σ of the noise",
    min: 0.05,
    max: 2,
    step: 0.05,
    value: s.sigma,
    show: (v) => Number(v).toFixed(2),
    on: (v) => {
      s.sigma = v;
      draw();
    },
  });
  const of = (v) => Number(v).toFixed(2);
  slider(f.controls, {
    label: "latent weight w",
    min: -1.6,
    max: 1.6,
    step: 0.05,
    value: s.w,
    show: of,
    on: (v) => {
      s.w = v;
      draw();
    },
  });
  const other = slider(f.controls, {
    label: "second weight v",
    min: -1.6,
    max: 1.6,
    step: 0.05,
    value: s.v,
    show: of,
    on: (v) => {
      s.v = v;
      draw();
    },
  });
  slider(f.controls, {
    label: "example x of w",
    min: 0.1,
    max: 1.6,
    step: 0.1,
    value: s.x,
    show: (v) => Number(v).toFixed(1),
    on: (v) => {
      s.x = v;
      draw();
    },
  });
  const formula = h("p", { class: "lbl-strip" });
  f.stage.append(formula);
  const exact = look("stompp").color, ste = look("ste").color;
  const top = plot(f.stage, {
    x: { label: "latent weight w", range: [-2, 2] },
    y: { label: "loss" },
    label: "Loss along one weight",
    height: 230,
    series: [
      { label: "loss", color: (n) => color("ink", n), width: 1.2 },
      { label: "blurred", color: exact, width: 2 },
      { label: "slope", color: exact, dash: [2, 3] },
      { label: "STE", color: ste, dash: [7, 4], width: 2 },
    ],
    over: (u, c, d) => {
      c.fillStyle = exact;
      c.beginPath();
      c.arc(u.valToPos(s.w, "x", true), u.valToPos(blurred(s.w), "y", true), 5 * d, 0, 7);
      c.fill();
    },
  });
  const dial = canvas(f.stage, {
    height: 176,
    label: "",
    draw: (c, width) =>
      compass(c, width, [
        { at: gradients().exact, color: exact },
        { at: gradients().ste, color: ste, dash: [7, 4] },
      ]),
  });
  legend(f.stage, [
    { label: "loss of the signs", color: "currentColor" },
    { label: "blurred loss", color: exact },
    { label: "its slope at w", color: exact, dash: true },
    { label: "slope by STE", color: ste, dash: true },
  ]);

  function second() {
    for (const node of [other.input.parentElement, dial.node]) node.hidden = s.weights === "one";
  }
  /** Mean loss over the noise of v, with w's sign given. */
  const given = (
    first,
  ) => (s.weights === "one"
    ? loss([first])
    : up(s.v) * loss([first, 1]) + (1 - up(s.v)) * loss([first, -1]));
  const blurred = (w) => up(w) * given(1) + (1 - up(w)) * given(-1);
  function gradients() { // of all weights: of the blurred loss, and by STE
    const density = (w) => NOISE[s.noise].density(w, s.sigma),
      at = [s.w, s.v].slice(0, inputs().length);
    const error = inputs().reduce((sum, x, i) => sum + x * sign(at[i]), 0) - 1;
    const along = [given(1) - given(-1)];
    if (s.weights === "two") {
      along.push(
        up(s.w) * (loss([1, 1]) - loss([1, -1])) + (1 - up(s.w)) * (loss([-1, 1]) - loss([-1, -1])),
      );
    }
    return {
      exact: along.map((change, i) => change * density(at[i])),
      ste: inputs().map((x, i) => 2 * error * x * SURROGATES[s.surrogate](at[i])),
    };
  }
  /** Degrees between two vectors; null where one of them is zero. */
  function angle(a, b) {
    const dot = a.reduce((sum, x, i) => sum + x * b[i], 0),
      size = Math.hypot(...a) * Math.hypot(...b);
    return size > 1e-9 ? (Math.acos(Math.min(Math.max(dot / size, -1), 1)) * 180) / Math.PI : null;
  }

  function draw() {
    const { exact: a, ste: b } = gradients(), at = blurred(s.w), between = angle(a, b);
    const near = (slope) =>
      GRID.map((w) => (Math.abs(w - s.w) <= 0.5 ? at + slope * (w - s.w) : null));
    const raw = (w) => loss(s.weights === "one" ? [sign(w)] : [sign(w), sign(s.v)]);
    top.set([GRID, GRID.map(raw), GRID.map(blurred), near(a[0]), near(b[0])]);
    const flat = Math.hypot(...a) < 0.005, silent = Math.hypot(...b) === 0;
    const ratio = Math.hypot(...b) / Math.hypot(...a);
    const size = Math.abs(ratio - 1) < 0.01
      ? "of the same size"
      : `STE's ${ratio.toFixed(2)} times as long`;
    const verdict = silent && flat
      ? "Both are zero here."
      : silent
      ? "STE passes nothing here."
      : flat
      ? "The blurred loss is flat here; STE moves all the same."
      : `The angle between them is ${between.toFixed(0)}°, ${size}.`;
    const list = (g) => g.map((x) => x.toFixed(2).replace("-", "−")).join(", ");
    const where = (`w = ${of(s.w)}` + (s.weights === "one" ? "" : `, v = ${of(s.v)}`)).replaceAll(
      "-",
      "−",
    );
    formula.textContent = s.weights === "one"
      ? `Loss: (${s.x.toFixed(1)} · sign(w) − 1)²`
      : `Loss: (${s.x.toFixed(1)} · sign(w) + ${BESIDE} · sign(v) − 1)²; the curves cut it along w`;
    f.say(`At ${where}: gradient of the blurred loss ${list(a)}, by STE ${list(b)}. ${verdict}`);
    top.describe(
      `Loss of ${s.weights} weight${
        s.weights === "one" ? "" : "s"
      } along w, stepped, and blurred by ${s.noise} noise of width ${s.sigma}. ${verdict}`,
    );
    dial.describe(`Both gradients in the plane of w and v. ${verdict}`);
    dial.paint();
    f.data(
      () => [
        ["w", "loss", "blurred loss"],
        ...GRID.filter((_, i) => i % 20 === 0).map((
          w,
        ) => [w.toFixed(1), raw(w).toFixed(3), blurred(w).toFixed(3)]),
      ],
    );
    tell(model, { exact: a, ste: b, angle: between });
  }
  second();
  draw();
}
