// A residual network of dense layers, trained in the browser: the package's residual_mlp, rule for rule.
// Float64 throughout. tests/book/test_browser.py trains it beside the package and compares every number.
//
//   x [N, I] -> linear -> norm -> act -> blocks: act(norm(linear(act(norm(linear(a))))) + a) -> linear
//
// Stage 0 is the first act; a block has two stages, each a linear layer with the act that follows.
import { turns, fraction, begin, refresh, generator } from "./method.js";

const EPSILON = 1e-5; // of batch norm

const SURROGATES = { // slopes that stand in for that of the sign; none: frozen entries pass nothing
  none: () => 0, identity: () => 1, clip: (u) => (Math.abs(u) <= 1 ? 1 : 0),
};
/** Method -> [rule, surrogate] of the weights, and of the activations. */
export const METHODS = {
  float: [["float", "none"], ["float", "none"]],
  ste: [["ste", "identity"], ["ste", "clip"]],
  stompp: [["stompp", "none"], ["stompp", "none"]],
  "stompp+ste": [["stompp", "identity"], ["stompp", "clip"]],
};

/** A tensor on its way to one bit: p, and a number for each entry, which is frozen while it is below p. */
class Site {
  constructor(entries, [rule, surrogate], stage, key) {
    Object.assign(this, { rule, surrogate, stage, key, p: rule === "ste" ? 1 : 0, alpha: 1, age: -1 });
    this.kept = new Float64Array(entries).fill(1);
    this.slope = SURROGATES[surrogate];
  }
  to(t, plan) { // p and mask of step t
    if (this.rule !== "stompp") return;
    const turn = plan.turns[this.stage];
    this.p = fraction(t, turn, plan.windows, plan.T, plan.shape);
    const start = begin(turn, plan.windows, plan.T);
    if (this.p > 0 && this.p < 1)
      while (this.age < t - start) {
        this.age++;
        refresh(this.kept, this.key, this.age, fraction(start + this.age, turn, plan.windows, plan.T, plan.shape), plan.rule, plan.rho);
      }
  }
  frozen(i) { return this.p === 1 || (this.p > 0 && this.kept[i] < Math.fround(this.p)); }
  get silent() { return this.p === 1 && this.surrogate === "none"; } // committed, and nothing passes back
  value(u, i) { return this.frozen(i) ? (u >= 0 ? this.alpha : -this.alpha) : Math.min(Math.max(u, -1), 1); }
  back(u, i) { return this.frozen(i) ? this.slope(u) : Math.abs(u) <= 1 ? 1 : 0; }
}

/** y = x w^T + b. x [N, I], w [O, I]. */
class Linear {
  constructor(inputs, outputs, init, site = null, bias = null) {
    Object.assign(this, { I: inputs, O: outputs, site });
    this.w = Float64Array.from(init);
    this.b = bias && Float64Array.from(bias);
    this.used = new Float64Array(this.w.length);
    this.gw = new Float64Array(this.w.length);
    this.gb = new Float64Array(outputs);
  }
  forward(x, N) {
    const { I, O, w, used, site, b } = this;
    for (let i = 0; i < w.length; i++) used[i] = site ? site.value(w[i], i) : w[i];
    this.x = x;
    const y = new Float64Array(N * O);
    for (let n = 0; n < N; n++)
      for (let o = 0; o < O; o++) {
        let sum = b ? b[o] : 0;
        for (let i = 0, k = o * I, j = n * I; i < I; i++) sum += x[j++] * used[k++];
        y[n * O + o] = sum;
      }
    return y;
  }
  backward(g, N) {
    const { I, O, x, used, gw, gb, site, w } = this, gx = new Float64Array(N * I);
    gw.fill(0);
    gb.fill(0);
    for (let n = 0; n < N; n++)
      for (let o = 0; o < O; o++) {
        const d = g[n * O + o];
        gb[o] += d;
        for (let i = 0, k = o * I, j = n * I; i < I; i++, k++, j++) {
          gw[k] += d * x[j];
          gx[j] += d * used[k];
        }
      }
    if (site) for (let i = 0; i < w.length; i++) gw[i] *= site.back(w[i], i);
    return gx;
  }
}

class Norm {
  constructor(size) {
    this.C = size;
    this.gamma = new Float64Array(size).fill(1);
    this.beta = new Float64Array(size);
    this.mean = new Float64Array(size);
    this.variance = new Float64Array(size).fill(1);
    this.gg = new Float64Array(size);
    this.gbeta = new Float64Array(size);
  }
  forward(x, N, training) {
    const { C } = this, y = new Float64Array(N * C);
    this.normal = new Float64Array(N * C);
    this.inverse = new Float64Array(C);
    for (let c = 0; c < C; c++) {
      let mean = this.mean[c], variance = this.variance[c];
      if (training) {
        mean = 0;
        for (let n = 0; n < N; n++) mean += x[n * C + c];
        mean /= N;
        variance = 0;
        for (let n = 0; n < N; n++) variance += (x[n * C + c] - mean) ** 2;
        this.mean[c] += 0.1 * (mean - this.mean[c]);
        this.variance[c] += 0.1 * (variance / (N - 1) - this.variance[c]);
        variance /= N;
      }
      const inverse = (this.inverse[c] = 1 / Math.sqrt(variance + EPSILON));
      for (let n = 0; n < N; n++) {
        const v = (this.normal[n * C + c] = (x[n * C + c] - mean) * inverse);
        y[n * C + c] = this.gamma[c] * v + this.beta[c];
      }
    }
    return y;
  }
  backward(g, N) {
    const { C, normal, gamma, inverse } = this, gx = new Float64Array(N * C);
    for (let c = 0; c < C; c++) {
      let sum = 0, dot = 0;
      for (let n = 0; n < N; n++) {
        sum += g[n * C + c];
        dot += g[n * C + c] * normal[n * C + c];
      }
      this.gbeta[c] = sum;
      this.gg[c] = dot;
      const scale = (gamma[c] * inverse[c]) / N;
      for (let n = 0; n < N; n++) gx[n * C + c] = scale * (N * g[n * C + c] - sum - normal[n * C + c] * dot);
    }
    return gx;
  }
}

class Act {
  constructor(size, site) { this.C = size; this.site = site; }
  forward(u, N) {
    const { C, site } = this;
    this.u = u;
    return Float64Array.from(u, (v, k) => site.value(v, k % C));
  }
  backward(g, N) { // also keeps the norm of the gradient that arrives: gradient reach
    const { C, site, u } = this;
    this.arrived = Math.sqrt(g.reduce((s, d) => s + d * d, 0));
    return g.map((d, k) => d * site.back(u[k], k % C));
  }
}

/** The network. `init`: {stem, blocks: [[w1, w2], ...], head, bias}; keys: {name: [high, low]} of the masks. */
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
    if (scale) for (const l of this.binary) l.site.alpha = l.w.reduce((s, v) => s + Math.abs(v), 0) / l.w.length;
  }
  /** Move every p and mask to step t of a plan {turns, windows, T, shape, rule, rho}. */
  setStep(t, plan) { for (const s of this.sites) s.to(t, plan); }

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
    const moved = [], take = (l) => { moved.push([l.w, l.gw]); if (l.b) moved.push([l.b, l.gb]); };
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
    const held = this.binary.filter((l) => l.site.surrogate === "none" && l.site.p > 0).map((l) => [l, Float64Array.from(l.w)]);
    optimizer.step(moved);
    for (const [l, old] of held) for (let i = 0; i < old.length; i++) if (l.site.frozen(i)) l.w[i] = old[i];
    for (const l of this.binary) for (let i = 0; i < l.w.length; i++) l.w[i] = Math.min(Math.max(l.w[i], -1), 1);
    return value;
  }
  /** Share of x [N, I] that is classified correctly, in percent. With `hard`: everything hardened now. */
  accuracy(x, y, N, hard = false) {
    const kept = this.sites.map((s) => s.p);
    if (hard) for (const s of this.sites) if (s.rule === "stompp") s.p = 1;
    const logits = this.forward(x, N, false), C = this.classes;
    this.sites.forEach((s, k) => { s.p = kept[k]; });
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
  constructor(name, rate) { Object.assign(this, { name, rate, state: new Map() }); }
  step(moved) {
    for (const [w, g] of moved) {
      let s = this.state.get(w);
      if (!s) this.state.set(w, (s = { t: 0, m: new Float64Array(w.length), v: new Float64Array(w.length) }));
      s.t++;
      if (this.name === "sgd")
        for (let i = 0; i < w.length; i++) w[i] -= this.rate * (s.m[i] = (s.t === 1 ? 0 : 0.9 * s.m[i]) + g[i]);
      else {
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

// ---- a run from a seed ---------------------------------------------------------------------------
/** A shuffled copy of 0 ... count - 1. */
export function shuffled(count, random) {
  const out = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** A whole run: {data: {x, y, inputs, classes, train}, settings}; step() returns the loss. */
export class Run {
  constructor(data, s) {
    const random = generator((s.seed * 2654435761 + 1) | 0), width = s.width, L = 2 * s.blocks + 1;
    const weights = (inputs, outputs) => Float64Array.from({ length: inputs * outputs }, () => (2 * random() - 1) / Math.sqrt(inputs)); // torch's default
    const key = () => [Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)], keys = {};
    const init = { stem: weights(data.inputs, width), blocks: Array.from({ length: s.blocks }, () => [weights(width, width), weights(width, width)]),
      head: weights(width, data.classes), bias: Float64Array.from({ length: data.classes }, () => (2 * random() - 1) / Math.sqrt(width)) };
    for (let l = 0; l < L; l++) Object.assign(keys, { [`act${l}`]: key(), [`w${l}`]: key() });
    this.net = new Network({ ...data, width, blocks: s.blocks, method: s.method, scale: s.scale, init, keys });
    this.perEpoch = Math.ceil(data.train / s.batch);
    this.steps = this.perEpoch * s.epochs;
    const taken = turns(s.order, L, s.order === "random" ? shuffled(L, random) : null), windows = Math.max(...taken) + 1;
    const T = Math.max(this.steps - Math.round(0.1 * this.steps), windows);
    this.plan = { turns: taken, windows, T, shape: s.shape, rule: "threshold", rho: s.rho };
    Object.assign(this, { data, s, random, t: 0, optimizer: new Optimizer(s.optimizer, s.rate) });
  }
  get done() { return this.t >= this.steps; }
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
