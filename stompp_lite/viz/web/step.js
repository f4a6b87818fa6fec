// Step explorer (chapter 4): latent weights as dots that drift and flip, and what makes their steps
// large.
import { canvas, color, legend, plot, timeLine } from "./draw.js";
import { controls, frame, need, player, tell } from "./kit.js";
import { generator } from "./method.js";

const N = 120, STEPS = 600; // weights, steps of the film
const SIZE = 1 / 28; // mean size of a latent weight
// At weights of ±1 and rate 0.1 a step is then about 0.3 % of a latent, as measured in chapter 4.
const GRADIENT = 1e-4;

/** Latent weights over time, [STEPS + 1][N]: gradients of fixed size, divided by the size that the
 * network sees, for behind batch norm a gradient is inversely proportional to it. */
export function film({ rate, used, optimizer }) {
  const random = generator(7);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const w = Float64Array.from({ length: N }, () => (2 * random() - 1) * 2 * SIZE);
  const pull = Float64Array.from({ length: N }, normal); // what the loss wants of each, on average
  const seen = { latent: SIZE, one: 1, alpha: SIZE }[used];
  const velocity = new Float64Array(N), square = new Float64Array(N), frames = [w.slice()];
  for (let t = 1; t <= STEPS; t++) {
    for (let i = 0; i < N; i++) {
      const g = (GRADIENT * (0.4 * pull[i] + normal())) / seen;
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

export function render({ model, el }) {
  const { rate, rates } = model.get("data");
  const s = { rate, used: "one", optimizer: "sgd", t: 200 };
  need(rate > 0 && Number.isFinite(rate), `the rate must be positive, got ${rate}`);
  need(rates?.includes(rate), `the rate ${rate} is not among those on offer`);
  const f = frame(el, "Step explorer");
  let frames, flips;
  const { pick, slide, among } = controls(f.controls, s, make);
  pick("used", "binary weights are", [["one", "±1"], ["alpha", "±α, the size of the latents"]]);
  pick("optimizer", "optimizer", [["sgd", "SGD, momentum 0.9"], ["adam", "Adam, rate / 20"]]);
  among("rate", "learning rate", rates);
  const time = slide("t", "time", 0, STEPS, { show: (t) => `step ${t}`, then: draw });
  player(f.controls, time, 8);
  const dots = canvas(f.stage, {
    height: 150,
    label: "Latent weights between −1 and 1",
    draw: paint,
  });
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
  const float = share(film({ rate: 0.1, used: "latent", optimizer: "sgd" }));

  function make() {
    frames = film(s);
    flips = share(frames);
    count.set([frames.map((_, t) => t), flips, float]);
    draw();
  }
  function paint(c, width, height) {
    if (!frames) return;
    const x = (w) => 10 + ((w + 1) / 2) * (width - 20),
      [ink, faint] = [color("ink", f.stage), color("faint", f.stage)];
    c.strokeStyle = faint;
    c.font = "12px system-ui, sans-serif";
    for (const at of [-1, -0.5, 0, 0.5, 1]) {
      c.beginPath();
      c.moveTo(x(at), 4);
      c.lineTo(x(at), height - 22);
      c.stroke();
      c.fillStyle = ink;
      c.textAlign = "center";
      c.fillText(
        String(at).replace("-", "−"),
        Math.min(Math.max(x(at), 10), width - 12),
        height - 6,
      );
    }
    frames[s.t].forEach((w, i) => { // a dot is filled when its sign is not the one it began with
      const flipped = (w >= 0) !== (frames[0][i] >= 0);
      const y = 10 + ((i * 0.618) % 1) * (height - 40);
      c.beginPath();
      if (w >= 0) c.arc(x(w), y, 4, 0, 7);
      else c.rect(x(w) - 3.5, y - 3.5, 7, 7);
      c.strokeStyle = c.fillStyle = color(flipped ? "ste" : "frozen-line", f.stage);
      if (flipped) c.fill();
      else c.stroke();
    });
  }
  function draw() {
    dots.paint();
    count.redraw();
    const k = changed(frames[0], frames[s.t]);
    f.say(
      `A toy, with random gradients. After ${s.t} steps ${k} of ${N} latent weights have another ` +
        "sign than at the start (filled). In the float network it would be " +
        `${Math.round((float[s.t] * N) / 100)}.`,
    );
    f.data(() => [
      ["step", "signs changed, %", "float network, %"],
      ...flips.map((x, t) => [t, x.toFixed(1), float[t].toFixed(1)]).filter(([t]) => t % 25 === 0),
    ]);
    tell(model, { ...s, flipped: k });
  }
  make();
}
