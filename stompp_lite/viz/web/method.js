// When and who: the package's schedules, draws and masks again, number for number.
// Mirrors stompp_lite/method.py and rng.py; tests/test_browser.py compares the two.

/** Growth of p with the relative time tau in a window. */
export const SHAPES = {
  cubic: (tau) => tau ** 3,
  quadratic: (tau) => tau ** 2,
  linear: (tau) => tau,
  cosine: (tau) => (1 - Math.cos(Math.PI * tau)) / 2,
  "flipped-quadratic": (tau) => 1 - (1 - tau) ** 2,
};

/** The window of each of `stages` stages. A random order needs its permutation. */
export function turns(order, stages, permutation = null) {
  const all = Array.from({ length: stages }, (_, l) => l);
  if (order === "reverse") return all.reverse();
  if (order === "random") return permutation;
  if (order === "global") return all.map(() => 0);
  const groups = { "forward-2": 2, "forward-5": 5 }[order];
  if (groups) return all.map((l) => Math.floor((Math.min(groups, stages) * l) / stages));
  return all;
}

/** p at step t of T of a stage whose turn is window `turn` of `windows`. */
export function fraction(t, turn, windows, T, shape) {
  const done = windows * (t + 1) - turn * T; // whole numbers: a window ends at exactly 1
  return SHAPES[shape](Math.min(Math.max(done, 0), T) / T);
}

/** First step at which that stage can be partly frozen: draws are counted from here. */
export const begin = (turn, windows, T) => Math.floor((turn * T) / windows);

// ---- draws: SplitMix64's finalizer on pairs of 32-bit halves ------------------------------------
const M1 = [0xbf58476d, 0x1ce4e5b9], M2 = [0x94d049bb, 0x133111eb], GOLDEN = [0x9e3779b9, 0x7f4a7c15];

function high32(a, b) { // upper half of the 64-bit product of two 32-bit numbers
  const a1 = a >>> 16, a0 = a & 0xffff, b1 = b >>> 16, b0 = b & 0xffff;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(other / 65536)) >>> 0;
}

const times = (h, l, [H, L]) =>
  [(high32(l, L) + Math.imul(h, L) + Math.imul(l, H)) >>> 0, Math.imul(l, L) >>> 0];
const xorShift = (h, l, bits) => // x ^ (x >>> bits), 0 < bits < 32
  [(h ^ (h >>> bits)) >>> 0, (l ^ ((l >>> bits) | (h << (32 - bits)))) >>> 0];

/** Two uniform numbers in [0, 1) for an entry: multiples of 2**-24. `key`: [high, low]. */
export function uniformPair(key, step, entry) {
  const [sh, sl] = times(0, step >>> 0, M1);
  const [eh, el] = times(0, entry >>> 0, GOLDEN);
  const kl = (key[1] ^ sl) >>> 0, kh = (key[0] ^ sh) >>> 0;
  const low = el + kl;
  let h = (eh + kh + (low > 0xffffffff ? 1 : 0)) >>> 0, l = low >>> 0;
  [h, l] = xorShift(h, l, 30);
  [h, l] = times(h, l, M1);
  [h, l] = xorShift(h, l, 27);
  [h, l] = times(h, l, M2);
  [h, l] = xorShift(h, l, 31);
  return [(h >>> 8) * 2 ** -24, (l & 0xffffff) * 2 ** -24];
}

/** Which of `entries` entries are frozen at each step of a window, as [steps][entries] bytes. */
export function masks(key, entries, p, rule, rho) { // p: frozen fraction at each step of the window
  const kept = new Float64Array(entries).fill(1);
  return p.map((now, age) => {
    const row = new Uint8Array(entries);
    for (let i = 0; i < entries; i++) {
      const [coin, fresh] = uniformPair(key, age, i);
      const chance = rule === "threshold" && age === 0 ? 1 : rho;
      if (coin < Math.fround(chance)) kept[i] = rule === "redraw" ? (fresh >= Math.fround(now) ? 1 : 0) : fresh;
      row[i] = kept[i] < Math.fround(now) ? 1 : 0;
    }
    return row;
  });
}
