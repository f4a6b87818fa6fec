// Step explorer (chapter 4): latent weights as dots that drift and flip. The network's weights are
// c times their signs: batch norm divides c out of the logits, and divides the gradient by c.
import { barRows, columns } from "./bars.js";
import { canvas, color, legend, plot, timeLine } from "./draw.js";
import { controls, frame, need, player, tell } from "./kit.js";
import { generator } from "./method.js";

const INPUTS = 12, CLASSES = 10, IMAGES = 16; // of the toy: its weights are one layer
const N = INPUTS * CLASSES, STEPS = 600; // weights, steps of the film
// At c = 1 and rate 0.1 a step is then about 0.3 % of a latent, as measured in chapter 4.
const GRADIENT = 1e-4, MOMENTUM = 10; // gradients that momentum 0.9 adds up

let drawn = null;
/** What is drawn once, and only where the figure is shown: weights in units of their mean size,
 * what the loss wants of each, noise on every gradient, and images. */
function draws() {
  if (drawn) return drawn;
  const random = generator(7), list = (length, one) => Float64Array.from({ length }, one);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  drawn = {
    start: list(N, () => 2 * (2 * random() - 1)),
    pull: list(N, normal),
    noise: list(N * STEPS, normal),
    x: list(IMAGES * INPUTS, normal),
  };
  return drawn;
}

/** Latent weights over time, [STEPS + 1][N]. Gradients have a fixed size, divided by the size `c`
 * of the weights that the network sees. */
export function film({ alpha, rate, c, optimizer }) {
  const { start, pull, noise } = draws(), w = start.map((x) => alpha * x);
  const velocity = new Float64Array(N), square = new Float64Array(N), frames = [w.slice()];
  for (let t = 1; t <= STEPS; t++) {
    for (let i = 0; i < N; i++) {
      const g = (GRADIENT * (0.4 * pull[i] + noise[(t - 1) * N + i])) / c;
      if (optimizer === "sgd") {
        velocity[i] = 0.9 * velocity[i] + g;
        w[i] -= rate * velocity[i];
      } else { // Adam
        velocity[i] = 0.9 * velocity[i] + 0.1 * g;
        square[i] = 0.999 * square[i] + 0.001 * g * g;
        const mean = velocity[i] / (1 - 0.9 ** t), spread = Math.sqrt(square[i] / (1 - 0.999 ** t));
        w[i] -= ((rate / 20) * mean) / (spread + 1e-12);
      }
      w[i] = Math.min(Math.max(w[i], -1), 1);
    }
    frames.push(w.slice());
  }
  return frames;
}

/** A layer with weights c · sign(w): its sums for the first image, and the logits that batch norm
 * makes of them, here without the small constant that guards it from dividing by 0. */
export function layer(w, c) {
  const { x } = draws(), sums = [], logits = [];
  for (let k = 0; k < CLASSES; k++) {
    const z = Array.from({ length: IMAGES }, (_, n) => {
      let sum = 0;
      for (let i = 0; i < INPUTS; i++) {
        sum += c * (w[k * INPUTS + i] >= 0 ? 1 : -1) * x[n * INPUTS + i];
      }
      return sum;
    });
    const mean = z.reduce((a, b) => a + b) / IMAGES;
    const spread = Math.sqrt(z.reduce((a, b) => a + (b - mean) ** 2, 0) / IMAGES);
    sums.push(z[0]);
    logits.push((z[0] - mean) / spread);
  }
  return { sums, logits };
}

const told = (x) => String(Number(x.toPrecision(2)));

export function render({ model, el }) {
  const { rate, rates, alpha = 1 / 28, c: size = 1, sizes = [1, alpha] } = model.get("data");
  need(rate > 0 && Number.isFinite(rate), `the rate must be positive, got ${rate}`);
  need(rates?.includes(rate), `the rate ${rate} is not among those on offer`);
  need(alpha > 0 && alpha < 1, `the size of the latents must lie between 0 and 1, got ${alpha}`);
  need(
    sizes.every((x) => x > 0 && x <= 1) && sizes.includes(size),
    `the size c = ${size} is not among those on offer`,
  );
  const s = { rate, c: sizes.indexOf(size), optimizer: "sgd", t: 200 };
  const c = () => sizes[s.c], inverse = Math.round(1 / alpha);
  const f = frame(el, "Step explorer");
  let frames, flips;
  const name = (k) => (sizes[k] === alpha ? `α = 1/${inverse}` : told(sizes[k]));
  const { pick, slide, among } = controls(f.controls, s, make);
  slide("c", "weights are c · sign: c", 0, sizes.length - 1, { show: name });
  const time = slide("t", "time", 0, STEPS, { show: (t) => `step ${t}`, then: draw });
  player(f.controls, time, 8);
  pick("optimizer", "optimizer", [["sgd", "SGD, momentum 0.9"], ["adam", "Adam, rate / 20"]]);
  among("rate", "learning rate", rates);
  const dots = canvas(f.stage, { height: 150, label: "", draw: paint });
  legend(f.stage, [
    { label: "latent weight with its first sign", tone: "frozen-line", dot: true, hollow: true },
    { label: "with the other sign", tone: "ste", dot: true },
  ]);
  const norm = canvas(f.stage, { height: 132, label: "", draw: paintNorm });
  legend(f.stage, [{ label: "outlined: at c = 1", tone: "ink", square: true, hollow: true }]);
  const bars = barRows(f.stage);
  const count = plot(f.stage, {
    x: { label: "step", whole: true, range: [0, STEPS] },
    y: { label: "signs changed, %", range: [0, 60] },
    height: 170,
    label: "Signs changed since the start",
    series: [
      { label: "these settings", tone: "ste", width: 2.2 },
      { label: "a float network", tone: "float", dash: [5, 4] },
    ],
    over: timeLine(() => s.t),
  });
  const plain = "the same weights, used as they are, SGD, rate 0.1";
  legend(f.stage, [
    { label: "these settings", tone: "ste" },
    { label: plain, tone: "float", dash: [6, 4] },
  ]);

  const changed = (frame0, now) =>
    now.reduce((k, w, i) => k + ((w >= 0) !== (frame0[i] >= 0) ? 1 : 0), 0);
  const share = (film) => film.map((row) => (100 * changed(film[0], row)) / N);
  const float = share(film({ alpha, rate: 0.1, c: alpha, optimizer: "sgd" }));
  const one = layer(draws().start, 1);
  const most = (values) => Math.max(...values.map(Math.abs));

  function make() {
    frames = film({ ...s, alpha, c: c() });
    flips = share(frames);
    count.set([frames.map((_, t) => t), flips, float]);
    draw();
  }
  function paint(g, width, height) {
    if (!frames) return;
    const x = (w) => 10 + ((w + 1) / 2) * (width - 20);
    g.strokeStyle = color("faint", f.stage);
    g.fillStyle = color("ink", f.stage);
    g.font = "12px system-ui, sans-serif";
    for (const at of [-1, -0.5, 0, 0.5, 1]) {
      g.beginPath();
      g.moveTo(x(at), 4);
      g.lineTo(x(at), height - 22);
      g.stroke();
      g.textAlign = "center";
      g.fillText(
        String(at).replace("-", "−"),
        Math.min(Math.max(x(at), 10), width - 12),
        height - 6,
      );
    }
    frames[s.t].forEach((w, i) => { // a dot is filled when its sign is not the one it began with
      const flipped = (w >= 0) !== (frames[0][i] >= 0);
      const y = 10 + ((i * 0.618) % 1) * (height - 40);
      g.beginPath();
      if (w >= 0) g.arc(x(w), y, 4, 0, 7);
      else g.rect(x(w) - 3.5, y - 3.5, 7, 7);
      g.strokeStyle = g.fillStyle = color(flipped ? "ste" : "frozen-line", f.stage);
      if (flipped) g.fill();
      else g.stroke();
    });
  }
  /** Sums before batch norm, which c scales, and behind it the logits, which it does not. */
  function paintNorm(g, width) {
    const { sums, logits } = layer(draws().start, c()), gap = 20, wide = (width - gap) / 2;
    const panels = [
      ["ten sums, before batch norm", sums, one.sums, "float"],
      ["the ten logits behind it", logits, one.logits, "frozen-line"],
    ];
    panels.forEach(([title, values, ghosts, tone], k) => {
      g.fillStyle = color("ink", f.stage);
      g.font = "12px system-ui, sans-serif";
      g.textAlign = "left";
      g.fillText(title, k * (wide + gap), 14);
      columns(g, { x: k * (wide + gap), y: 24, width: wide, height: 100 }, values, {
        most: most(ghosts),
        tone,
        ghosts,
      });
    });
  }
  function draw() {
    dots.paint();
    norm.paint();
    count.redraw();
    const k = changed(frames[0], frames[s.t]);
    const adam = s.optimizer === "adam";
    const stride = adam ? s.rate / 20 : (s.rate * MOMENTUM * GRADIENT) / c();
    bars.set([
      { label: "gradient ÷ c", text: `${told(1 / c())} ×`, value: 1 / c(), tone: "accent" },
    ], inverse);
    const moves = `${told((100 * stride) / alpha)} %`;
    f.say(
      `A toy, with random gradients. ` +
        (c() === 1
          ? "The weights are ±1. "
          : `With c = ${name(s.c)} the logits are the same, and the gradient is ${told(1 / c())} ` +
            `times as large${adam ? ", which Adam divides out again" : ""}. `) +
        `A step can move a latent weight by ${moves} of its size. ` +
        `After ${s.t} steps ${k} of ${N} have another sign than at the start (filled); ` +
        `in the float network it would be ` +
        `${Math.round((float[s.t] * N) / 100)}.`,
    );
    dots.describe(
      `${N} latent weights between −1 and 1 at step ${s.t}, most of them near 0; ${k} are filled.`,
    );
    const [mine, plain] = [flips, float].map((shares) => shares.at(-1).toFixed(0));
    count.describe(
      `Signs changed since the start: ${mine} % after ${STEPS} steps with these settings, ` +
        `${plain} % in a float network.`,
    );
    const { sums, logits } = layer(draws().start, c());
    const list = (v) => v.map((x) => x.toPrecision(3)).join(", ");
    norm.describe(
      `Before the first step, for one image: sums before batch norm ${list(sums)}; logits ` +
        `${list(logits)}.`,
    );
    f.data(() => [
      ["step", "signs changed, %", "float network, %"],
      ...flips.map((x, t) => [t, x.toFixed(1), float[t].toFixed(1)]).filter(([t]) => t % 25 === 0),
    ]);
    tell(model, { ...s, c: c(), flipped: k, gradient: 1 / c(), logits });
  }
  make();
}
