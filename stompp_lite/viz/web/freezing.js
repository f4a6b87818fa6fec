// A network turns into single bits, layer by layer (the landing page): a recorded run, replayed.
import { canvas, color } from "./draw.js";
import { button, frame, h, need, numbers, player, signBits, slider, tell } from "./kit.js";

const ROWS = 16; // weights of a layer that are drawn

/** When an entry has its turn within its layer's window: a fixed number in [0, 1). */
function place(layer, i) {
  const x = Math.sin(12.9898 * (layer + 1) + 78.233 * (i + 1)) * 43758.5453;
  return x - Math.floor(x);
}

export function render({ model, el }) {
  const { runs } = model.get("data");
  need(Array.isArray(runs) && runs.length > 0, "there is no run to show");
  for (const r of runs) {
    numbers(r.epoch, `the epochs of ${r.name}`, 0);
    for (const key of ["test", "hard", "p", "signs"]) {
      need(r[key]?.length === r.epoch.length, `${r.name} has no ${key} for each epoch`);
    }
  }
  const f = frame(el, "A network turns into single bits");
  const s = { run: 0, t: 0 };
  const end = () => runs[s.run].epoch.length;

  const orders = h("div", {
    class: "lbl-orders",
    role: "group",
    "aria-label": "which layers freeze first",
  }, h("span", {}, "Freeze"));
  f.controls.append(orders);
  const switches = runs.map((r, k) =>
    button(orders, r.name, () => {
      s.run = k;
      draw();
    }, { "aria-pressed": "false" })
  );
  const time = slider(f.controls, {
    label: "training",
    min: 0,
    max: end(),
    step: 0.05,
    value: 0,
    show: (t) =>
      `${Math.round((t / end()) * runs[s.run].epoch.at(-1))} of ${runs[s.run].epoch.at(-1)} epochs`,
    on: (t) => {
      s.t = t;
      draw();
    },
  });
  const play = player(f.controls, time, 9);
  const drawn = canvas(f.stage, { height: (w) => tile(w).b * ROWS + 26, label: "", draw: paint });
  const tall = () => h("div", { class: "lbl-number" }, h("strong"), h("span"));
  const counts = [tall(), tall(), tall()];
  f.stage.append(h("div", { class: "lbl-numbers" }, ...counts));

  /** The run at time t. What is frozen of a layer grows between two frames on a straight line. */
  function now() {
    const r = runs[s.run],
      k = Math.floor(s.t),
      before = r.p[k - 1] ?? r.p[0].map(() => 0),
      after = r.p[Math.min(k, end() - 1)];
    const shown = Math.max(Math.min(Math.round(s.t), end()) - 1, 0);
    return {
      p: before.map((p, l) => p + (s.t - k) * (after[l] - p)),
      signs: r.signs[shown],
      test: s.t < 0.5 ? null : r.test[shown],
      hard: s.t < 0.5 ? null : r.hard[shown],
    };
  }
  function tile(width) { // a cell's width and height
    const a = Math.max(3, Math.min(30, (width - 4) / runs[s.run].p[0].length));
    return { a, b: Math.max(5, Math.min(13, a)) };
  }
  function paint(c, width) {
    const { p, signs } = now(),
      { a, b } = tile(width),
      [free, frozen, line, ink] = ["free", "frozen", "line", "ink"].map((n) => color(n, f.stage));
    const left = (width - a * p.length) / 2;
    p.forEach((share, l) => {
      const found = signBits(signs[l]);
      for (let i = 0; i < ROWS; i++) {
        const x = left + l * a, y = 2 + i * b, hard = place(l, i) < share;
        if (hard) {
          c.fillStyle = found[i] ? frozen : free;
          c.fillRect(x + 1, y + 1, a - 2, b - 2);
          c.strokeStyle = frozen;
          c.lineWidth = 1;
          c.strokeRect(x + 1.5, y + 1.5, a - 3, b - 3);
        } else {
          c.fillStyle = found[i] ? line : free; // darker where it leans to +1
          c.globalAlpha = found[i] ? 0.55 : 1;
          c.beginPath();
          c.arc(x + a / 2, y + b / 2, Math.max(Math.min(a, b) * 0.36, 1), 0, 7);
          c.fill();
          c.globalAlpha = 1;
        }
      }
    });
    c.fillStyle = ink;
    c.font = "13px system-ui, sans-serif";
    c.fillText("picture in", left, ROWS * b + 20);
    c.textAlign = "right";
    c.fillText("answer out", left + a * p.length, ROWS * b + 20);
    c.textAlign = "left";
  }
  function draw() {
    const { p, test, hard } = now(), done = p.filter((x) => x > 0.999).length, r = runs[s.run];
    switches.forEach((node, k) => node.setAttribute("aria-pressed", String(k === s.run)));
    const texts = [[`${done} of ${p.length}`, "layers are single bits"], [
      test === null ? "–" : `${test.toFixed(0)} %`,
      "of unseen digits read right",
    ], [hard === null ? "–" : `${hard.toFixed(0)} %`, "if all of it became bits now"]];
    counts.forEach((node, k) => {
      [node.firstChild.textContent, node.lastChild.textContent] = texts[k];
    });
    drawn.paint();
    const told = `Freezing ${r.name}: ${done} of ${p.length} layers are single bits${
      test === null ? "." : `; it reads ${test.toFixed(0)} % of the test digits right.`
    }`;
    drawn.describe(
      `${ROWS} weights of each layer, input at the left: dots are real numbers, squares single ` +
        `bits, dark +1 and light −1. ${told}`,
    );
    f.say(
      s.t >= end()
        ? `Done: a network of single bits that reads ${
          r.test.at(-1).toFixed(0)
        } % of the test digits right. Now try another order.`
        : told,
    );
    f.data(
      () => [
        ["freezing", "epoch", "right as it is, %", "right if all became bits, %", "layers frozen"],
        ...runs.flatMap((q) =>
          q.epoch.map((epoch, i) => [
            q.name,
            epoch,
            q.test[i],
            q.hard[i],
            q.p[i].filter((x) => x === 1).length,
          ])
        ),
      ],
    );
    tell(model, { ...s });
  }
  draw();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) { // plays once, when it is seen
    const seen = new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting && s.t === 0) {
        seen.disconnect();
        play.click();
      }
    }, { threshold: 0.5 });
    seen.observe(drawn.node);
  }
}
