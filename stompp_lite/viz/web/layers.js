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
    const { I, O, w, used, site, b } = this, y = new Float64Array(N * O);
    if (site) site.values(w, used);
    else used.set(w);
    this.x = x;
    for (let o = 0; o < O; o += 4) { // four outputs at a time, each sum in its old order
      const k0 = o * I, k1 = Math.min(o + 1, O - 1) * I, k2 = Math.min(o + 2, O - 1) * I;
      const k3 = Math.min(o + 3, O - 1) * I;
      for (let n = 0; n < N; n++) {
        let s0 = b ? b[o] : 0, s1 = b ? b[o + 1] : 0, s2 = b ? b[o + 2] : 0, s3 = b ? b[o + 3] : 0;
        for (let i = 0, j = n * I; i < I; i++) {
          const v = x[j++];
          s0 += v * used[k0 + i];
          s1 += v * used[k1 + i];
          s2 += v * used[k2 + i];
          s3 += v * used[k3 + i];
        }
        const at = n * O + o;
        y[at] = s0;
        if (o + 1 < O) y[at + 1] = s1;
        if (o + 2 < O) y[at + 2] = s2;
        if (o + 3 < O) y[at + 3] = s3;
      }
    }
    return y;
  }
  /** Gradients of w and b, unless the weights are committed, and of x. */
  backward(g, N) {
    const { I, O, x, used, gw, gb, site, w } = this, gx = new Float64Array(N * I);
    gb.fill(0);
    for (let n = 0, k = 0; n < N; n++) for (let o = 0; o < O; o++) gb[o] += g[k++];
    for (let i = 0; i < I; i += 4) {
      const i1 = Math.min(i + 1, I - 1), i2 = Math.min(i + 2, I - 1), i3 = Math.min(i + 3, I - 1);
      for (let n = 0; n < N; n++) {
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (let o = 0, j = n * O, k = 0; o < O; o++, k += I) {
          const d = g[j++];
          s0 += d * used[k + i];
          s1 += d * used[k + i1];
          s2 += d * used[k + i2];
          s3 += d * used[k + i3];
        }
        const at = n * I;
        gx[at + i] = s0;
        gx[at + i1] = i1 > i ? s1 : gx[at + i1];
        gx[at + i2] = i2 > i1 ? s2 : gx[at + i2];
        gx[at + i3] = i3 > i2 ? s3 : gx[at + i3];
      }
      if (site?.silent) continue;
      for (let o = 0; o < O; o++) {
        let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (let n = 0, j = 0, k = o; n < N; n++, j += I, k += O) {
          const d = g[k];
          s0 += d * x[j + i];
          s1 += d * x[j + i1];
          s2 += d * x[j + i2];
          s3 += d * x[j + i3];
        }
        const at = o * I;
        gw[at + i] = s0;
        gw[at + i1] = i1 > i ? s1 : gw[at + i1];
        gw[at + i2] = i2 > i1 ? s2 : gw[at + i2];
        gw[at + i3] = i3 > i2 ? s3 : gw[at + i3];
      }
    }
    if (site && !site.silent) site.back(gw, w);
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
  /** Row by row, as the numbers lie in memory. */
  forward(x, N, training) {
    const { C, gamma, beta } = this, y = new Float64Array(N * C), normal = new Float64Array(N * C);
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
    Object.assign(this, { normal, inverse });
    return y;
  }
  backward(g, N) {
    const { C, normal, gamma, inverse, gg, gbeta } = this, gx = new Float64Array(N * C);
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
    const out = new Float64Array(u.length);
    this.site.values(this.u = u, out);
    return out;
  }
  backward(g) { // also keeps the norm of the gradient that arrives: gradient reach
    let sum = 0;
    for (let i = 0; i < g.length; i++) sum += g[i] * g[i];
    this.arrived = Math.sqrt(sum);
    const out = Float64Array.from(g);
    this.site.back(out, this.u);
    return out;
  }
}
