// The playground: train a small binary network here, live.
import { canvas, color, legend, look, plot, word } from "./draw.js";
import { button, choice, frame, h, need, tell } from "./kit.js";
import { blend, key, row, strip } from "./strip.js";

const METHODS = ["float", "ste", "stompp", "stompp+ste", "local"];
const OF_GRADIENTS = ["order", "shape", "rho", "blocks", "scale", "optimizer", "rate"];
const OF_SIGNALS = ["layers", "groups", "robustness", "reinforcement"];
const KEPT = [[1, 3], [8, 2], [3, 3], [10, 3, 2, 3]]; // dashes of earlier runs, whose curves stay
const SIGNALS =
  "Each block is a layer: the signs of its first 16 weights, with a bar: −1. There is no " +
  "arrow, since no gradient exists and no error crosses layers. In place of the loss stands the " +
  "share of samples that ask to learn.";

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
  const { sets, presets, orders, shapes } = model.get("data");
  need(sets && Object.keys(sets).length > 0, "there are no data to train on");
  need(Array.isArray(presets) && presets.length > 0, "there are no settings to start from");
  const data = Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, unpack(set)]));
  const f = frame(el, "Playground");
  const s = { ...presets[0].settings };
  let stop = () => {}, worker, now = null, losses = [], kept = [], asks = 1;
  let curve = { epoch: [], test: [], hard: [] };

  const first = h("div", { class: "lbl-controls" }), boxes = {};
  f.controls.before(first);
  const from = choice(first, {
    label: "start from",
    options: [...presets.map((p, k) => [k, p.name]), ["", "settings of your own"]],
    value: 0,
    on: (k) => {
      Object.assign(s, presets[k]?.settings);
      for (const [key, box] of Object.entries(boxes)) box.set(String(s[key]));
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
  const note = h("p", { class: "lbl-note" });
  first.after(note);

  function pick(key, label, options, read = Number) {
    const on = (value) => {
      s[key] = read(value);
      start();
    };
    boxes[key] = choice(f.controls, { label, options, value: String(s[key]), on });
  }
  pick("set", "data", Object.entries(data).map(([name, set]) => [name, set.label]), String);
  pick("method", "method", METHODS.map((m) => [m, word(m)]), String);
  pick("order", "order", Object.keys(orders).map((o) => [o, word(o, "order")]), String);
  pick("shape", "shape", Object.keys(shapes), String);
  pick("rho", "refresh ρ", [0, 0.01, 0.1, 1]);
  pick("blocks", "blocks (two binary layers each)", [1, 2, 4, 6, 8, 10, 12]);
  pick("layers", "hidden layers", [1, 2, 3, 5, 10]);
  pick("width", "width", [8, 16, 32, 128]);
  pick("groups", "groups of neurons in a layer", [1, 2, 4, 8]);
  pick("robustness", "robustness", [0, 0.25, 0.5, 1]);
  pick("reinforcement", "reinforcement", [0, 0.5, 1]);
  pick("scale", "binary weights", [["false", "±1"], ["true", "±α"]], (v) => v === "true");
  pick("optimizer", "optimizer", [["sgd", "SGD, momentum 0.9"], ["adam", "Adam"]], String);
  pick("rate", "learning rate", [0.003, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4]);
  pick("epochs", "epochs", [10, 20, 40, 60, 100]);
  pick("seed", "seed", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

  const both = h("div", { class: "lbl-pair" }), left = h("div"), right = h("div");
  both.append(left, right);
  f.stage.append(both);
  const picture = canvas(left, {
    height: (w) => Math.min(w, 300),
    label: "What the network answers",
    draw: paint,
  });
  const accuracy = plot(right, {
    x: { label: "epoch", whole: true, range: () => [0, s.epochs] },
    y: { label: "test accuracy, %", range: [0, 101] },
    height: 190,
    label: "Test accuracy",
    series: [
      { label: "as trained", tone: () => tint(s), width: 2.4 },
      { label: "hard", tone: () => tint(s), dash: [6, 4], width: 1.6 },
      ...KEPT.map((dash, k) => ({ dash, tone: () => kept[k]?.tone ?? "line", width: 1.6 })),
    ],
  });
  const lossPlot = plot(right, {
    x: { label: "step", whole: true, range: () => [0, Math.max(now?.steps ?? 1, 1)] },
    y: { label: "training loss" },
    height: 130,
    label: "Training loss",
    series: [{ label: "loss", tone: () => tint(s), width: 1.4 }],
  });
  const keys = h("div");
  right.append(keys);
  const stages = canvas(f.stage, {
    height: 150,
    label: "The stages of the network",
    draw: paintStrip,
  });
  const drawn = key(f.stage, {
    share: true,
    gradient: "the largest so far",
    deaf: true,
    cells: ["below, 16 weights of each layer: free", "frozen"],
    signs: true,
  });
  const signals = h("p", {}, SIGNALS);
  f.stage.append(signals);
  const tint = ({ method, order }) =>
    method === "local"
      ? "accent"
      : look(method === "stompp" && order in LOOKS ? order : method).tone;
  const title = (q) =>
    q.method === "local" ? `local signals, ${q.layers} × ${q.width}, seed ${q.seed}` : [
      word(q.method),
      q.method.startsWith("stompp") ? q.order : "",
      q.scale ? "±α" : "",
      `${q.optimizer === "adam" ? "Adam " : ""}${q.rate}`,
      `${q.blocks} blocks`,
      `seed ${q.seed}`,
    ].filter(Boolean).join(", ");

  function start() {
    if (curve.epoch.length > 2) {
      kept = [{ ...curve, tone: tint(curve.settings), name: title(curve.settings) }, ...kept]
        .slice(0, KEPT.length);
    }
    kept = kept.filter((k) => k.settings.set === s.set); // curves of other data would mislead
    stop();
    const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
    const mine = worker = new Worker(url);
    stop = () => {
      mine.terminate();
      URL.revokeObjectURL(url);
    };
    worker.onmessage = ({ data: m }) => {
      URL.revokeObjectURL(url); // what it was for has been loaded
      heard(m);
    };
    worker.onerror = (e) => f.say(`The training stopped: ${e.message}`);
    losses = [];
    now = null;
    curve = { epoch: [], test: [], hard: [], settings: { ...s } };
    go.textContent = "Train";
    // what is recorded are several seeds
    const same = ({ settings: q }) => Object.keys(s).every((k) => k === "seed" || s[k] === q[k]);
    const k = presets.findIndex(same);
    from.set(k < 0 ? "" : k);
    note.textContent = presets[k]?.note ?? "";
    const local = s.method === "local";
    for (const key of OF_GRADIENTS) boxes[key].select.parentElement.hidden = local;
    for (const key of OF_SIGNALS) boxes[key].select.parentElement.hidden = !local;
    drawn.hidden = local;
    signals.hidden = !local;
    const turns = orders[s.order][2 * s.blocks], settings = { ...s, turns, grows: shapes[s.shape] };
    worker.postMessage({ do: "start", data: data[s.set], settings: { ...settings, batch: 32 } });
  }
  function heard(m) {
    now = { ...now, ...m, largest: Math.max(now?.largest ?? 0, ...m.gradient) };
    if (m.loss.length) asks = m.loss.at(-1);
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
    const none = x.map(() => null);
    accuracy.set(
      x.length > 1
        ? [
          x,
          on(curve, "test"),
          on(curve, "hard"),
          ...KEPT.map((_, k) => kept[k] ? on(kept[k], "hard") : none),
        ]
        : [[0, 1], ...[0, 0, ...KEPT].map(() => [null, null])],
    );
    keys.replaceChildren();
    legend(keys, [
      { label: "as trained", tone: tint(s) },
      ...(s.method === "local"
        ? []
        : [{ label: "everything hardened now", tone: tint(s), dash: [6, 4] }]),
      ...kept.map(({ name, hard, tone }, k) => (
        { label: `${name}: ${hard.at(-1).toFixed(0)} %`, tone, dash: KEPT[k] }
      )),
    ]);
  }
  function draw() {
    if (!now) return;
    picture.paint();
    stages.paint();
    const every = Math.max(1, Math.ceil(losses.length / 500));
    const thin = losses.filter((_, i) => i % every === 0);
    lossPlot.set(thin.length > 1 ? [thin.map((_, i) => i * every), thin] : [[0, 1], [null, null]]);
    curves();
    const broken = losses.length && !Number.isFinite(losses.at(-1));
    if (broken) go.textContent = "Train";
    const pace = now.going ? `, ${now.speed.toFixed(0)} a second` : now.done ? ", finished" : "";
    const [test, hard] = [curve.test.at(-1), curve.hard.at(-1)];
    const local = s.method === "local", layers = now.signs.length;
    const done = `${now.p.filter((p) => p === 1).length} of ${now.p.length} stages`;
    f.say(
      broken
        ? "The loss is no number any more: this rate is too large here."
        : `Step ${now.t} of ${now.steps}${pace}. Test accuracy ${test.toFixed(1)} %` + (local
          ? `, and of the last batch's samples ${(100 * asks).toFixed(0)} % asked to learn.`
          : `, with everything hardened now ${hard.toFixed(1)} %. ${done} are frozen.`),
    );
    picture.describe(
      data[s.set].inputs === 2
        ? "What the network answers in the plane, with the training points."
        : "True digit against the network's answer, for the test images.",
    );
    stages.describe(
      local
        ? `Signs of 16 weights in each of ${layers} layers. No gradient arrives anywhere.`
        : `${done} frozen, with the gradient that arrives at each.`,
    );
    f.data(() => [
      ["epoch", "test accuracy, %", "hardened, %"],
      ...curve.epoch.map((e, i) => [e, curve.test[i], curve.hard[i]].map((x) => x.toFixed(1))),
    ]);
    tell(model, { ...s, t: now.t, test, hard, done: now.done, speed: now.speed });
  }
  function paint(c, width, height) {
    if (!now) return;
    const set = data[s.set], side = Math.min(width, height);
    if (now.field) {
      const G = 36,
        a = side / G,
        [zero, one, middle] = ["ste", "stompp", "ground"].map((n) => color(n, f.stage));
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
          r === q ? color("frozen", f.stage) : color("reverse", f.stage),
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
    const { p: share, gradient, largest, signs, masks } = now, L = share.length;
    const marked = signs.map((of, k) =>
      of.map((x, i) => ({ frozen: Boolean(masks[k][i]), up: x > 0 }))
    );
    if (s.method === "local") { // signs, and no arrow: nothing is passed from layer to layer
      const wide = 4, last = { top: 20, tall: 96, wide, left: 4, right: 4 };
      const of = row(Math.min(width, 120 * signs.length), signs.length, last);
      strip(c, f.stage, { ...of, box: Math.min(of.box, 96) }, { cells: marked });
      return;
    }
    const deaf = share.map((p, l) => largest > 0 && p < 1 && gradient[l] === 0);
    const g = row(width, L, { top: 6 });
    strip(c, f.stage, g, { share, gradient, largest, deaf });
    const wide = g.box < 20 ? 2 : 4, a = Math.min(2 * wide + 4, g.box / wide);
    const below = { top: 84, tall: (16 / wide) * a, wide };
    strip(c, f.stage, { ...row(width, L, below), box: wide * a }, {
      cells: [[], ...marked],
    });
  }
  start();
  curves();
  return () => stop();
}
