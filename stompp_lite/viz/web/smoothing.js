// Smoothing explorer (chapter 2): one or two weights, a loss, the same blurred by noise, what STE
// says, and the angle between the two gradients.
import { canvas, color, legend, look, plot } from "./draw.js";
import { controls, frame, h, need, tell } from "./kit.js";

const GRID = Array.from({ length: 401 }, (_, i) => -2 + i / 100);

function erf(x) { // Abramowitz and Stegun 7.1.26, error below 2e-7
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

// of y, the sum of the signs times their inputs: value, slope, name, formula
const LOSSES = {
  straight: { of: (y) => 1 - y, slope: () => -1, told: "straight", formula: (y) => `1 − ${y}` },
  curved: {
    of: (y) => (y - 1) ** 2,
    slope: (y) => 2 * (y - 1),
    told: "curved",
    formula: (y) => `(${y} − 1)²`,
  },
};

const BESIDE = 0.6; // input of the second weight

/** Two gradients as arrows of equal length from one point, and the angle between them. */
function compass(c, width, arrows) {
  const middle = [Math.min(width / 2, 110), 88], length = 64;
  for (const { at: [x, y], tone, dash } of arrows) {
    const size = Math.hypot(x, y);
    c.strokeStyle = c.fillStyle = color(tone, c.canvas);
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
  const { scale, loss: kind = "curved" } = model.get("data");
  need(
    Number.isFinite(scale) && scale !== 0,
    `the example must be a number other than 0, got ${scale}`,
  );
  need(kind in LOSSES, `unknown loss ${kind}`);
  const f = frame(el, "Smoothing explorer");
  const s = {
    loss: kind,
    weights: "one",
    noise: "uniform",
    surrogate: "clip",
    sigma: 1,
    w: -0.3,
    v: 0.4,
    x: scale,
  };
  const inputs = () => (s.weights === "two" ? [s.x, BESIDE] : [s.x]);
  const sum = (signs) => inputs().reduce((y, x, i) => y + x * signs[i], 0);
  const loss = (signs) => LOSSES[s.loss].of(sum(signs));
  const sign = (w) => (w >= 0 ? 1 : -1), up = (w) => NOISE[s.noise].up(w, s.sigma);

  const minus = (text) => text.replaceAll("-", "−"), of = (v) => minus(Number(v).toFixed(2));
  const { pick, slide } = controls(f.controls, s, draw);
  pick("loss", "loss", Object.entries(LOSSES).map(([name, { told }]) => [name, told]));
  pick("weights", "weights", ["one", "two"]);
  pick("noise", "noise", Object.keys(NOISE));
  pick("surrogate", "surrogate", Object.keys(SURROGATES));
  slide("sigma", "width σ of the noise", 0.05, 2, { step: 0.05, show: of });
  slide("w", "latent weight w", -1.6, 1.6, { step: 0.05, show: of });
  const other = slide("v", "second weight v", -1.6, 1.6, { step: 0.05, show: of });
  slide("x", "example x of w", 0.1, 1.6, { step: 0.1 });
  const formula = h("p", { class: "lbl-strip" });
  f.stage.append(formula);
  const exact = look("stompp").tone, ste = look("ste").tone;
  const top = plot(f.stage, {
    x: { label: "latent weight w", range: [-2, 2] },
    y: { label: "loss" },
    label: "Loss along one weight",
    height: 230,
    series: [
      { label: "loss", tone: "ink", width: 1.2 },
      { label: "blurred", tone: exact, width: 2 },
      { label: "slope", tone: exact, dash: [2, 3] },
      { label: "STE", tone: ste, dash: [7, 4], width: 2 },
    ],
    over: (u, c, d) => {
      c.fillStyle = color(exact, u.root);
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
        { at: gradients().exact, tone: exact },
        { at: gradients().ste, tone: ste, dash: [7, 4] },
      ]),
  });
  legend(f.stage, [
    { label: "loss of the signs", tone: "ink" },
    { label: "blurred loss", tone: exact },
    { label: "its slope at w", tone: exact, dash: [6, 4] },
    { label: "slope by STE", tone: ste, dash: [6, 4] },
  ]);

  /** Mean loss over the noise of v, with w's sign given. */
  const given = (first) =>
    s.weights === "one"
      ? loss([first])
      : up(s.v) * loss([first, 1]) + (1 - up(s.v)) * loss([first, -1]);
  const blurred = (w) => up(w) * given(1) + (1 - up(w)) * given(-1);
  function gradients() { // of all weights: of the blurred loss, and by STE
    const at = [s.w, s.v].slice(0, inputs().length), along = [given(1) - given(-1)], p = up(s.w);
    if (s.weights === "two") {
      along.push(p * (loss([1, 1]) - loss([1, -1])) + (1 - p) * (loss([-1, 1]) - loss([-1, -1])));
    }
    const slope = LOSSES[s.loss].slope(sum(at.map(sign)));
    return {
      exact: along.map((change, i) => change * NOISE[s.noise].density(at[i], s.sigma)),
      ste: inputs().map((x, i) => slope * x * SURROGATES[s.surrogate](at[i])),
    };
  }
  /** Degrees between two vectors; null where one of them is zero. */
  function angle(a, b) {
    const dot = a.reduce((sum, x, i) => sum + x * b[i], 0),
      size = Math.hypot(...a) * Math.hypot(...b);
    return size > 1e-9 ? (Math.acos(Math.min(Math.max(dot / size, -1), 1)) * 180) / Math.PI : null;
  }

  function verdict(exact, ste) {
    const [a, b] = [Math.hypot(...exact), Math.hypot(...ste)], between = angle(exact, ste);
    if (b === 0) return a < 0.005 ? "Both are zero here." : "STE passes nothing here.";
    if (a < 0.005) return "The blurred loss is flat here; STE moves all the same.";
    const same = Math.abs(b / a - 1) < 0.005;
    if (same && between < 0.5) return "They are equal: STE is exact here.";
    const size = same ? "of the same size" : `STE's ${(b / a).toFixed(2)} times as long`;
    return `The angle between them is ${between.toFixed(0)}°, ${size}.`;
  }

  function draw() {
    const one = s.weights === "one";
    for (const node of [other.input.parentElement, dial.node]) node.hidden = one;
    const { exact: a, ste: b } = gradients(), at = blurred(s.w), told = verdict(a, b);
    const near = (slope) =>
      GRID.map((w) => Math.abs(w - s.w) > 0.5 ? null : at + slope * (w - s.w));
    const raw = (w) => loss([sign(w), sign(s.v)]);
    top.set([GRID, GRID.map(raw), GRID.map(blurred), near(a[0]), near(b[0])]);
    const list = (g) => g.map((x) => minus(x.toFixed(2))).join(", ");
    const where = `w = ${of(s.w)}${one ? "" : `, v = ${of(s.v)}`}`;
    const y = `${s.x} · sign(w)${one ? "" : ` + ${BESIDE} · sign(v)`}`;
    const written = LOSSES[s.loss].formula(one || s.loss === "curved" ? y : `(${y})`);
    formula.textContent = `Loss: ${written}${one ? "" : "; the curves cut it along w"}`;
    f.say(`At ${where}: gradient of the blurred loss ${list(a)}, by STE ${list(b)}. ${told}`);
    top.describe(
      `Loss of ${one ? "one weight" : "two weights"} along w, stepped, and blurred by ` +
        `${s.noise} noise of width ${s.sigma}. ${told}`,
    );
    dial.describe(`Both gradients in the plane of w and v. ${told}`);
    dial.paint();
    f.data(() => [
      ["w", "loss", "blurred loss"],
      ...GRID.filter((_, i) => i % 20 === 0)
        .map((w) => [w.toFixed(1), raw(w).toFixed(3), blurred(w).toFixed(3)]),
    ]);
    tell(model, { exact: a, ste: b, angle: angle(a, b) });
  }
  draw();
}
