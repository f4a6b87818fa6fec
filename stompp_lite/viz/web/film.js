// Training film (chapters 4, 7, 8, 9): scrub recorded runs; compare two in step.
import { canvas, color, legend, look, plot, timeLine, word } from "./draw.js";
import { choice, controls, frame, h, need, numbers, player, signBits, tell } from "./kit.js";
import { key, marks, place, row, strip } from "./strip.js";

const EACH = ["p", "gradient", "flips", "signs"]; // one list of stages for each frame
const SIDE = 8; // signs of a layer are drawn in rows of eight

// A run's name, with its setting in the book's words.
const called = (r) => `${r.name}`.replace(`, ${r.arm}, `, `, ${word(r.arm, "arm")}, `);

export function render({ model, el }) {
  const { runs: given, fields, start } = model.get("data");
  need(Array.isArray(given) && given.length > 0, "there is no run to show");
  const runs = given.map((r) => ({ ...r, name: called(r) }));
  for (const r of runs) {
    look(r.look);
    numbers(r.epoch, `the epochs of ${r.name}`, 0);
    for (const key of ["test", "hard"]) {
      numbers(r[key], `the accuracy of ${r.name}`, 0, 100);
      need(
        r[key].length === r.epoch.length,
        `${r.name} has ${r.epoch.length} epochs and ${r[key].length} accuracies`,
      );
    }
    for (const key of EACH) {
      need(r[key]?.length === r.epoch.length, `${r.name} has no ${key} for each epoch`);
    }
  }
  const f = frame(el, "Training film");
  const s = { a: start?.[0] ?? 0, b: start?.[1] ?? Math.min(1, runs.length - 1), k: 0, layer: 1 };
  for (const slot of ["a", "b"]) need(s[slot] in runs, `there is no run ${s[slot]}`);
  const of = (slot) => runs[s[slot]], alike = () => of("a").look === of("b").look;
  const paint = (slot) => slot === "b" && alike() ? "ink" : look(of(slot).look).tone;
  const end = () => Math.max(of("a").epoch.length, of("b").epoch.length) - 1;
  const last = () => Math.max(of("a").p[0].length, of("b").p[0].length) - 1;
  s.k = Math.floor(end() / 2);

  // ---- which runs: what varies among them can be chosen
  const values = (key) => [...new Set(runs.map((r) => r[key]))];
  const varying = Object.keys(fields).filter((key) => values(key).length > 1);
  function slotBox(slot) {
    const legend = h("legend", {}, slot === "a" ? "one run" : "beside it");
    const box = h("fieldset", { class: "lbl-slot" }, legend);
    f.controls.append(box);
    const choices = varying.map((key) => {
      const on = (value) => take(slot, key, value);
      const options = values(key).map((v) => [v, word(v, key)]);
      return [key, choice(box, { label: fields[key], options, value: of(slot)[key], on })];
    });
    return { box, choices };
  }
  const boxes = { a: slotBox("a"), b: slotBox("b") };
  function take(slot, key, value) { // where no run has all these values, the others give way
    const agrees = (r) => varying.filter((other) => r[other] === of(slot)[other]).length;
    const fits = [...runs.keys()].filter((i) => String(runs[i][key]) === value);
    s[slot] = fits.reduce((best, i) => (agrees(runs[i]) > agrees(runs[best]) ? i : best));
    make();
  }
  const { slide } = controls(f.controls, s, draw);
  const time = slide("k", "time", 0, end(), { show: (k) => `epoch ${at(of("a"), k).epoch}` });
  const layer = slide("layer", "layer whose signs are drawn", 0, last());
  player(f.controls, time, 8);
  function at(run, k) {
    const i = Math.min(k, run.epoch.length - 1);
    return Object.fromEntries(["epoch", "test", "hard", ...EACH].map((key) => [key, run[key][i]]));
  }

  // ---- pictures
  const curves = plot(f.stage, {
    x: {
      label: "epoch",
      whole: true,
      range: () => [0, Math.max(...of("a").epoch, ...of("b").epoch)],
    },
    y: { label: "test accuracy, %", range: [0, 101] },
    height: 210,
    label: "Test accuracy of two runs",
    series: [
      { label: "a", tone: () => paint("a"), width: 2.4 },
      { label: "a, hard", tone: () => paint("a"), dash: [6, 4], width: 1.4 },
      { label: "b", tone: () => paint("b"), width: 2.4, points: 5 },
      { label: "b, hard", tone: () => paint("b"), dash: [6, 4], width: 1.4, points: 4 },
    ],
    over: timeLine(() => at(of("a"), s.k).epoch),
  });
  const keys = h("div");
  f.stage.append(keys);
  // one scale for all runs: the share of flips of the highest bar, the gradient of the widest arrow
  const most = Math.max(...runs.flatMap((r) => r.flips.slice(1).flat()), 1e-9);
  const largest = Math.max(...runs.flatMap((r) => r.gradient.flat()));
  const strips = ["a", "b"].map((slot) => {
    const title = h("p", { class: "lbl-strip" });
    f.stage.append(title);
    return {
      slot,
      title,
      drawn: canvas(f.stage, { height: 104, label: "", draw: (c, w) => drawStrip(c, w, of(slot)) }),
    };
  });
  key(f.stage, {
    share: true,
    flips: most,
    gradient: largest,
    deaf: true,
    cells: ["free: a real number", "frozen: a single bit"],
    signs: true,
  });
  const pair = h("div", { class: "lbl-signs" });
  f.stage.append(
    h(
      "p",
      { class: "lbl-strip" },
      "64 weights of that layer; framed: the sign flipped since the frame before",
    ),
    pair,
  );
  const signs = ["a", "b"].map((slot) => {
    const cell = h("div");
    pair.append(cell);
    return {
      slot,
      drawn: canvas(cell, {
        height: (w) => SIDE * tile(w) + 4,
        label: "",
        draw: (c, w) => drawSigns(c, w, of(slot)),
      }),
    };
  });
  function drawStrip(c, width, run) {
    const { p: share, gradient, flips } = at(run, s.k);
    strip(c, f.stage, row(width, share.length, { top: 26 }), {
      share,
      gradient,
      flips,
      most,
      largest,
      deaf: share.map((p, l) => p < 1 && gradient[l] === 0),
    });
  }
  const tile = (width) => Math.max(4, Math.min(18, Math.floor(width / SIDE)));
  /** Signs of the chosen layer now, and which of them flipped; null where it has no weights. */
  function sampled(run) {
    const now = at(run, s.k).signs[s.layer], before = at(run, Math.max(s.k - 1, 0)).signs[s.layer];
    if (!now) return null;
    const old = signBits(before), fresh = signBits(now);
    return { signs: fresh, flipped: fresh.map((bit, i) => bit !== old[i]) };
  }
  function drawSigns(c, width, run) {
    const found = sampled(run),
      a = tile(width),
      [accent, ink] = ["accent", "ink"].map((n) => color(n, f.stage));
    if (!found) {
      c.fillStyle = ink;
      c.font = "13px system-ui, sans-serif";
      c.fillText(s.layer < run.p[0].length ? "no binary weights here" : "no such layer", 2, 20);
      return;
    }
    const share = at(run, s.k).p[s.layer];
    const cells = found.signs.map((bit, i) => ({
      x: 3 + (i % SIDE) * a,
      y: 3 + Math.floor(i / SIDE) * a,
      frozen: place(s.layer, i) < share,
      up: bit === 1,
    }));
    marks(c, f.stage, cells, Math.max(a - 5, 2));
    c.strokeStyle = accent;
    c.lineWidth = 2;
    cells.forEach(({ x, y }, i) => {
      if (found.flipped[i]) c.strokeRect(x - 1.5, y - 1.5, a - 2, a - 2);
    });
  }

  // ---- when something changes
  function make() {
    time.range(0, end());
    layer.range(0, last());
    s.k = Math.min(s.k, end());
    s.layer = Math.min(s.layer, last());
    time.set(s.k);
    layer.set(s.layer);
    for (const slot of ["a", "b"]) {
      boxes[slot].box.style.borderColor = `var(--lbl-${paint(slot)})`;
      for (const [field, box] of boxes[slot].choices) box.set(of(slot)[field]);
    }
    const [a, b] = [of("a"), of("b")],
      x = [...new Set([...a.epoch, ...b.epoch])].sort((p, q) => p - q);
    const on = (run, what) =>
      x.map((epoch) => {
        const i = run.epoch.indexOf(epoch);
        return i < 0 ? null : run[what][i];
      });
    curves.set([x, on(a, "test"), on(a, "hard"), on(b, "test"), on(b, "hard")]);
    keys.replaceChildren();
    legend(keys, [
      { label: a.name, tone: paint("a") },
      { label: `${b.name} (beside it, with dots)`, tone: paint("b") },
      { label: "dashed: with everything hardened now", tone: "line", dash: [6, 4] },
    ]);
    draw();
  }
  const done = (p) => p.filter((share) => share === 1).length;
  const sum = (list) => list.reduce((x, y) => x + Number(y), 0);
  function draw() {
    curves.redraw();
    const told = strips.map(({ title, drawn, slot }) => {
      const run = of(slot), now = at(run, s.k), frozen = `${done(now.p)} of ${now.p.length} stages`;
      title.textContent = run.name;
      drawn.describe(`${run.name}, epoch ${now.epoch}: ${frozen} frozen.`);
      drawn.paint();
      const moved = (100 * sum(now.flips) / now.flips.length).toFixed(1);
      return `${run.name}: ${now.test.toFixed(0)} %, all hardened ${now.hard.toFixed(0)} %, ` +
        `${frozen} frozen, ${moved} % of the signs flipped.`;
    });
    for (const { slot, drawn } of signs) {
      const found = sampled(of(slot)), { name } = of(slot);
      drawn.describe(
        found
          ? `${name}, layer ${s.layer}: ${sum(found.signs)} of ${found.signs.length} signs are ` +
            `+1, ${sum(found.flipped)} flipped since the frame before.`
          : `${name}: layer ${s.layer} has no binary weights.`,
      );
      drawn.paint();
    }
    f.say(`Epoch ${at(of("a"), s.k).epoch}. ${told.join(" ")}`);
    const line = (r) => (epoch, i) => [
      r.name,
      epoch,
      r.test[i],
      r.hard[i],
      done(r.p[i]),
      r.signs[i][s.layer],
    ];
    const columns = ["run", "epoch", "test accuracy, %", "all hardened, %", "stages frozen"];
    f.data(() => [
      [...columns, `signs of layer ${s.layer}, hexadecimal`],
      ...["a", "b"].flatMap((slot) => of(slot).epoch.map(line(of(slot)))),
    ]);
    tell(model, { ...s });
  }
  make();
}
