// Layers of the engine, forward and backward, and the sites where tensors become bits.
import { advance, begin, fraction } from "./method.js";

const EPSILON = 1e-5; // of batch norm

// slopes that stand in for that of the sign; none: frozen entries pass nothing
const SURROGATES = {
  none: () => 0,
  identity: () => 1,
  clip: (u) => (Math.abs(u) <= 1 ? 1 : 0),
};

/** A tensor on its way to one bit: p, and a number for each entry, frozen while that is below p. */
export class Site {
  constructor(entries, [rule, surrogate], stage, key) {
    Object.assign(this, {
      rule,
      surrogate,
      stage,
      key,
      p: rule === "ste" ? 1 : 0,
      alpha: 1,
      age: -1,
    });
    this.kept = new Float64Array(entries).fill(1);
    this.slope = SURROGATES[surrogate];
  }
  to(t, plan) { // p and mask of step t
    if (this.rule !== "stompp") return;
    const { windows, T, shape, rule, rho } = plan, turn = plan.turns[this.stage];
    const p = (step) => fraction(step, turn, windows, T, shape), start = begin(turn, windows, T);
    this.p = p(t);
    if (!(this.p > 0 && this.p < 1)) return;
    advance(this.kept, this.key, this.age, t - start, (age) => p(start + age), rule, rho);
    this.age = t - start;
  }
  frozen(i) {
    return this.p === 1 || (this.p > 0 && this.kept[i] < Math.fround(this.p));
  }
  get silent() { // committed, and nothing passes back
    return this.p === 1 && this.surrogate === "none";
  }
  value(u, i) {
    return this.frozen(i) ? (u >= 0 ? this.alpha : -this.alpha) : Math.min(Math.max(u, -1), 1);
  }
  back(u, i) {
    return this.frozen(i) ? this.slope(u) : Math.abs(u) <= 1 ? 1 : 0;
  }
}

/** y = x w^T + b. x [N, I], w [O, I]. */
export class Linear {
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
    for (let n = 0; n < N; n++) {
      for (let o = 0; o < O; o++) {
        let sum = b ? b[o] : 0;
        for (let i = 0, k = o * I, j = n * I; i < I; i++) sum += x[j++] * used[k++];
        y[n * O + o] = sum;
      }
    }
    return y;
  }
  backward(g, N) {
    const { I, O, x, used, gw, gb, site, w } = this, gx = new Float64Array(N * I);
    gw.fill(0);
    gb.fill(0);
    for (let n = 0; n < N; n++) {
      for (let o = 0; o < O; o++) {
        const d = g[n * O + o];
        gb[o] += d;
        for (let i = 0, k = o * I, j = n * I; i < I; i++, k++, j++) {
          gw[k] += d * x[j];
          gx[j] += d * used[k];
        }
      }
    }
    if (site) { for (let i = 0; i < w.length; i++) gw[i] *= site.back(w[i], i); }
    return gx;
  }
}

export class Norm {
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
      for (let n = 0; n < N; n++) {
        gx[n * C + c] = scale * (N * g[n * C + c] - sum - normal[n * C + c] * dot);
      }
    }
    return gx;
  }
}

export class Act {
  constructor(size, site) {
    this.C = size;
    this.site = site;
  }
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
