// Smoothing explorer (chapter 2): one weight, its loss, the loss blurred by noise, and what STE says.
import { frame, slider, choice, plot, legend, color, look, need } from "./kit.js";

const GRID = Array.from({ length: 401 }, (_, i) => -2 + i / 100);

function erf(x) { // W. J. Cody's bound is not needed here: Abramowitz and Stegun 7.1.26, error below 2e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x);
  return x < 0 ? -y : y;
}

// noise of width s: the chance that w + noise is positive, and its density at w
const NOISE = {
  uniform: { up: (w, s) => Math.min(Math.max((w / s + 1) / 2, 0), 1), density: (w, s) => (Math.abs(w) <= s ? 1 / (2 * s) : 0) },
  triangular: {
    up: (w, s) => { const u = Math.min(Math.max(w / s, -1), 1); return u < 0 ? (1 + u) ** 2 / 2 : 1 - (1 - u) ** 2 / 2; },
    density: (w, s) => Math.max(1 - Math.abs(w / s), 0) / s,
  },
  gaussian: { up: (w, s) => (1 + erf(w / s / Math.SQRT2)) / 2, density: (w, s) => Math.exp(-((w / s) ** 2) / 2) / (s * Math.sqrt(2 * Math.PI)) },
};
const SURROGATES = {
  clip: (w) => (Math.abs(w) <= 1 ? 1 : 0),
  polynomial: (w) => Math.max(2 - 2 * Math.abs(w), 0),
  identity: () => 1,
};

export function render({ model, el }) {
  const { scale } = model.get("data");
  need(Number.isFinite(scale) && scale !== 0, `the example must be a number other than 0, got ${scale}`);
  const f = frame(el, "Smoothing explorer");
  const s = { w: -0.3, sigma: 1, noise: "uniform", surrogate: "clip", x: scale };
  const loss = (sign) => (sign * s.x - 1) ** 2;

  choice(f.controls, { label: "noise", options: Object.keys(NOISE), value: s.noise, on: (v) => { s.noise = v; draw(); } });
  choice(f.controls, { label: "surrogate", options: Object.keys(SURROGATES), value: s.surrogate, on: (v) => { s.surrogate = v; draw(); } });
  slider(f.controls, { label: "width σ of the noise", min: 0.05, max: 2, step: 0.05, value: s.sigma, show: (v) => Number(v).toFixed(2), on: (v) => { s.sigma = v; draw(); } });
  slider(f.controls, { label: "latent weight w", min: -1.6, max: 1.6, step: 0.05, value: s.w, show: (v) => Number(v).toFixed(2), on: (v) => { s.w = v; draw(); } });
  slider(f.controls, { label: "example x: loss (x · sign(w) − 1)²", min: 0.1, max: 1.6, step: 0.1, value: s.x, show: (v) => Number(v).toFixed(1), on: (v) => { s.x = v; draw(); } });
  const exact = look("stompp").color, ste = look("ste").color;
  const top = plot(f.stage, {
    x: { label: "latent weight w", range: [-2, 2] }, y: { label: "loss" }, label: "Loss of one weight", height: 230,
    series: [
      { label: "loss", color: (n) => color("ink", n), width: 1.2 }, { label: "blurred", color: exact, width: 2 },
      { label: "slope", color: exact, dash: [2, 3] }, { label: "STE", color: ste, dash: [7, 4], width: 2 },
    ],
    over: (u, c, d) => {
      c.fillStyle = exact;
      c.beginPath();
      c.arc(u.valToPos(s.w, "x", true), u.valToPos(blurred(s.w), "y", true), 5 * d, 0, 7);
      c.fill();
    },
  });
  legend(f.stage, [
    { label: "loss of sign(w)", color: "currentColor" }, { label: "blurred loss", color: exact },
    { label: "its slope at w", color: exact, dash: true }, { label: "slope by STE", color: ste, dash: true }]);

  const blurred = (w) => { const up = NOISE[s.noise].up(w, s.sigma); return up * loss(1) + (1 - up) * loss(-1); };
  function slopes() {
    const sign = s.w >= 0 ? 1 : -1;
    return {
      exact: (loss(1) - loss(-1)) * NOISE[s.noise].density(s.w, s.sigma),
      ste: 2 * s.x * (sign * s.x - 1) * SURROGATES[s.surrogate](s.w),
    };
  }

  function draw() {
    const { exact: a, ste: b } = slopes(), at = blurred(s.w);
    const near = (slope) => GRID.map((w) => (Math.abs(w - s.w) <= 0.5 ? at + slope * (w - s.w) : null));
    top.set([GRID, GRID.map((w) => loss(w >= 0 ? 1 : -1)), GRID.map(blurred), near(a), near(b)]);
    const opposite = a * b < 0, dead = b === 0 && Math.abs(a) > 0.005;
    const verdict = dead ? "STE passes nothing here." : Math.abs(a) < 0.005 && b !== 0 ? "The blurred loss is flat here; STE moves all the same."
      : opposite ? "STE points the other way." : Math.abs(a - b) < 0.01 ? "The two agree." : `Same direction; STE's is ${(b / a).toFixed(2)} times the exact one.`;
    f.say(`At w = ${s.w.toFixed(2)}: slope of the blurred loss ${a.toFixed(2)}, by STE ${b.toFixed(2)}. ${verdict}`);
    top.describe(`Loss of one weight, stepped, and blurred by ${s.noise} noise of width ${s.sigma}. ${verdict}`);
    f.data(() => [["w", "loss", "blurred loss"], ...GRID.filter((_, i) => i % 20 === 0).map((w) => [w.toFixed(1), loss(w >= 0 ? 1 : -1).toFixed(3), blurred(w).toFixed(3)])]);
    model.set("state", { exact: a, ste: b });
    model.save_changes();
  }
  draw();
}
