// Noise bell (chapter 2): noise on one latent weight, the step that it blurs, and the slope of that
// beside the surrogate's.
import { barRows } from "./bars.js";
import { canvas, color, legend, look, within } from "./draw.js";
import { button, controls, frame, h, need, tell } from "./kit.js";
import { gradients, LOSSES, NOISE, sign, SURROGATES } from "./noise.js";

const END = 2; // of the weight axis, both ways
const GRID = Array.from({ length: 401 }, (_, i) => -END + i / 100);
const BELL = { base: 148, unit: 66 }; // pixels: where the bell stands, and a density of 1
const STEP = { middle: 282, unit: 66 }; // where the blurred step is 0, and from there to 1
const EXACT = [["clip", "uniform"], ["polynomial", "triangular"]]; // at width 1, a straight loss
const minus = (text) => text.replaceAll("-", "−"), of = (v) => minus(Number(v).toFixed(2));

export function render({ model, el }) {
  const { scale = 0.8, loss = "straight" } = model.get("data");
  need(
    Number.isFinite(scale) && scale !== 0,
    `the example must be a number other than 0, got ${scale}`,
  );
  need(loss in LOSSES, `unknown loss ${loss}`);
  const f = frame(el, "Noise bell");
  const s = { loss, noise: "uniform", surrogate: "clip", sigma: 1, w: -0.3 };
  const input = () => (s.loss === "curved" ? scale : 1);

  const { pick, slide } = controls(f.controls, s, draw);
  const weight = slide("w", "latent weight w", -END, END, { step: 0.05, show: of });
  const picks = {
    noise: pick("noise", "noise", Object.keys(NOISE)),
    surrogate: pick("surrogate", "surrogate", Object.keys(SURROGATES)),
    loss: pick("loss", "loss of the sign s", [
      ["straight", "linear, 1 − s"],
      ["curved", `curved, (${scale} s − 1)²`],
    ]),
  };
  picks.sigma = slide("sigma", "width of the noise", 0.5, 2, { step: 0.05, show: of });
  const pairs = h("div", { class: "lbl-orders" });
  f.stage.append(pairs);
  for (const [surrogate, noise] of EXACT) {
    button(pairs, `Exact pair: ${surrogate} and ${noise} noise`, () => {
      Object.assign(s, { surrogate, noise, loss: "straight", sigma: 1 });
      for (const [key, control] of Object.entries(picks)) control.set(s[key]);
      draw();
    });
  }
  const exactTone = look("stompp").tone, steTone = look("ste").tone;
  const view = canvas(f.stage, { height: 388, label: "", draw: paint });
  view.node.classList.add("lbl-drag");
  legend(f.stage, [
    { label: "sign(w)", tone: "ink" },
    { label: "blurred step, thick: its slope at w", tone: exactTone },
    { label: "the slope that STE takes", tone: steTone, dash: [6, 4] },
  ]);
  const bars = barRows(f.stage);

  const left = 40, right = 14; // margins of the picture
  const across = (width) => (u) => left + ((u + END) / (2 * END)) * (width - left - right);
  function follow(event) {
    const [x] = within(view.node, event), wide = view.node.clientWidth - left - right;
    const u = ((x - left) / wide) * 2 * END - END;
    weight.set(Math.round(20 * Math.min(Math.max(u, -END), END)) / 20);
    weight.input.dispatchEvent(new Event("input"));
  }
  view.node.addEventListener("pointerdown", (event) => {
    view.node.setPointerCapture(event.pointerId);
    follow(event);
  });
  view.node.addEventListener("pointermove", (event) => event.buttons && follow(event));

  /** All numbers at a weight: pushes are minus the gradients. */
  function at(w) {
    const how = { ...s, inputs: [input()] }, { of: value, slope } = LOSSES[s.loss];
    const { exact, ste } = gradients([w], how);
    return {
      p: NOISE[s.noise].up(w, s.sigma),
      height: NOISE[s.noise].density(w, s.sigma),
      g: SURROGATES[s.surrogate](w),
      flip: (value(-input()) - value(input())) / 2, // half of what a flip to +1 gains
      slope: -slope(input() * sign(w)) * input(),
      exact: -exact[0],
      ste: -ste[0],
    };
  }
  const same = (now) => Math.abs(now.exact - now.ste) < 0.005;

  function line(c, points, tone, width, dash = []) {
    c.strokeStyle = color(tone, c.canvas);
    c.lineWidth = width;
    c.setLineDash(dash);
    c.beginPath();
    for (const point of points) c.lineTo(...point);
    c.stroke();
    c.setLineDash([]);
  }
  function paint(c, width) {
    const x = across(width), now = at(s.w), ink = color("ink", c.canvas);
    const density = (u) => BELL.base - BELL.unit * NOISE[s.noise].density(u - s.w, s.sigma);
    const y = (value) => STEP.middle - STEP.unit * value;
    const write = (text, px, py, align = "left", weight = "") => {
      c.font = `${weight} 12px system-ui, sans-serif`;
      c.textAlign = align;
      c.fillStyle = ink;
      c.fillText(text, px, py);
    };
    // the bell, its part right of 0, and its height there
    const hill = (from, fill) => {
      c.fillStyle = color(fill, c.canvas);
      c.beginPath();
      c.moveTo(x(from), BELL.base);
      for (const u of GRID) if (u >= from) c.lineTo(x(u), density(u));
      c.lineTo(x(END), BELL.base);
      c.fill();
    };
    hill(-END, "free");
    hill(0, "frozen");
    line(c, GRID.map((u) => [x(u), density(u)]), "ink", 1.2);
    line(c, [[x(0), BELL.base], [x(0), density(0)]], "accent", 5);
    write(`height at 0: ${of(now.height)}`, left, 14);
    write(`dark area: P = ${of(now.p)}`, width - right, 14, "right", "bold");
    // the axis: what the sign makes of each side
    c.fillStyle = color("free", c.canvas);
    c.fillRect(x(-END), BELL.base, x(0) - x(-END), 8);
    c.fillStyle = color("frozen", c.canvas);
    c.fillRect(x(0), BELL.base, x(END) - x(0), 8);
    c.strokeStyle = color("line", c.canvas);
    c.lineWidth = 1;
    c.strokeRect(x(-END), BELL.base, x(END) - x(-END), 8);
    write("sign −1", x(-END), BELL.base + 24);
    write("sign +1", x(END), BELL.base + 24, "right");
    // the step and the blurred step
    for (const value of [-1, 0, 1]) {
      line(c, [[x(-END), y(value)], [x(END), y(value)]], "faint", 1);
      write(minus(String(value)), left - 8, y(value) + 4, "right");
    }
    line(c, [[x(s.w), BELL.base + 4], [x(s.w), y(-1) + 14]], "line", 1, [2, 3]);
    line(c, [[x(-END), y(-1)], [x(0), y(-1)], [x(0), y(1)], [x(END), y(1)]], "ink", 1.2);
    const mean = (u) => 2 * NOISE[s.noise].up(u, s.sigma) - 1;
    line(c, GRID.map((u) => [x(u), y(mean(u))]), exactTone, 2.4);
    const touch = (slope, tone, wide, dash) => {
      const reach = Math.min(0.6, 0.75 / Math.max(Math.abs(slope), 0.01));
      const end = (d) => [x(s.w + d), y(mean(s.w) + slope * d)];
      line(c, [end(-reach), end(reach)], tone, wide, dash);
    };
    touch(2 * now.height, exactTone, 7);
    touch((now.g * now.slope) / now.flip, steTone, 2.4, [6, 4]);
    for (const [px, py, radius] of [[x(s.w), BELL.base + 4, 10], [x(s.w), y(mean(s.w)), 5]]) {
      c.fillStyle = color(exactTone, c.canvas);
      c.strokeStyle = color("ground", c.canvas);
      c.lineWidth = 2;
      c.beginPath();
      c.arc(px, py, radius, 0, 7);
      c.fill();
      c.stroke();
    }
    for (const u of [-2, -1, 0, 1, 2]) write(minus(String(u)), x(u), y(-1) + 18, "center");
    write("latent weight w", x(0), y(-1) + 34, "center");
  }

  function judge(now) {
    const everywhere = GRID.every((w) => same(at(w)));
    if (same(now)) {
      if (everywhere) {
        return "✓ exact: STE takes the slope of the blurred loss, here and at every w.";
      }
      return "= equal at this w, but not at every w.";
    }
    const by = now.ste - now.exact;
    const why = s.loss === "curved" && Math.abs(2 * now.height - now.g) < 0.005
      ? "; half of what a flip changes is not the slope at the present sign"
      : "";
    return `≠ not exact: STE differs by ${by > 0 ? "+" : ""}${of(by)}${why}.`;
  }
  function draw() {
    const now = at(s.w), told = judge(now), curved = s.loss === "curved";
    const times = (factor) => (curved ? ` × ${of(factor)}` : "");
    bars.set(
      [
        {
          label: curved
            ? "slope of the blurred loss: 2 × height × half of what a flip changes"
            : "slope of the blurred loss: 2 × height",
          text: `2 × ${of(now.height)}${times(now.flip)} = ${of(now.exact)}`,
          value: now.exact,
          tone: exactTone,
        },
        {
          label: curved
            ? `STE: g(w) × slope of the loss at sign ${sign(s.w) > 0 ? "+1" : "−1"}`
            : "STE: the surrogate g(w)",
          text: curved ? `${of(now.g)}${times(now.slope)} = ${of(now.ste)}` : of(now.ste),
          value: now.ste,
          tone: steTone,
          hatched: true,
        },
      ],
      Math.ceil(Math.max(2, now.exact, now.ste)),
      Math.floor(Math.min(0, now.ste)),
    );
    const mean = of(2 * now.p - 1);
    f.say(
      `${told} At w = ${of(s.w)} the noise makes the sign +1 with chance P = ${of(now.p)}; twice ` +
        `the height ${of(now.height)} is ${of(2 * now.height)}, and g(w) = ${of(now.g)}.`,
    );
    view.describe(
      `A bell of ${s.noise} noise of width ${s.sigma} around the weight ${of(s.w)}; ${of(now.p)} ` +
        `of its area lies right of 0, where its height is ${
          of(now.height)
        }. Below it the step of ` +
        `the sign and the blurred step, which has the value ${mean} there. Drag the weight.`,
    );
    view.paint();
    f.data(() => [
      ["w", "P", "2P − 1", "2 × height at 0", "g(w)", "blurred loss falls", "STE says"],
      ...GRID.filter((_, i) => i % 20 === 0).map((w) => {
        const row = at(w);
        const told = [row.p, 2 * row.p - 1, 2 * row.height, row.g, row.exact, row.ste];
        return [w.toFixed(1), ...told.map((v) => v.toFixed(3))];
      }),
    ]);
    const { p, height, g, exact, ste } = now;
    tell(model, { w: s.w, p, height, g, exact, ste, equal: same(now) });
  }
  draw();
}
