// Schedule and refresh explorer (chapters 7, 10, 11): p over time, and masks that breathe.
import { canvas, color, legend, plot, timeLine } from "./draw.js";
import { controls, frame, h, need, player, tell } from "./kit.js";
import { advance, begin, fraction, RULES, shapeOf } from "./method.js";
import { key, strip } from "./strip.js";

const COLUMNS = 6; // of a stage's mask
/** How many entries of each mask are drawn; fewer where the stages are many, to stay quick. */
const entriesOf = (stages) => (stages > 18 ? 24 : 48);
const POINTS = 500; // of a curve

export function render({ model, el }) {
  const { start, keys, orders, shapes, rules, refresh } = model.get("data");
  const s = { ...start }, known = rules.filter((rule) => RULES.includes(rule));
  need(s.order in orders, `unknown order ${s.order}`);
  need(s.shape in shapes, `unknown shape ${s.shape}`);
  need(known.includes(s.rule), `the browser cannot draw the mask rule ${s.rule}`);
  need(
    Number.isInteger(s.stages) && s.stages >= 1 && s.stages <= keys.length,
    `${s.stages} stages; there must be 1 to ${keys.length}`,
  );
  const f = frame(el, "Schedule and refresh explorer");
  let plan;

  const { pick, slide, among } = controls(f.controls, s, make);
  pick("order", "order", Object.keys(orders));
  pick("shape", "shape", Object.keys(shapes));
  pick("rule", "mask rule", known);
  among("rho", "refresh ρ", refresh);
  slide("stages", "stages", 1, keys.length);
  slide("window", "steps for each stage", 10, 200);
  const lines = { width: 1.3, tone: "frozen-line" };
  const curves = plot(f.stage, {
    x: { label: "step", whole: true, range: () => [0, Math.max(plan?.T ?? 1, 1)] },
    y: { label: "share of a stage", range: [0, 1.02] },
    height: 190,
    label: "Frozen fraction of each stage",
    series: [
      ...keys.map((_, l) => ({ ...lines, ...(l ? {} : { tone: "accent" }) })),
      ...keys.map(() => ({ ...lines, dash: [2, 3] })),
    ],
    over: (u, c, d) => {
      timeLine(() => s.t, 1.5)(u, c, d);
      if (!plan) return;
      const x = u.valToPos(s.t, "x", true),
        [ink, accent] = ["ink", "accent"].map((n) => color(n, u.root));
      plan.now.forEach(({ share }, l) => {
        c.fillStyle = l ? ink : accent;
        c.beginPath();
        c.arc(x, u.valToPos(share, "y", true), 3 * d, 0, 7);
        c.fill();
      });
    },
  });
  const tiles = canvas(f.stage, {
    height: (w) => layout(w).rows * layout(w).tall + 20,
    label: "Masks of all stages",
    draw: drawMasks,
  });
  key(f.stage, { cells: ["a free entry", "a frozen entry"] });
  const names = h("div");
  f.stage.append(names);
  const time = slide("t", "time", 0, 1, { show: (t) => `step ${t}`, then: draw });
  player(f.controls, time, 12);

  /** Of the tiles: side, distance of the stages, stages in a row, rows and their height. */
  function layout(width) {
    const a = Math.max(6, Math.min(12, Math.floor((width - 8) / (s.stages * (COLUMNS + 1.2)))));
    const step = a * (COLUMNS + 1.2), across = Math.max(1, Math.floor((width - 8) / step));
    const tall = 20 + (entriesOf(s.stages) / COLUMNS) * a;
    return { a, step, across, rows: Math.ceil(s.stages / across), tall };
  }

  function make() {
    const turns = orders[s.order][s.stages - 1], T = s.stages * s.window;
    const entries = entriesOf(s.stages);
    const numbers = turns.map(() => ({ age: -1, kept: new Float64Array(entries).fill(1) }));
    const shape = shapeOf(s.shape, shapes[s.shape]);
    plan = { turns, windows: Math.max(...turns) + 1, T, shape, entries, numbers, now: [] };
    time.range(0, T);
    s.t = Math.min(s.t, T);
    time.set(s.t);
    const x = Array.from({ length: POINTS + 1 }, (_, k) => Math.round((k * T) / POINTS));
    const none = x.map(() => null), seen = (l) => turns.indexOf(turns[l]) < l;
    const over = (values) => keys.map((_, l) => l >= s.stages || seen(l) ? none : values(l));
    curves.set([
      x,
      ...over((l) => x.map((t) => p(l, t))),
      ...over((l) => s.rule === "redraw" ? expected(l, x) : none),
    ]);
    names.replaceChildren();
    legend(names, [
      { label: "p, as planned", tone: "frozen-line" },
      { label: "stage 0, next to the input", tone: "accent" },
      { label: "share frozen now, of the drawn entries", tone: "ink", dot: true },
      ...s.rule === "redraw"
        ? [{ label: "share frozen, on average", tone: "frozen-line", dash: [6, 4] }]
        : [],
    ]);
    draw();
  }

  const p = (l, t) => fraction(t, plan.turns[l], plan.windows, plan.T, plan.shape);
  const first = (l) => begin(plan.turns[l], plan.windows, plan.T);

  /** Expected share of stage l that redraw has frozen, at the steps x. */
  function expected(l, x) {
    let share = 0, t = first(l);
    return x.map((at) => {
      const now = p(l, at);
      if (now === 0 || now === 1) return now;
      for (; t <= at; t++) share += s.rho * (p(l, t) - share);
      return share;
    });
  }

  /** Stage l now: p, which of its entries are frozen, and their share. */
  function stage(l) {
    const now = p(l, s.t), start = first(l), age = s.t - start, found = plan.numbers[l];
    if (now === 0 || now === 1) return { p: now, mask: null, share: now };
    if (age < found.age) {
      found.kept.fill(1);
      found.age = -1;
    }
    advance(found.kept, keys[l], found.age, age, (a) => p(l, start + a), s.rule, s.rho);
    found.age = age;
    const mask = Array.from(found.kept, (u) => (u < Math.fround(now) ? 1 : 0));
    return { p: now, mask, share: mask.reduce((x, y) => x + y, 0) / plan.entries };
  }

  function drawMasks(c, width) {
    if (!plan) return;
    const { a, step, across, rows, tall } = layout(width);
    const at = (l) => [4 + (l % across) * step, 16 + Math.floor(l / across) * tall];
    const g = { step, wide: COLUMNS, box: COLUMNS * a, tall: tall - 20, at };
    strip(c, f.stage, g, {
      cells: plan.now.map(({ p, mask }) =>
        Array.from({ length: plan.entries }, (_, i) => ({ frozen: (mask?.[i] ?? p) === 1 }))
      ),
    });
    const every = [1, 2, 5, 10].find((n) => n * step >= 22);
    c.font = "12px system-ui, sans-serif";
    c.fillStyle = color("ink", f.stage);
    for (let l = 0; l < s.stages; l += every) c.fillText(String(l), at(l)[0], at(l)[1] - 4);
    const what = `${plan.entries} of its entries${
      s.rule === "per-sample" ? ", for one sample" : ""
    }`;
    c.fillText(`stage, input at the left: ${what}`, 4, rows * tall + 12);
  }

  function draw() {
    plan.now = plan.turns.map((_, l) => stage(l));
    curves.redraw();
    tiles.paint();
    const { now } = plan, busy = now.flatMap(({ mask }, l) => mask ? [l] : []);
    const done = now.filter((one) => one.p === 1).length, [l] = busy;
    const told = busy.length === 0
      ? "none is between"
      : busy.length === 1
      ? `stage ${l} is between: p = ${now[l].p.toFixed(2)}, and ${
        Math.round(100 * now[l].share)
      } % of these entries are frozen`
      : `${busy.length} are between, p = ${now[l].p.toFixed(2)} in the first of them`;
    f.say(`Step ${s.t} of ${plan.T}: ${done} of ${s.stages} stages are frozen, ${told}.`);
    f.data(() => [
      ["stage", "window", "p", "share of the drawn entries that is frozen"],
      ...now.map((one, l) => [l, plan.turns[l] + 1, one.p.toFixed(3), one.share.toFixed(3)]),
    ]);
    tell(model, { ...s, frozen: now.map((one) => one.share) });
  }
  make();
}
