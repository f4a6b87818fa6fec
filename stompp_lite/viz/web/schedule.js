// Schedule and refresh explorer (chapters 7, 8, 11): p over time, and masks that breathe.
import { canvas, color, legend, plot, timeLine } from "./draw.js";
import { choice, frame, need, player, slider, tell } from "./kit.js";
import { begin, fraction, masks, SHAPES, turns } from "./method.js";

const ENTRIES = 48, COLUMNS = 6;
const ORDERS = ["forward", "reverse", "random", "global", "forward-2", "forward-5"];
const REFRESH = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1];

export function render({ model, el }) {
  const data = model.get("data");
  const s = {
    order: "forward",
    shape: "cubic",
    rule: "threshold",
    rho: 0.01,
    stages: 9,
    window: 50,
    t: 0,
    ...data.start,
  };
  need(ORDERS.includes(s.order), `unknown order ${s.order}`);
  need(s.shape in SHAPES, `unknown shape ${s.shape}`);
  need(
    Number.isInteger(s.stages) && s.stages >= 1 && s.stages <= data.keys.length,
    `${s.stages} stages; there must be 1 to ${data.keys.length}`,
  );
  const f = frame(el, "Schedule and refresh explorer");
  let plan;

  choice(f.controls, {
    label: "order",
    options: ORDERS,
    value: s.order,
    on: (v) => {
      s.order = v;
      make();
    },
  });
  choice(f.controls, {
    label: "shape",
    options: Object.keys(SHAPES),
    value: s.shape,
    on: (v) => {
      s.shape = v;
      make();
    },
  });
  choice(f.controls, {
    label: "mask rule",
    options: ["threshold", "redraw"],
    value: s.rule,
    on: (v) => {
      s.rule = v;
      make();
    },
  });
  slider(f.controls, {
    label: "refresh ρ",
    min: 0,
    max: REFRESH.length - 1,
    value: Math.max(REFRESH.indexOf(s.rho), 0),
    show: (i) => String(REFRESH[i]),
    on: (i) => {
      s.rho = REFRESH[i];
      make();
    },
  });
  slider(f.controls, {
    label: "stages",
    min: 1,
    max: data.keys.length,
    value: s.stages,
    on: (v) => {
      s.stages = v;
      make();
    },
  });
  slider(f.controls, {
    label: "steps for each stage",
    min: 10,
    max: 200,
    step: 10,
    value: s.window,
    on: (v) => {
      s.window = v;
      make();
    },
  });
  const curves = plot(f.stage, {
    x: { label: "step", range: () => [0, Math.max(plan?.T ?? 1, 1)] },
    y: { label: "frozen fraction p", range: [0, 1.02] },
    height: 190,
    label: "Frozen fraction of each stage",
    series: data.keys.map((_, l) => ({
      label: `stage ${l}`,
      width: 1.3,
      color: (n) => (l === 0 ? color("accent", n) : color("frozen-line", n)),
    })),
    over: timeLine(() => s.t, 1.5),
  });
  const tiles = canvas(f.stage, {
    height: (w) => 16 + 8 * side(w) + 18,
    label: "Masks of all stages",
    draw: drawMasks,
  });
  legend(f.stage, [{ label: "free", color: "var(--lbl-free)", square: true }, {
    label: "frozen",
    color: "var(--lbl-frozen)",
    square: true,
  }, { label: "stage 0, next to the input", color: "var(--lbl-accent)" }]);
  const time = slider(f.controls, {
    label: "time",
    min: 0,
    max: 1,
    value: 0,
    show: (t) => `step ${t}`,
    on: (t) => {
      s.t = t;
      draw();
    },
  });
  player(f.controls, time, 12);

  function side(width) {
    return Math.max(2, Math.min(12, Math.floor((width - 8) / (s.stages * (COLUMNS + 1.2)))));
  }

  function make() {
    const taken = turns(s.order, s.stages, data.permutations[s.stages - 1]);
    const windows = Math.max(...taken) + 1, T = s.stages * s.window;
    plan = { taken, windows, T, masks: new Map() };
    time.range(0, T);
    s.t = Math.min(s.t, T);
    time.set(s.t);
    const every = Math.max(1, Math.round(T / 600)), x = [];
    for (let t = 0; t <= T; t += every) x.push(t);
    curves.set([
      x,
      ...data.keys.map((_, l) => (l < s.stages ? x.map((t) => p(l, t)) : x.map(() => null))),
    ]);
    draw();
  }

  const p = (l, t) => fraction(t, plan.taken[l], plan.windows, plan.T, s.shape);

  function maskOf(l, t) { // the whole window is drawn once, then looked up
    const now = p(l, t);
    if (now === 0 || now === 1) return null;
    const start = begin(plan.taken[l], plan.windows, plan.T);
    if (!plan.masks.has(l)) {
      const growth = [];
      for (let k = start; p(l, k) < 1; k++) growth.push(p(l, k));
      plan.masks.set(l, masks(data.keys[l], ENTRIES, growth, s.rule, s.rho));
    }
    return plan.masks.get(l)[t - start];
  }

  function drawMasks(c, width) {
    if (!plan) return;
    const a = side(width),
      [free, frozen, ink] = ["free", "frozen", "ink"].map((name) => color(name, f.stage));
    const step = a * (COLUMNS + 1.2);
    c.font = "12px system-ui, sans-serif";
    for (let l = 0; l < s.stages; l++) {
      const now = p(l, s.t), mask = maskOf(l, s.t);
      for (let i = 0; i < ENTRIES; i++) {
        c.fillStyle = (mask ? mask[i] : now === 1) ? frozen : free;
        c.fillRect(
          4 + l * step + (i % COLUMNS) * a,
          16 + Math.floor(i / COLUMNS) * a,
          a - 1,
          a - 1,
        );
      }
      if (l === 0 || l === s.stages - 1) {
        c.fillStyle = ink;
        c.fillText(String(l), 4 + l * step, 12);
      }
    }
    c.fillStyle = ink;
    c.fillText("stage, input at the left: 48 of its entries", 4, 16 + 8 * a + 14);
  }

  function draw() {
    curves.redraw();
    tiles.paint();
    const shares = Array.from({ length: s.stages }, (_, l) => {
      const mask = maskOf(l, s.t);
      return mask ? mask.reduce((x, y) => x + y, 0) / ENTRIES : p(l, s.t);
    });
    const partly = shares.map((_, l) => l).filter((l) => p(l, s.t) > 0 && p(l, s.t) < 1);
    const done = shares.filter((_, l) => p(l, s.t) === 1).length;
    const busy = partly.length === 0
      ? "none is between"
      : partly.length === 1
      ? `stage ${partly[0]} is between: p = ${p(partly[0], s.t).toFixed(2)}, ${
        Math.round(100 * shares[partly[0]])
      } % of these entries frozen`
      : `${partly.length} are between, p = ${p(partly[0], s.t).toFixed(2)} in the first of them`;
    f.say(`Step ${s.t} of ${plan.T}: ${done} of ${s.stages} stages are frozen, ${busy}.`);
    f.data(
      () => [
        ["stage", "window", "p", "share of the drawn entries that is frozen"],
        ...shares.map((share, l) => [l, plan.taken[l] + 1, p(l, s.t).toFixed(3), share.toFixed(3)]),
      ],
    );
    tell(model, { ...s, frozen: shares });
  }
  make();
}
