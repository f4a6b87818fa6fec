// The playground: train a small binary network here, live.
import { canvas, color, legend, look, plot } from "./draw.js";
import { button, choice, frame, h, need, tell } from "./kit.js";
import { blend, network } from "./network.js";

const METHODS = ["float", "ste", "stompp", "stompp+ste"];
const KEPT = 4; // earlier runs whose curves stay

function unpack(set) { // digits come as letters, points as numbers
  const x = typeof set.x === "string"
    ? Float64Array.from(set.x, (c) => (c.charCodeAt(0) - 97) / 8 - 1)
    : Float64Array.from(set.x);
  const y = typeof set.y === "string" ? Int32Array.from(set.y, Number) : Int32Array.from(set.y);
  need(
    x.length === y.length * set.inputs && set.train > 0 && set.train < y.length,
    "the data are incomplete",
  );
  return { ...set, x, y };
}

export function render({ model, el }) {
  const { sets, presets } = model.get("data");
  need(sets && Object.keys(sets).length > 0, "there are no data to train on");
  need(Array.isArray(presets) && presets.length > 0, "there are no settings to start from");
  const data = Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, unpack(set)]));
  const f = frame(el, "Playground");
  const s = { ...presets[0].settings };
  let worker = null,
    now = null,
    losses = [],
    curve = { epoch: [], test: [], hard: [] },
    kept = [],
    names = {};

  const first = h("div", { class: "lbl-controls" });
  f.controls.before(first);
  choice(first, {
    label: "start from",
    options: presets.map((p, k) => [k, p.name]),
    value: 0,
    on: (k) => {
      Object.assign(s, presets[k].settings);
      for (const key of Object.keys(names)) names[key].set(shown(key));
      note.textContent = presets[k].note;
      start();
    },
  });
  const go = button(first, "Train", () => {
    if (now?.done) start();
    worker.postMessage({ do: go.textContent === "Pause" ? "pause" : "go" });
    go.textContent = go.textContent === "Pause" ? "Train" : "Pause";
  }, { class: "lbl-go" });
  button(first, "One step", () => worker.postMessage({ do: "step" }));
  button(first, "Start over", () => start());
  button(first, "Forget earlier runs", () => {
    kept = [];
    curves();
  });
  const note = h("p", { class: "lbl-note" }, presets[0].note);
  first.after(note);

  const BLOCKS = [1, 2, 4, 6, 8, 10, 12],
    RATES = [0.003, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4],
    RHO = [0, 0.01, 0.1, 1],
    EPOCHS = [10, 20, 40, 60, 100];
  function pick(key, label, options, number = false) {
    names[key] = choice(f.controls, {
      label,
      options,
      value: shown(key),
      on: (v) => {
        s[key] = number ? Number(v) : key === "scale" ? v === "true" : v;
        start();
      },
    });
  }
  function shown(key) {
    return String(s[key]);
  }
  pick("set", "data", Object.entries(data).map(([name, set]) => [name, set.label]));
  pick("method", "method", METHODS.map((m) => [m, look(m).label]));
  pick("order", "order", ["forward", "reverse", "random", "global", "forward-2", "forward-5"]);
  pick("shape", "shape", ["cubic", "quadratic", "linear", "cosine", "flipped-quadratic"]);
  pick("rho", "refresh ρ", RHO, true);
  pick("blocks", "blocks (two binary layers each)", BLOCKS, true);
  pick("width", "width", [8, 16, 32], true);
  pick("scale", "binary weights", [["false", "±1"], ["true", "±α"]]);
  pick("optimizer", "optimizer", [["sgd", "SGD, momentum 0.9"], ["adam", "Adam"]]);
  pick("rate", "learning rate", RATES, true);
  pick("epochs", "epochs", EPOCHS, true);
  pick("seed", "seed", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], true);

  const both = h("div", { class: "lbl-pair" }), left = h("div"), right = h("div");
  both.append(left, right);
  f.stage.append(both);
  const picture = canvas(left, {
    height: (w) => Math.min(w, 300),
    label: "What the network answers",
    draw: paint,
  });
  const accuracy = plot(right, {
    x: { label: "epoch", range: () => [0, s.epochs] },
    y: { label: "test accuracy, %", range: [0, 101] },
    height: 190,
    label: "Test accuracy",
    series: [
      { label: "as trained", color: () => tint(s), width: 2.4 },
      { label: "hard", color: () => tint(s), dash: [6, 4], width: 1.6 },
      ...Array.from({ length: KEPT }, (_, k) => ({
        label: `run ${k}`,
        color: () => kept[k]?.color ?? "#888",
        width: 1.2,
      })),
    ],
  });
  const lossPlot = plot(right, {
    x: { label: "step", range: () => [0, Math.max(now?.steps ?? 1, 1)] },
    y: { label: "training loss" },
    height: 130,
    label: "Training loss",
    series: [{ label: "loss", color: () => tint(s), width: 1.4 }],
  });
  const keys = h("div");
  right.append(keys);
  const strip = canvas(f.stage, {
    height: 150,
    label: "The stages of the network",
    draw: paintStrip,
  });
  legend(f.stage, [
    { label: "free", color: "var(--lbl-free)", square: true },
    { label: "frozen", color: "var(--lbl-frozen)", square: true },
    { label: "gradient that arrives", color: "var(--lbl-accent)" },
    {
      label: "below: 16 weights of each layer, filled where frozen; circle +, square −",
      color: "var(--lbl-frozen-line)",
    },
  ]);
  const tint = (
    settings,
  ) => (settings.method === "stompp" && ["reverse", "global"].includes(settings.order)
    ? look(settings.order).color
    : look(settings.method).color);
  const title = (q) =>
    `${look(q.method).label}${q.method.startsWith("stompp") ? `, ${q.order}` : ""}${
      q.scale ? ", ±α" : ""
    }, ${q.optimizer === "adam" ? "Adam " : ""}${q.rate}, ${q.blocks} blocks, seed ${q.seed}`;

  function start() {
    if (curve.epoch.length > 2) {
      kept = [{ ...curve, color: tint(curve.settings), name: title(curve.settings) }, ...kept]
        .slice(0, KEPT);
    }
    kept = kept.filter((k) => k.settings.set === s.set); // curves of other data would mislead
    worker?.terminate();
    worker = new Worker(URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" })));
    worker.onmessage = ({ data: m }) => heard(m);
    worker.onerror = (e) => f.say(`The training stopped: ${e.message}`);
    losses = [];
    now = null;
    curve = { epoch: [], test: [], hard: [], settings: { ...s } };
    go.textContent = "Train";
    worker.postMessage({ do: "start", data: data[s.set], settings: { ...s, batch: 32 } });
  }
  function heard(m) {
    now = { ...now, ...m, largest: Math.max(now?.largest ?? 0, ...m.gradient) };
    for (const loss of m.loss) {
      losses.push(losses.length ? 0.9 * losses[losses.length - 1] + 0.1 * loss : loss);
    }
    if (m.test !== undefined) {
      curve.epoch.push(m.t / m.perEpoch);
      curve.test.push(m.test);
      curve.hard.push(m.hard);
    }
    if (m.done) go.textContent = "Train again";
    requestAnimationFrame(draw);
  }
  function curves() {
    const x = [...new Set([curve, ...kept].flatMap((c) => c.epoch))].sort((a, b) => a - b);
    const on = (c, key) => {
      const map = new Map(c?.epoch.map((e, i) => [e, c[key][i]]));
      return x.map((e) => map.get(e) ?? null);
    };
    accuracy.set(
      x.length > 1
        ? [
          x,
          on(curve, "test"),
          on(curve, "hard"),
          ...Array.from(
            { length: KEPT },
            (_, k) => (kept[k] ? on(kept[k], "hard") : x.map(() => null)),
          ),
        ]
        : [[0, 1], [null, null], [null, null], ...Array.from({ length: KEPT }, () => [null, null])],
    );
    keys.replaceChildren();
    legend(keys, [
      { label: "as trained", color: tint(s) },
      { label: "everything hardened now", color: tint(s), dash: true },
      ...kept.map((k) => ({
        label: `${k.name}: ${k.hard[k.hard.length - 1].toFixed(0)} %`,
        color: k.color,
      })),
    ]);
  }
  function draw() {
    if (!now) return;
    picture.paint();
    strip.paint();
    const every = Math.max(1, Math.ceil(losses.length / 500)),
      thin = losses.filter((_, i) => i % every === 0);
    lossPlot.set(thin.length > 1 ? [thin.map((_, i) => i * every), thin] : [[0, 1], [null, null]]);
    curves();
    const last = curve.test.length - 1, done = now.p.filter((p) => p === 1).length;
    const broken = losses.length && !Number.isFinite(losses[losses.length - 1]);
    if (broken) go.textContent = "Train";
    f.say(
      broken
        ? "The loss is no number any more: this rate is too large here."
        : `Step ${now.t} of ${now.steps}${
          now.going ? `, ${now.speed.toFixed(0)} a second` : now.done ? ", finished" : ""
        }. Test accuracy ${curve.test[last].toFixed(1)} %, with everything hardened now ${
          curve.hard[last].toFixed(1)
        } %. ${done} of ${now.p.length} stages are frozen.`,
    );
    picture.describe(
      data[s.set].inputs === 2
        ? "What the network answers in the plane, with the training points."
        : "True digit against the network's answer, for the test images.",
    );
    strip.describe(
      `${done} of ${now.p.length} stages frozen, with the gradient that arrives at each.`,
    );
    f.data(
      () => [
        ["epoch", "test accuracy, %", "hardened, %"],
        ...curve.epoch.map((
          e,
          i,
        ) => [e.toFixed(1), curve.test[i].toFixed(1), curve.hard[i].toFixed(1)]),
      ],
    );
    tell(model, {
      ...s,
      t: now.t,
      test: curve.test[last],
      hard: curve.hard[last],
      done: now.done,
      speed: now.speed,
    });
  }
  function paint(c, width, height) {
    if (!now) return;
    const set = data[s.set], side = Math.min(width, height);
    if (now.field) {
      const G = 36,
        a = side / G,
        [zero, one, middle] = [look("ste").color, look("stompp").color, color("ground", f.stage)];
      now.field.forEach((v, k) => {
        c.fillStyle = blend(middle, v > 0 ? one : zero, 0.75 * Math.abs(v));
        c.fillRect((k % G) * a, Math.floor(k / G) * a, a + 0.5, a + 0.5);
      });
      for (let n = 0; n < set.train; n++) {
        const X = ((set.x[2 * n] + 1.15) / 2.3) * side,
          Y = ((1.15 - set.x[2 * n + 1]) / 2.3) * side;
        c.fillStyle = set.y[n] ? one : zero;
        c.strokeStyle = color("ground", f.stage);
        c.beginPath();
        if (set.y[n]) c.arc(X, Y, 3, 0, 7);
        else c.rect(X - 2.5, Y - 2.5, 5, 5);
        c.fill();
        c.stroke();
      }
    } else if (now.confusion) {
      const C = set.classes, pad = 26, a = (side - pad) / C, most = Math.max(...now.confusion);
      c.font = "12px system-ui, sans-serif";
      c.textAlign = "center";
      for (let k = 0; k < C * C; k++) {
        const [r, q] = [Math.floor(k / C), k % C];
        c.fillStyle = blend(
          color("free", f.stage),
          r === q ? color("frozen", f.stage) : look("reverse").color,
          Math.sqrt(now.confusion[k] / most),
        );
        c.fillRect(pad + q * a, r * a, a - 1, a - 1);
      }
      c.fillStyle = color("ink", f.stage);
      for (let k = 0; k < C; k++) {
        c.fillText(String(k), pad / 2 + 4, k * a + a / 2 + 4);
        c.fillText(String(k), pad + k * a + a / 2, side - pad + 16);
      }
    }
  }
  function paintStrip(c, width) {
    if (!now) return;
    network(c, width, 6, now, now.largest, f.stage);
    const L = now.p.length, step = (width - 66) / L, a = Math.max(2, Math.min(8, (step - 3) / 4));
    now.signs.forEach((signs, k) =>
      signs.forEach((sign, i) => {
        const x = 22 + (k + 1) * step + (i % 4) * a + a / 2,
          y = 84 + Math.floor(i / 4) * (a + 2) + a / 2,
          r = 0.38 * a;
        c.fillStyle = c.strokeStyle = color("frozen-line", f.stage);
        c.beginPath();
        if (sign > 0) c.arc(x, y, r, 0, 7);
        else c.rect(x - r, y - r, 2 * r, 2 * r);
        if (now.masks[k][i]) c.fill();
        else c.stroke();
      })
    );
  }
  start();
  curves();
  return () => worker?.terminate();
}
