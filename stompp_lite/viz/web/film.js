// Training film (chapters 4, 8, 9, 10): scrub recorded runs; compare two in step.
import { h, frame, slider, choice, player, canvas, plot, timeLine, legend, color, look, need, numbers } from "./kit.js";
import { network } from "./network.js";

export function render({ model, el }) {
  const { runs, start } = model.get("data");
  const names = Object.keys(runs ?? {});
  need(names.length > 0, "there is no run to show");
  for (const [name, r] of Object.entries(runs)) {
    numbers(r.epoch, `the epochs of ${name}`, 0);
    for (const key of ["test", "hard"]) {
      numbers(r[key], `the accuracy of ${name}`, 0, 100);
      need(r[key].length === r.epoch.length, `${name} has ${r.epoch.length} epochs and ${r[key].length} accuracies`);
    }
    for (const key of ["p", "gradient", "flips"]) need(r[key]?.length === r.epoch.length, `${name} has no ${key} for each epoch`);
  }
  const f = frame(el, "Training film");
  const s = { a: start?.[0] ?? names[0], b: start?.[1] ?? names[Math.min(1, names.length - 1)], k: 0 };
  for (const slot of ["a", "b"]) need(s[slot] in runs, `there is no run ${s[slot]}`);
  const end = () => Math.max(runs[s.a].epoch.length, runs[s.b].epoch.length) - 1;
  s.k = Math.floor(end() / 2);
  for (const slot of ["a", "b"])
    choice(f.controls, { label: slot === "a" ? "run" : "beside it", options: names, value: s[slot], on: (v) => { s[slot] = v; make(); } });
  const time = slider(f.controls, { label: "time", min: 0, max: end(), value: s.k, show: (k) => `epoch ${at(runs[s.a], k).epoch}`, on: (k) => { s.k = k; draw(); } });
  player(f.controls, time, 8);
  function at(run, k) {
    const i = Math.min(k, run.epoch.length - 1);
    return Object.fromEntries(["epoch", "test", "hard", "p", "gradient", "flips"].map((key) => [key, run[key][i]]));
  }
  const paint = (slot) => () => look(runs[s[slot]].method).color;
  const curves = plot(f.stage, {
    x: { label: "epoch", range: () => [0, Math.max(...runs[s.a].epoch, ...runs[s.b].epoch)] }, y: { label: "test accuracy, %", range: [0, 101] }, height: 210,
    label: "Test accuracy of two runs", series: [
      { label: "a", color: paint("a"), width: 2.4 }, { label: "a, hard", color: paint("a"), dash: [6, 4], width: 1.4 },
      { label: "b", color: paint("b"), width: 2.4, points: 5 }, { label: "b, hard", color: paint("b"), dash: [6, 4], width: 1.4, points: 4 }],
    over: timeLine(() => at(runs[s.a], s.k).epoch),
  });
  const keys = h("div");
  f.stage.append(keys);
  const strips = ["a", "b"].map((slot) => {
    const title = h("p", { class: "lbl-strip" });
    f.stage.append(title);
    const drawn = canvas(f.stage, { height: 104, label: "", draw: (c, w) => strip(c, w, s[slot]) });
    return { title, drawn, slot };
  });
  function strip(c, width, name) {
    const run = runs[name], now = at(run, s.k), L = now.p.length, step = (width - 66) / L;
    const largest = Math.max(...run.gradient.flat());
    network(c, width, 26, now, largest, f.stage);
    const most = Math.max(...[s.a, s.b].flatMap((n) => runs[n].flips.slice(1).flat()), 1e-9); // one scale for both runs
    c.fillStyle = color("frozen-line", f.stage);
    now.flips.forEach((share, l) => {
      const tall = share > 0 ? Math.max(1, 20 * Math.sqrt(Math.min(share / most, 1))) : 0;
      c.fillRect(22 + l * step, 23 - tall, Math.max(step - 5, 3), tall);
    });
  }

  function make() {
    time.range(0, end());
    s.k = Math.min(s.k, end());
    time.set(s.k);
    const [a, b] = [runs[s.a], runs[s.b]], x = [...new Set([...a.epoch, ...b.epoch])].sort((p, q) => p - q);
    const on = (run, key) => x.map((epoch) => { const i = run.epoch.indexOf(epoch); return i < 0 ? null : run[key][i]; });
    curves.set([x, on(a, "test"), on(a, "hard"), on(b, "test"), on(b, "hard")]);
    keys.replaceChildren();
    legend(keys, [{ label: s.a, color: look(a.method).color }, { label: `${s.b} (with dots)`, color: look(b.method).color },
      { label: "dashed: with everything hardened now", color: "currentColor", dash: true }]);
    draw();
  }
  function draw() {
    curves.redraw();
    const told = strips.map(({ title, drawn, slot }) => {
      const now = at(runs[s[slot]], s.k), done = now.p.filter((p) => p === 1).length, moved = now.flips.reduce((x, y) => x + y, 0) / now.flips.length;
      title.textContent = `${s[slot]}: bars, signs that flipped since the frame before; boxes, how frozen; arrows, gradient that arrives`;
      drawn.describe(`${s[slot]}, epoch ${now.epoch}: ${done} of ${now.p.length} stages frozen.`);
      drawn.paint();
      return `${s[slot]}: ${now.test.toFixed(0)} %, all hardened ${now.hard.toFixed(0)} %, ${done} of ${now.p.length} stages frozen, ${(100 * moved).toFixed(1)} % of the signs flipped.`;
    });
    f.say(`Epoch ${at(runs[s.a], s.k).epoch}. ${told.join(" ")}`);
    f.data(() => [["run", "epoch", "test accuracy, %", "all hardened, %", "stages frozen"],
      ...["a", "b"].flatMap((slot) => runs[s[slot]].epoch.map((epoch, i) => [s[slot], epoch, runs[s[slot]].test[i], runs[s[slot]].hard[i], runs[s[slot]].p[i].filter((p) => p === 1).length]))]);
    model.set("state", { ...s });
    model.save_changes();
  }
  make();
}
