// A residual network of dense layers, trained in the browser: the package's residual_mlp, rule for
// rule, in float64. tests/book/test_browser.py trains it beside the package and compares numbers.
//
//   x [N, I] -> linear -> norm -> act -> blocks -> linear
//   a block of a: act(norm(linear(act(norm(linear(a))))) + a)
//
// Stage 0 is the first act; a block has two stages, each a linear layer with the act that follows.
import { Act, Linear, Norm, Site } from "./layers.js";
import { generator, shapeOf } from "./method.js";

/** Method -> [rule, surrogate] of the weights, and of the activations. */
export const METHODS = {
  float: [["float", "none"], ["float", "none"]],
  ste: [["ste", "identity"], ["ste", "clip"]],
  stompp: [["stompp", "none"], ["stompp", "none"]],
  "stompp+ste": [["stompp", "identity"], ["stompp", "clip"]],
};

/** The network. `init`: {stem, blocks: [[w1, w2], ...], head, bias}; `keys`: {name: [high, low]} of
 * the masks. */
export class Network {
  constructor({ inputs, classes, width, blocks, method, scale, init, keys }) {
    const [weights, acts] = METHODS[method];
    const site = (entries, rule, stage, name) => (new Site(entries, rule, stage, keys[name]));
    Object.assign(this, { inputs, classes, width, L: 2 * blocks + 1 });
    this.stem = new Linear(inputs, width, init.stem);
    this.norm0 = new Norm(width);
    this.act0 = new Act(width, site(width, acts, 0, "act0"));
    this.blocks = init.blocks.map(([w1, w2], b) => ({
      lin1: new Linear(width, width, w1, site(w1.length, weights, 2 * b + 1, `w${2 * b + 1}`)),
      norm1: new Norm(width),
      act1: new Act(width, site(width, acts, 2 * b + 1, `act${2 * b + 1}`)),
      lin2: new Linear(width, width, w2, site(w2.length, weights, 2 * b + 2, `w${2 * b + 2}`)),
      norm2: new Norm(width),
      act2: new Act(width, site(width, acts, 2 * b + 2, `act${2 * b + 2}`)),
    }));
    this.head = new Linear(width, classes, init.head, null, init.bias);
    this.acts = [this.act0, ...this.blocks.flatMap((k) => [k.act1, k.act2])];
    this.binary = this.blocks.flatMap((k) => [k.lin1, k.lin2]);
    this.sites = [...this.acts.map((a) => a.site), ...this.binary.map((l) => l.site)];
    if (scale) {
      for (const l of this.binary) {
        l.site.alpha = l.w.reduce((s, v) => s + Math.abs(v), 0) / l.w.length;
      }
    }
  }
  /** Move every p and mask to step t of a plan {turns, windows, T, shape, rule, rho}. */
  setStep(t, plan) {
    for (const s of this.sites) s.to(t, plan);
  }

  forward(x, N, training) {
    let a = this.act0.forward(this.norm0.forward(this.stem.forward(x, N), N, training), N);
    for (const k of this.blocks) {
      const short = a;
      a = k.act1.forward(k.norm1.forward(k.lin1.forward(a, N), N, training), N);
      const y = k.norm2.forward(k.lin2.forward(a, N), N, training);
      for (let i = 0; i < y.length; i++) y[i] += short[i];
      a = k.act2.forward(y, N);
    }
    return this.head.forward(a, N);
  }
  /** Mean cross entropy of logits [N, C] and its gradient. */
  loss(logits, y, N) {
    const C = this.classes, g = new Float64Array(N * C);
    let total = 0;
    for (let n = 0; n < N; n++) {
      let top = -Infinity, sum = 0;
      for (let c = 0; c < C; c++) top = Math.max(top, logits[n * C + c]);
      for (let c = 0; c < C; c++) sum += g[n * C + c] = Math.exp(logits[n * C + c] - top);
      total += Math.log(sum) + top - logits[n * C + y[n]];
      for (let c = 0; c < C; c++) g[n * C + c] = (g[n * C + c] / sum - (c === y[n] ? 1 : 0)) / N;
    }
    return { value: total / N, gradient: g };
  }
  /** Gradients of all that hears the loss; returns the [parameter, gradient] pairs to move. */
  backward(g, N) {
    const moved = [],
      take = (l) => {
        moved.push([l.w, l.gw]);
        if (l.b) moved.push([l.b, l.gb]);
      };
    const norm = (n) => moved.push([n.gamma, n.gg], [n.beta, n.gbeta]);
    for (const a of this.acts) a.arrived = 0;
    g = this.head.backward(g, N);
    take(this.head);
    for (const k of [...this.blocks].reverse()) {
      g = k.act2.backward(g, N);
      if (k.act2.site.silent) return moved; // nothing before it hears anything
      let d = k.norm2.backward(g, N);
      norm(k.norm2);
      d = k.lin2.backward(d, N);
      if (!k.lin2.site.silent) take(k.lin2);
      d = k.act1.backward(d, N);
      if (!k.act1.site.silent) {
        d = k.norm1.backward(d, N);
        norm(k.norm1);
        d = k.lin1.backward(d, N);
        if (!k.lin1.site.silent) take(k.lin1);
        for (let i = 0; i < g.length; i++) g[i] += d[i];
      }
    }
    g = this.act0.backward(g, N);
    if (this.act0.site.silent) return moved;
    g = this.norm0.backward(g, N);
    norm(this.norm0);
    this.stem.backward(g, N);
    take(this.stem);
    return moved;
  }
  /** One training step at the present masks; the loss. */
  train(x, y, N, optimizer) {
    const { value, gradient } = this.loss(this.forward(x, N, true), y, N);
    const moved = this.backward(gradient, N);
    const held = this.binary.filter((l) => l.site.surrogate === "none" && l.site.p > 0).map((
      l,
    ) => [l, l.w.slice()]);
    optimizer.step(moved);
    for (const [l, old] of held) {
      for (let i = 0; i < old.length; i++) if (l.site.frozen(i)) l.w[i] = old[i];
    }
    for (const { w } of this.binary) {
      for (let i = 0; i < w.length; i++) {
        if (w[i] > 1) w[i] = 1;
        else if (w[i] < -1) w[i] = -1;
      }
    }
    return value;
  }
  /** Share of x [N, I] that is classified correctly, in percent; `hard`: all hardened. */
  accuracy(x, y, N, hard = false) {
    const kept = this.sites.map((s) => s.p);
    if (hard) { for (const s of this.sites) if (s.rule === "stompp") s.p = 1; }
    const logits = this.forward(x, N, false), C = this.classes;
    this.sites.forEach((s, k) => {
      s.p = kept[k];
    });
    let right = 0;
    for (let n = 0; n < N; n++) right += this.top(logits, n * C) === y[n] ? 1 : 0;
    return (100 * right) / N;
  }
  top(logits, at) {
    let best = 0;
    for (let c = 1; c < this.classes; c++) if (logits[at + c] > logits[at + best]) best = c;
    return best;
  }
}

/** SGD with momentum 0.9, or Adam, as torch computes them. */
export class Optimizer {
  constructor(name, rate) {
    Object.assign(this, { name, rate, state: new Map() });
  }
  step(moved) {
    for (const [w, g] of moved) {
      let s = this.state.get(w);
      if (!s) {
        this.state.set(
          w,
          s = { t: 0, m: new Float64Array(w.length), v: new Float64Array(w.length) },
        );
      }
      s.t++;
      if (this.name === "sgd") {
        const { m } = s, { rate } = this, keep = s.t === 1 ? 0 : 0.9;
        for (let i = 0; i < w.length; i++) w[i] -= rate * (m[i] = keep * m[i] + g[i]);
      } else {
        const c1 = 1 - 0.9 ** s.t, c2 = Math.sqrt(1 - 0.999 ** s.t);
        for (let i = 0; i < w.length; i++) {
          s.m[i] += 0.1 * (g[i] - s.m[i]);
          s.v[i] = 0.999 * s.v[i] + 0.001 * g[i] * g[i];
          w[i] -= ((this.rate / c1) * s.m[i]) / (Math.sqrt(s.v[i]) / c2 + 1e-8);
        }
      }
    }
  }
}

// ---- a run from a seed --------------------------------------------------------------------------
/** A shuffled copy of 0 ... count - 1. */
export function shuffled(count, random) {
  const out = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** A whole run: {data: {x, y, inputs, classes, train}, settings}; step() returns the loss. Initial
 * weights are torch's default. */
export class Run {
  constructor(data, s) {
    const random = generator((s.seed * 2654435761 + 1) | 0), width = s.width, L = 2 * s.blocks + 1;
    const weights = (inputs, outputs) =>
      Float64Array.from({ length: inputs * outputs }, () => (2 * random() - 1) / Math.sqrt(inputs));
    const key = () => [Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)], keys = {};
    const init = {
      stem: weights(data.inputs, width),
      blocks: Array.from(
        { length: s.blocks },
        () => [weights(width, width), weights(width, width)],
      ),
      head: weights(width, data.classes),
      bias: Float64Array.from(
        { length: data.classes },
        () => (2 * random() - 1) / Math.sqrt(width),
      ),
    };
    for (let l = 0; l < L; l++) Object.assign(keys, { [`act${l}`]: key(), [`w${l}`]: key() });
    this.net = new Network({
      ...data,
      width,
      blocks: s.blocks,
      method: s.method,
      scale: s.scale,
      init,
      keys,
    });
    this.perEpoch = Math.ceil(data.train / s.batch);
    this.steps = this.perEpoch * s.epochs;
    const taken = s.order === "random" ? shuffled(L, random) : s.turns ?? null; // null: by hand
    const windows = taken ? Math.max(...taken) + 1 : 1;
    const T = Math.max(this.steps - Math.round(0.1 * this.steps), windows);
    const shape = shapeOf(s.shape, s.grows);
    this.plan = { turns: taken, windows, T, shape, rule: "threshold", rho: s.rho };
    Object.assign(this, { data, s, random, t: 0, optimizer: new Optimizer(s.optimizer, s.rate) });
  }
  get done() {
    return this.t >= this.steps;
  }
  /** The network's logits [N, classes] of inputs [N, I]. */
  logits(x, N) {
    return this.net.forward(x, N, false);
  }
  /** Freeze a stage now. */
  freeze(stage) {
    for (const site of this.net.sites) if (site.stage === stage) site.hold();
  }
  /** Whether anything would still be hardened. */
  get mixed() {
    return this.net.sites.some((site) => site.rule === "stompp" && site.p < 1);
  }
  /** What each stage makes of inputs [N, I], and the logits. */
  seen(x, N) {
    const logits = this.logits(x, N);
    const made = this.net.acts.map(({ u, site }) => {
      const out = new Float32Array(u.length);
      site.values(u, out);
      return out;
    });
    return { logits, made };
  }
  /** Entries of a stage's binary weights, at most so many, as bits: 1 for +1, and 2 for frozen. The
   * first stage has none; of its activations 2 says which are frozen. */
  bits(stage, most = Infinity) {
    const layer = this.net.binary[stage - 1], site = (layer ?? this.net.acts[0]).site;
    const out = new Uint8Array(Math.min(most, site.kept.length));
    for (let i = 0; i < out.length; i++) {
      out[i] = (layer?.w[i] >= 0 ? 1 : 0) + (site.frozen(i) ? 2 : 0);
    }
    return out;
  }
  /** A stage's matrix of signs, [rows, columns] of bits; null where it has none. */
  matrix(stage) {
    const layer = this.net.binary[stage - 1];
    return layer ? { rows: layer.O, columns: layer.I, bits: this.bits(stage) } : null;
  }
  /** What the page draws of each stage: p, gradient, and some of its entries. */
  state() {
    const { acts } = this.net;
    return {
      p: acts.map((a) => a.site.p),
      gradient: acts.map((a) => a.arrived ?? 0),
      cells: acts.map((_, stage) => this.bits(stage, 64)),
    };
  }
  step() {
    const { data, s } = this, at = this.t % this.perEpoch, I = data.inputs;
    if (at === 0) this.order = shuffled(data.train, this.random);
    const chosen = this.order.slice(at * s.batch, (at + 1) * s.batch), N = chosen.length;
    const x = new Float64Array(N * I), y = new Int32Array(N);
    chosen.forEach((k, n) => {
      y[n] = data.y[k];
      for (let i = 0; i < I; i++) x[n * I + i] = data.x[k * I + i];
    });
    this.net.setStep(this.t++, this.plan);
    return this.net.train(x, y, N, this.optimizer);
  }
}
