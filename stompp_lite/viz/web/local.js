// Local binary signals: a network of hidden integers and signs that learns without a gradient. Rule
// for rule stompp_lite/local/slow.py, in whole numbers. tests/book/test_playground_local.py trains
// it beside the package, and every hidden integer is the same.
import { shuffled } from "./engine.js";
import { generator, quarters } from "./method.js";

const DRAWS = 65536, SPREAD = 64, MOST = 2147483647;
const sign = (v) => (v >= 0 ? 1 : -1);

/** Inputs cut into signs: +1 above a cut, else -1. x: [N, I]; cuts: a list of cuts an input. */
export function asSigns(x, N, cuts) {
  const I = cuts.length, wide = cuts.reduce((sum, list) => sum + list.length, 0);
  const out = new Int8Array(N * wide);
  for (let n = 0, k = 0; n < N; n++) {
    for (let i = 0; i < I; i++) for (const cut of cuts[i]) out[k++] = x[n * I + i] > cut ? 1 : -1;
  }
  return out;
}

/** Sums of products of signs: x [N, n] and weights [K, n] to [N, K]. */
function products(x, weights, N, n, K) {
  const z = new Int32Array(N * K);
  for (let b = 0; b < N; b++) {
    for (let k = 0; k < K; k++) {
      let sum = 0;
      for (let i = 0, p = b * n, q = k * n; i < n; i++) sum += x[p++] * weights[q++];
      z[b * K + k] = sum;
    }
  }
  return z;
}

/** The network. hidden: integers [width, inputs] of each layer; readouts: signs [classes, width] of
 * each layer's classifier, which never change; keys: [high, low] of each layer's reinforcement. */
export class LocalNet {
  constructor(
    { inputs, width, classes, group, robustness, reinforcement, hidden, readouts, keys },
  ) {
    Object.assign(this, { width, classes, group, reinforcement, readouts, keys });
    this.margin = Math.floor(robustness * width);
    this.layers = hidden.map((h, l) => ({
      n: l ? width : inputs,
      hidden: Int32Array.from(h),
      weights: Int8Array.from(h, sign),
    }));
  }
  /** Of each layer its inputs, its sums, and its signs. x: signs [N, inputs]. */
  forward(x, N) {
    return this.layers.map(({ n, weights }) => {
      const z = products(x, weights, N, n, this.width);
      return { x, z, out: x = Int8Array.from(z, sign) };
    });
  }
  /** How much a layer's signs agree with the pattern of each class: [N, classes]. */
  scores(signs, N, l) {
    return products(signs, this.readouts[l], N, this.width, this.classes);
  }
  /** Scores of the last layer. */
  answers(x, N) {
    return this.scores(this.forward(x, N).at(-1).out, N, this.layers.length - 1);
  }
  top(scored, at) { // of classes that tie, the one with the lower number
    let best = 0;
    for (let c = 1; c < this.classes; c++) if (scored[at + c] > scored[at + best]) best = c;
    return best;
  }
  /** Which samples a layer learns from, and how many it gets right. */
  ask(scored, y, N) {
    const C = this.classes, asked = new Uint8Array(N);
    let hits = 0;
    for (let b = 0; b < N; b++) {
      let other = -MOST;
      for (let c = 0; c < C; c++) if (c !== y[b]) other = Math.max(other, scored[b * C + c]);
      const right = this.top(scored, b * C) === y[b];
      hits += right ? 1 : 0;
      asked[b] = !right || scored[b * C + y[b]] - other < this.margin ? 1 : 0;
    }
    return { asked, hits };
  }
  /** In each group the wrong neuron nearest to its turning point moves: 2 d x to its integers. */
  learn({ n, hidden }, { x, z }, readout, y, asked, N) {
    const K = this.width;
    for (let b = 0; b < N; b++) {
      if (!asked[b]) continue;
      for (let first = 0; first < K; first += this.group) {
        let chosen = -1, nearest = MOST;
        for (let k = first; k < first + this.group; k++) {
          const v = z[b * K + k], d = readout[y[b] * K + k];
          if (sign(v) !== d && Math.abs(v) < nearest) [chosen, nearest] = [k, Math.abs(v)];
        }
        if (chosen < 0) continue;
        const d = 2 * readout[y[b] * K + chosen];
        for (let i = 0, p = b * n, q = chosen * n; i < n; i++) hidden[q++] += d * x[p++];
      }
    }
  }
  /** Push hidden integers 2 away from zero where a draw is below the chance. */
  reinforce({ n, hidden }, key, step, accuracy) {
    const p = this.reinforcement * Math.sqrt(1 - accuracy) * Math.sqrt(2 / (Math.PI * n));
    const chance = Math.floor(DRAWS * p), draws = quarters(key, step, hidden.length);
    for (let i = 0; i < hidden.length; i++) if (draws[i] < chance) hidden[i] += 2 * sign(hidden[i]);
  }
  /** Learn from a batch. accuracy: of the epoch before, from 0 to 1. Returns how many were right
   * before, and how many asked the last layer to learn. */
  learnBatch(x, y, N, step, accuracy) {
    const passed = this.forward(x, N);
    let last;
    passed.forEach((made, l) => {
      last = this.ask(this.scores(made.out, N, l), y, N);
      this.learn(this.layers[l], made, this.readouts[l], y, last.asked, N);
    });
    this.layers.forEach((layer, l) => {
      this.reinforce(layer, this.keys[l], step, accuracy);
      layer.hidden.forEach((v, i) => {
        layer.weights[i] = sign(v);
      });
    });
    return [last.hits, last.asked.reduce((sum, v) => sum + v, 0)];
  }
}

// ---- a run from a seed --------------------------------------------------------------------------
/** A whole run, as the engine's: step() returns the share of samples that asked to learn. */
export class LocalRun {
  constructor(data, s) {
    const random = generator((s.seed * 2654435761 + 1) | 0), { width, layers } = s;
    const normal = () =>
      // Box and Muller
      Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const inputs = data.cuts.reduce((sum, list) => sum + list.length, 0), C = data.classes;
    const each = (make) => Array.from({ length: layers }, (_, l) => make(l ? width : inputs));
    const hidden = each((n) =>
      Int32Array.from({ length: n * width }, () => Math.round(SPREAD * normal()))
    );
    const readouts = each(() =>
      Int8Array.from({ length: C * width }, () => (random() < 0.5 ? 1 : -1))
    );
    const keys = each(() => [Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32)]);
    this.net = new LocalNet({
      ...s,
      inputs,
      classes: C,
      hidden,
      readouts,
      keys,
      group: width / s.groups,
    });
    this.perEpoch = Math.ceil(data.train / s.batch);
    this.steps = this.perEpoch * s.epochs;
    this.accuracy = 1 / C; // before the first epoch: what guessing gives
    this.signs = asSigns(data.x, data.y.length, data.cuts);
    Object.assign(this, { data, s, random, inputs, t: 0, hits: 0, asked: 0 });
  }
  get done() {
    return this.t >= this.steps;
  }
  step() {
    const { data, s, inputs: I } = this, at = this.t % this.perEpoch;
    if (at === 0) this.order = shuffled(data.train, this.random);
    const chosen = this.order.slice(at * s.batch, (at + 1) * s.batch), N = chosen.length;
    const x = new Int8Array(N * I);
    chosen.forEach((k, n) => x.set(this.signs.subarray(k * I, (k + 1) * I), n * I));
    const y = chosen.map((k) => data.y[k]);
    const [hits, asked] = this.net.learnBatch(x, y, N, this.t++, this.accuracy);
    this.hits += hits;
    this.asked += N;
    if (this.t % this.perEpoch === 0) {
      this.accuracy = this.hits / this.asked;
      this.hits = this.asked = 0;
    }
    return asked / N;
  }
  /** Scores of real inputs [N, I], as numbers of the size of logits. */
  logits(x, N) {
    return this.seen(x, N).logits;
  }
  /** The same, with the signs that each layer makes of the inputs. */
  seen(x, N) {
    const made = this.net.forward(asSigns(x, N, this.data.cuts), N).map(({ out }) => out);
    const scored = this.net.scores(made.at(-1), N, made.length - 1);
    return { logits: Float64Array.from(scored, (v) => (6 * v) / this.s.width), made };
  }
  get mixed() { // a network of signs is as hard as it will be
    return false;
  }
  bits(layer, most = Infinity) {
    return Uint8Array.from(this.net.layers[layer].weights.subarray(0, most), (v) => v > 0 ? 3 : 2);
  }
  matrix(layer) {
    return { rows: this.s.width, columns: this.net.layers[layer].n, bits: this.bits(layer) };
  }
  /** What the page draws of it: signs, and nothing that would be passed back. */
  state() {
    return { p: [], gradient: [], cells: this.net.layers.map((_, l) => this.bits(l, 64)) };
  }
}
