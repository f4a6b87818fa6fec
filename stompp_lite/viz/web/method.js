// When and who: the package's schedules, draws and masks again, number for number.
// Mirrors stompp_lite/method.py and rng.py; tests/book/test_browser.py compares the two.

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

// ---- draws: SplitMix64's finalizer on pairs of 32-bit halves (BigInt would be many times slower) --
const M1 = [0xbf58476d, 0x1ce4e5b9],
  M2 = [0x94d049bb, 0x133111eb],
  GOLDEN = [0x9e3779b9, 0x7f4a7c15];
let H = 0, L = 0; // the 64 bits at work: a pair returned from each function would be garbage to collect

function high32(a, b) { // upper half of the 64-bit product of two 32-bit numbers
  const a1 = a >>> 16, a0 = a & 0xffff, b1 = b >>> 16, b0 = b & 0xffff;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 65536) + Math.floor(other / 65536)) >>> 0;
}
function times(m) {
  const h = (high32(L, m[1]) + Math.imul(H, m[1]) + Math.imul(L, m[0])) >>> 0;
  L = Math.imul(L, m[1]) >>> 0;
  H = h;
}
function xorShift(bits) { // x ^ (x >>> bits), 0 < bits < 32
  L = (L ^ ((L >>> bits) | (H << (32 - bits)))) >>> 0;
  H = (H ^ (H >>> bits)) >>> 0;
}
function mix(key, step, entry) { // key: [high, low]
  H = 0;
  L = step >>> 0;
  times(M1);
  const kh = (key[0] ^ H) >>> 0, kl = (key[1] ^ L) >>> 0;
  H = 0;
  L = entry >>> 0;
  times(GOLDEN);
  const low = L + kl;
  H = (H + kh + (low > 0xffffffff ? 1 : 0)) >>> 0;
  L = low >>> 0;
  xorShift(30);
  times(M1);
  xorShift(27);
  times(M2);
  xorShift(31);
}

/** Two uniform numbers in [0, 1) for an entry: multiples of 2**-24. */
export function uniformPair(key, step, entry) {
  mix(key, step, entry);
  return [(H >>> 8) * 2 ** -24, (L & 0xffffff) * 2 ** -24];
}

/** One step of a window: draw numbers anew, where it is an entry's turn. kept: all 1 before the first. */
export function refresh(kept, key, age, p, rule, rho) {
  const chance = rule === "threshold" && age === 0 ? 1 : Math.fround(rho);
  for (let i = 0; i < kept.length; i++) {
    mix(key, age, i);
    if ((H >>> 8) * 2 ** -24 >= chance) continue;
    const fresh = (L & 0xffffff) * 2 ** -24;
    kept[i] = rule === "redraw" ? (fresh >= Math.fround(p) ? 1 : 0) : fresh;
  }
}

/** Which of `entries` entries are frozen at each step of a window, as [steps][entries] bytes. */
export function masks(key, entries, p, rule, rho) { // p: frozen fraction at each step of the window
  const kept = new Float64Array(entries).fill(1);
  return p.map((now, age) => {
    refresh(kept, key, age, now, rule, rho);
    return Uint8Array.from(kept, (u) => (u < Math.fround(now) ? 1 : 0));
  });
}

// ---- what need not be the package's --------------------------------------------------------------
/** Uniform numbers from a seed: a small generator (mulberry32). */
export function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
