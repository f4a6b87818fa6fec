// Layers of the engine, forward and backward, and the sites where tensors become bits.
import { advance, begin, fraction } from "./method.js";

const EPSILON = 1e-5; // of batch norm

/** A tensor on its way to one bit: p, and a number for each entry, frozen while that is below p.
 * The surrogate is the slope that stands in for that of the sign: "none" passes nothing back from
 * a frozen entry, "identity" 1, "clip" 1 between -1 and 1. */
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
  }
  hold() { // frozen from now on, whatever the plan says
    if (this.rule === "stompp") [this.held, this.p] = [true, 1];
  }
  to(t, plan) { // p and mask of step t; without turns a reader freezes by hand
    if (this.rule !== "stompp" || this.held || !plan.turns) return;
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
  /** Values of a tensor on its way: signs where it is frozen, else clipped. Entry i of `from` is
   * entry i % size of the mask. Plain loops: they take a third of what closures take. */
  values(from, into) {
    const { p, kept, alpha } = this, size = kept.length, limit = Math.fround(p);
    for (let i = 0, k = 0; i < from.length; i++) {
      const u = from[i];
      into[i] = p === 1 || (p > 0 && kept[k] < limit)
        ? (u >= 0 ? alpha : -alpha)
        : u > 1
        ? 1
        : u < -1
        ? -1
        : u;
      if (++k === size) k = 0;
    }
  }
  /** Gradients g behind the tensor, of the values u that went in, are multiplied by the slope. */
  back(g, u) {
    const { p, kept, surrogate } = this, size = kept.length, limit = Math.fround(p);
    const outer = surrogate === "identity" ? 1 : 0, inner = surrogate === "none" ? 0 : 1;
    for (let i = 0, k = 0; i < g.length; i++) {
      const within = u[i] <= 1 && u[i] >= -1;
      if (p === 1 || (p > 0 && kept[k] < limit)) g[i] *= within ? inner : outer;
      else if (!within) g[i] *= 0;
      if (++k === size) k = 0;
    }
  }
}

/** out[r, c], of R rows and C columns, becomes the sum over k of a[r * ra + k * ka] times
 * b[c * cb + k * kb]. Two rows and four columns at a time, which takes 0.6 of the time of one row;
 * at an edge the last ones are computed again. */
function product(out, R, C, K, a, ra, ka, b, cb, kb) {
  for (let c = 0; c < C; c += 4) {
    const c1 = Math.min(c + 1, C - 1), c2 = Math.min(c + 2, C - 1), c3 = Math.min(c + 3, C - 1);
    const b1 = (c1 - c) * cb, b2 = (c2 - c) * cb, b3 = (c3 - c) * cb;
    for (let r = 0; r < R; r += 2) {
      const q = Math.min(r + 1, R - 1);
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
      for (let k = 0, i = r * ra, j = q * ra, m = c * cb; k < K; k++, i += ka, j += ka, m += kb) {
        const u = a[i], v = a[j], w0 = b[m], w1 = b[m + b1], w2 = b[m + b2], w3 = b[m + b3];
        s0 += u * w0;
        s1 += u * w1;
        s2 += u * w2;
        s3 += u * w3;
        t0 += v * w0;
        t1 += v * w1;
        t2 += v * w2;
        t3 += v * w3;
      }
      const y = r * C, z = q * C;
      out[y + c] = s0;
      out[y + c1] = s1;
      out[y + c2] = s2;
      out[y + c3] = s3;
      out[z + c] = t0;
      out[z + c1] = t1;
      out[z + c2] = t2;
      out[z + c3] = t3;
    }
  }
  return out;
}

/** A layer's room for `size` numbers that each pass fills anew: to make it costs as much as to fill
 * it. So what a pass returns holds until the next one. */
function room(layer, name, size) {
  if (layer[name]?.length !== size) layer[name] = new Float64Array(size);
  return layer[name];
}

/** y = x w^T + b. x [N, I], w [O, I]. */
export class Linear {
  constructor(inputs, outputs, init, site = null, bias = null) {
    Object.assign(this, { I: inputs, O: outputs, site });
    this.w = Float64Array.from(init);
    this.b = bias && Float64Array.from(bias);
    this.used = site ? new Float64Array(this.w.length) : this.w;
    this.gw = new Float64Array(this.w.length);
    this.gb = new Float64Array(outputs);
  }
  forward(x, N) {
    const { I, O, w, used, site, b } = this;
    if (site) site.values(w, used);
    this.x = x;
    const y = product(room(this, "y", N * O), N, O, I, x, I, 1, used, I, 1);
    if (b) { for (let k = 0; k < y.length; k++) y[k] += b[k % O]; }
    return y;
  }
  /** Gradients of w and b, unless the weights are committed, and of x. */
  backward(g, N) {
    const { I, O, x, used, gw, gb, site, w, b } = this;
    if (b) {
      gb.fill(0);
      for (let k = 0; k < N * O; k++) gb[k % O] += g[k];
    }
    if (!site?.silent) {
      product(gw, O, I, N, g, 1, O, x, 1, I);
      site?.back(gw, w);
    }
    return product(room(this, "gx", N * I), N, I, O, g, O, 1, used, 1, I);
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
  /** Row by row, as the numbers lie in memory. */
  forward(x, N, training) {
    const { C, gamma, beta } = this,
      y = room(this, "y", N * C),
      normal = room(this, "normal", N * C);
    const mean = new Float64Array(C), inverse = new Float64Array(C);
    if (training) {
      const variance = new Float64Array(C);
      for (let n = 0, k = 0; n < N; n++) for (let c = 0; c < C; c++) mean[c] += x[k++];
      for (let c = 0; c < C; c++) mean[c] /= N;
      for (let n = 0, k = 0; n < N; n++) {
        for (let c = 0; c < C; c++) {
          const d = x[k++] - mean[c];
          variance[c] += d * d;
        }
      }
      for (let c = 0; c < C; c++) {
        this.mean[c] += 0.1 * (mean[c] - this.mean[c]);
        this.variance[c] += 0.1 * (variance[c] / (N - 1) - this.variance[c]);
        inverse[c] = 1 / Math.sqrt(variance[c] / N + EPSILON);
      }
    } else {
      mean.set(this.mean);
      for (let c = 0; c < C; c++) inverse[c] = 1 / Math.sqrt(this.variance[c] + EPSILON);
    }
    for (let n = 0, k = 0; n < N; n++) {
      for (let c = 0; c < C; c++, k++) {
        const v = (normal[k] = (x[k] - mean[c]) * inverse[c]);
        y[k] = gamma[c] * v + beta[c];
      }
    }
    this.inverse = inverse;
    return y;
  }
  backward(g, N) {
    const { C, normal, gamma, inverse, gg, gbeta } = this, gx = room(this, "gx", N * C);
    gg.fill(0);
    gbeta.fill(0);
    for (let n = 0, k = 0; n < N; n++) {
      for (let c = 0; c < C; c++, k++) {
        gbeta[c] += g[k];
        gg[c] += g[k] * normal[k];
      }
    }
    for (let n = 0, k = 0; n < N; n++) {
      for (let c = 0; c < C; c++, k++) {
        const scale = (gamma[c] * inverse[c]) / N;
        gx[k] = scale * (N * g[k] - gbeta[c] - normal[k] * gg[c]);
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
  forward(u) {
    const out = room(this, "y", u.length);
    this.site.values(this.u = u, out);
    return out;
  }
  backward(g) { // also keeps the norm of the gradient that arrives: gradient reach
    let sum = 0;
    for (let i = 0; i < g.length; i++) sum += g[i] * g[i];
    this.arrived = Math.sqrt(sum);
    const out = room(this, "gx", g.length);
    out.set(g);
    this.site.back(out, this.u);
    return out;
  }
}
