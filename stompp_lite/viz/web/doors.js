// Doors (chapter 6): a plain network whose activations are frozen by a share p. How much of the
// gradient is left after each layer, by the law and measured.
import { color, legend, plot, timeLine } from "./draw.js";
import { controls, frame, need, numbers, tell } from "./kit.js";

/** What one layer leaves of a gradient: a share 1 - p of the units passes it, and the batch norm
 * behind divides by the mean square of what it sees, 1 for a sign and v for a clipped number. */
export const factor = (p, v) => Math.sqrt(((1 - p) * v) / (p + (1 - p) * v));

const power = (x) => (x >= 0.01 ? x.toFixed(2) : x.toExponential(1).replace("-", "−"));

export function render({ model, el }) {
  const { v, measured, label = "Doors" } = model.get("data");
  need(v > 0 && v < 1, `the mean square of a clipped number lies between 0 and 1, got ${v}`);
  need(measured?.length > 0, "there is nothing measured");
  const layers = measured[0].left?.length - 1;
  need(layers > 0, "a measured network has no layers");
  for (const { p, left } of measured) {
    need(p > 0 && p < 1, `a measured share must lie between 0 and 1, got ${p}`);
    need(left.length === layers + 1, `p = ${p} has ${left.length - 1} layers, not ${layers}`);
    numbers(left, `what is left at p = ${p}`, 0);
  }
  const f = frame(el, label);
  const s = { p: measured[Math.floor(measured.length / 2)].p, depth: layers };
  const { slide } = controls(f.controls, s, draw);
  slide("p", "share p of the activations that is frozen", 0, 0.9, {
    step: 0.05,
    show: (p) => Number(p).toFixed(2),
  });
  slide("depth", "layers that the gradient has passed", 0, layers);
  const x = Array.from({ length: layers + 1 }, (_, k) => k);
  const log = (list) => list.map((one) => (one > 0 ? Math.log10(one) : null));
  const line = (p) => x.map((k) => k * Math.log10(factor(p, v)));
  const low = Math.floor(layers * Math.log10(factor(0.6, v)));
  const curve = plot(f.stage, {
    x: { label: "layers passed on the way back", whole: true, range: () => [-0.5, layers + 0.5] },
    y: { label: "gradient left, power of ten", whole: true, range: [low, 0.3] },
    height: 260,
    label: "Gradient left after each layer",
    series: [
      { label: "law", tone: "accent", width: 2.4 },
      ...measured.map(() => ({ label: "measured", tone: "ink", width: 0, points: 5 })),
    ],
    over: (u, c, d) => {
      timeLine(() => s.depth, 1)(u, c, d);
      c.fillStyle = color("ink", u.root);
      c.font = `${11 * d}px system-ui, sans-serif`;
      c.textAlign = "left";
      for (const m of measured) {
        const at = Math.round(layers / 2), left = m.left[at];
        if (!(left > 0)) continue;
        const y = u.valToPos(Math.log10(left), "y", true) - 9 * d; // above its dots
        c.fillText(`p = ${m.p}`, u.valToPos(at, "x", true) + 5 * d, y);
      }
    },
  });
  legend(f.stage, [
    { label: "the law at this p", tone: "accent" },
    { label: `measured at p = ${measured.map((m) => m.p).join(", ")}`, tone: "ink", dot: true },
  ]);

  function draw() {
    const one = factor(s.p, v), left = one ** s.depth;
    curve.set([x, line(s.p), ...measured.map((m) => log(m.left))]);
    const near = measured.find((m) => Math.abs(m.p - s.p) < 1e-9);
    const seen = near ? ` Measured: ${power(near.left[s.depth])}.` : "";
    const what = `Each layer leaves ${one.toFixed(3)} of the gradient. After ${s.depth} of them ` +
      `${power(left)} is left.${seen}`;
    f.say(`p = ${Number(s.p).toFixed(2)}. ${what}`);
    curve.describe(`Falling lines on a logarithmic axis, one for each share p. ${what}`);
    f.data(() => [
      ["layers passed", "law", ...measured.map((m) => `measured, p = ${m.p}`)],
      ...x.map((k) => [k, power(one ** k), ...measured.map((m) => power(m.left[k]))]),
    ]);
    tell(model, { ...s, left });
  }
  draw();
}
