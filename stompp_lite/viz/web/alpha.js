// Alpha calculator (chapter 13): how large are the weights of a convolution before anybody trains,
// and by how much would a scale lengthen STE's step there?
import { color, legend, plot, timeLine } from "./draw.js";
import { controls, frame, h, need, numbers, tell } from "./kit.js";

/** How first weights are drawn: the number of weights that counts, and from it their spread and
 * their mean size alpha. */
export const STARTS = {
  "fan-out": {
    label: "normal, fan-out (torchvision's ResNets)",
    short: "normal",
    counts: "output",
    spread: (n) => Math.sqrt(2 / n),
    share: Math.sqrt(2 / Math.PI), // E|z| of a normal z of standard deviation 1
    told: ["standard deviation √(2/n)", "√(2/π)", "√(πn) / 2"],
  },
  "uniform": {
    label: "uniform, fan-in (torch's default)",
    short: "uniform",
    counts: "input",
    spread: (n) => 1 / Math.sqrt(n),
    share: 0.5, // E|z| of a z that is uniform between −1 and 1
    told: ["bound 1/√n", "½", "2√n"],
  },
};

/** Mean size of the first weights of a square convolution: {n, spread, alpha}. */
export function alpha(kernel, inputs, outputs, start) {
  const { counts, spread, share } = STARTS[start];
  const n = kernel ** 2 * (counts === "output" ? outputs : inputs);
  return { n, spread: spread(n), alpha: spread(n) * share };
}

const short = (x) => x.toFixed(x < 0.01 ? 4 : 3), whole = (x) => x.toFixed(x < 9.95 ? 1 : 0);
const sorted = (list) => [...new Set(list)].toSorted((a, b) => a - b);

export function render({ model, el }) {
  const { networks } = model.get("data"), names = Object.keys(networks ?? {});
  need(names.length > 0, "there is no network to show");
  for (const name of names) {
    const layers = networks[name];
    need(layers?.length > 0, `${name} has no binary layers`);
    for (const key of ["kernel", "inputs", "outputs", "alpha"]) {
      const least = key === "alpha" ? Number.MIN_VALUE : 1;
      numbers(layers.map((layer) => layer[key]), `${key} of ${name}`, least);
      need(layers.every((layer) => layer[key] !== null), `${key} of ${name} is missing`);
    }
    numbers(layers.map((layer) => layer.measured ?? null), `what was measured in ${name}`, 0);
  }
  const f = frame(el, "Alpha calculator"), all = Object.values(networks).flat();
  const s = { name: names[0], layer: 0, start: "fan-out" };
  const layers = () => networks[s.name];
  const has = (key, more) => sorted([...all.map((layer) => layer[key]), ...more]);
  const powers = [16, 32, 64, 128, 256, 512, 1024, 2048];
  const sizes = { kernel: has("kernel", [1, 3, 5, 7]) };
  for (const key of ["inputs", "outputs"]) sizes[key] = has(key, powers);
  const { pick, slide } = controls(f.controls, s, draw);
  if (names.length > 1) pick("name", "network", names, () => take(0));
  const layer = slide("layer", "binary layer", 0, 1, { then: () => take(s.layer) });
  const square = (k) => [k, `${k} × ${k}`];
  const picks = {
    kernel: pick("kernel", "kernel", sizes.kernel.map(square)),
    inputs: pick("inputs", "input channels", sizes.inputs),
    outputs: pick("outputs", "output channels", sizes.outputs),
    start: pick("start", "first weights", Object.entries(STARTS).map(([k, v]) => [k, v.label])),
  };
  const sums = h("p", { class: "lbl-sum" });
  f.stage.append(sums);
  const chart = plot(f.stage, {
    x: {
      label: "binary layer (input at the left)",
      whole: true,
      range: () => [-0.7, layers().length - 0.3],
    },
    y: { label: "1/α", whole: true, range: (_, __, high) => [0, 1.1 * Math.max(high, 10)] },
    height: 240,
    label: "One over alpha of every binary layer",
    series: [
      { label: "drawn", tone: "ste", width: 0, points: 6 },
      { label: "calculator", tone: "accent", width: 2 },
    ],
    over: (u, c, d) => {
      if (same()) timeLine(() => s.layer, 1)(u, c, d);
      c.strokeStyle = color("ink", u.root);
      c.lineWidth = 1.4 * d;
      layers().forEach(({ measured }, k) => {
        if (measured == null) return;
        c.beginPath();
        c.arc(u.valToPos(k, "x", true), u.valToPos(measured, "y", true), 5.5 * d, 0, 2 * Math.PI);
        c.stroke();
      });
    },
  });
  legend(f.stage, [
    { label: "1/α of the weights as they were drawn", tone: "ste", dot: true },
    ...(all.some((one) => one.measured != null)
      ? [{ label: "measured: step with a scale / without", tone: "ink", dot: true, hollow: true }]
      : []),
    { label: "the calculator's 1/α", tone: "accent" },
  ]);

  const keys = ["kernel", "inputs", "outputs"];
  const same = () =>
    s.start === "fan-out" && keys.every((key) => Number(s[key]) === layers()[s.layer][key]);

  /** Let the calculator ask about a layer of the network. */
  function take(k) {
    const { kernel, inputs, outputs } = layers()[k];
    Object.assign(s, { layer: k, kernel, inputs, outputs, start: "fan-out" });
    layer.range(0, layers().length - 1);
    layer.set(k);
    for (const [key, one] of Object.entries(picks)) one.set(s[key]);
    draw();
  }
  function draw() {
    const [kernel, inputs, outputs] = keys.map((key) => Number(s[key]));
    const { counts, told, label, short: drawn } = STARTS[s.start];
    const found = alpha(kernel, inputs, outputs, s.start), longer = 1 / found.alpha;
    const channels = counts === "output" ? outputs : inputs;
    sums.replaceChildren(
      `n = ${kernel}² · ${channels} ${counts} channels = ${found.n},  ` +
        `${told[0]} = ${short(found.spread)}`,
      h("br"),
      `α = ${told[1]} · ${short(found.spread)} = ${short(found.alpha)},  ` +
        `1/α = ${told[2]} = ${whole(longer)}`,
    );
    const x = layers().map((_, k) => k);
    chart.set([x, layers().map((one) => 1 / one.alpha), x.map(() => longer)]);
    const here = layers()[s.layer];
    const seen = here.measured == null ? "" : `, and a measured step ${whole(here.measured)} times`;
    const there = same()
      ? ` This is layer ${s.layer} of ${s.name}, ${here.name}: its drawn weights have 1/α = ` +
        `${whole(1 / here.alpha)}${seen}.`
      : "";
    const what = `A ${kernel} × ${kernel} convolution from ${inputs} to ${outputs} channels, ` +
      `${drawn} first weights: α = ${short(found.alpha)}. A scale makes STE's step ` +
      `${whole(longer)} times as long.`;
    f.say(what + there);
    const over = layers().map((one) => 1 / one.alpha);
    chart.describe(
      `One over alpha of ${over.length} binary layers of ${s.name}, from ` +
        `${whole(Math.min(...over))} to ${whole(Math.max(...over))}. ${what}`,
    );
    f.data(() => [
      [
        "layer",
        "name",
        "kernel",
        "input channels",
        "output channels",
        "1/α",
        "formula",
        "measured",
      ],
      ...layers().map((one, k) => [
        k,
        one.name,
        `${one.kernel} × ${one.kernel}`,
        one.inputs,
        one.outputs,
        (1 / one.alpha).toFixed(1),
        (1 / alpha(one.kernel, one.inputs, one.outputs, "fan-out").alpha).toFixed(1),
        one.measured?.toFixed(1),
      ]),
    ]);
    tell(model, {
      network: s.name,
      kernel,
      inputs,
      outputs,
      start: label,
      alpha: found.alpha,
    });
  }
  take(0);
}
