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

/** The rules by which masks are drawn anew. */
export const RULES = ["threshold", "redraw", "per-sample"];

/** A shape as a function of tau. `table`: the package's values at equal distances from 0 to 1;
 * between them lies a straight line, unless the shape is one of SHAPES. */
export function shapeOf(name, table) {
  const last = table.length - 1, known = SHAPES[name];
  if (known && table.every((value, k) => Math.abs(known(k / last) - value) < 1e-3)) return known;
  return (tau) => {
    const k = Math.min(Math.floor(tau * last), last - 1);
    return table[k] + (tau * last - k) * (table[k + 1] - table[k]);
  };
}

/** p at step t of T of a stage whose turn is window `turn` of `windows`; shape: a function. */
export function fraction(t, turn, windows, T, shape) {
  const done = windows * (t + 1) - turn * T; // whole numbers: a window ends at exactly 1
  return shape(Math.min(Math.max(done, 0), T) / T);
}

/** First step at which that stage can be partly frozen: draws are counted from here. */
export const begin = (turn, windows, T) => Math.floor((turn * T) / windows);

// ---- draws: SplitMix64's finalizer on pairs of 32-bit halves, many times faster than BigInt -----
const M1 = [0xbf58476d, 0x1ce4e5b9],
  M2 = [0x94d049bb, 0x133111eb],
  GOLDEN = [0x9e3779b9, 0x7f4a7c15];
let H = 0, L = 0; // the 64 bits at work; returning a pair from each function would make garbage
let startH = 0, startL = 0; // what all entries of a step have in common
let spread = new Uint32Array(0); // high and low half of the counter of each entry
let open = new Int32Array(0); // entries whose last draw is still to be found

function high32(a, b) { // upper half of the 64-bit product of two 32-bit numbers
  const a1 = a >>> 16, a0 = a & 0xffff, b1 = b >>> 16, b0 = b & 0xffff;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + (middle >>> 16) + (other >>> 16)) >>> 0;
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
function number(entries) { // the counters of that many entries
  if (open.length >= entries) return;
  open = new Int32Array(entries);
  spread = new Uint32Array(2 * entries);
  for (let i = 0; i < entries; i++) {
    H = 0;
    L = i;
    times(GOLDEN);
    spread[2 * i] = H;
    spread[2 * i + 1] = L;
  }
}
function begins(key, step) { // key: [high, low]
  H = 0;
  L = step >>> 0;
  times(M1);
  startH = (key[0] ^ H) >>> 0;
  startL = (key[1] ^ L) >>> 0;
}
function draw(entry) { // 64 random bits in H and L
  const low = spread[2 * entry + 1] + startL;
  H = (spread[2 * entry] + startH + (low > 0xffffffff ? 1 : 0)) >>> 0;
  L = low >>> 0;
  xorShift(30);
  times(M1);
  xorShift(27);
  times(M2);
  xorShift(31);
}

/** Two uniform numbers in [0, 1) for an entry: multiples of 2**-24. */
export function uniformPair(key, step, entry) {
  number(entry + 1);
  begins(key, step);
  draw(entry);
  return [(H >>> 8) * 2 ** -24, (L & 0xffffff) * 2 ** -24];
}

/** Bring the numbers of entries from step `from` of a window to step `to`. Before the first step,
 * -1, they are all 1. Only an entry's last draw counts, so the search for it goes back in time.
 * p: frozen fraction at a step of the window. */
export function advance(kept, key, from, to, p, rule, rho) {
  const each = rule === "per-sample", chance = Math.fround(rho);
  if (!each && chance === 0) to = Math.min(to, 0); // nothing is drawn after the first step
  number(kept.length);
  let left = kept.length;
  for (let i = 0; i < left; i++) open[i] = i;
  for (let age = to; age > from && left > 0; age--) {
    const limit = each || (rule === "threshold" && age === 0) ? 1 : chance;
    const now = rule === "redraw" ? Math.fround(p(age)) : 0, count = left;
    begins(key, age);
    left = 0;
    for (let k = 0; k < count; k++) {
      draw(open[k]);
      if ((H >>> 8) * 2 ** -24 >= limit) {
        open[left++] = open[k];
        continue;
      }
      const fresh = (L & 0xffffff) * 2 ** -24;
      kept[open[k]] = rule === "redraw" ? (fresh >= now ? 1 : 0) : fresh;
    }
  }
}

// ---- what need not be the package's -------------------------------------------------------------
/** Uniform numbers from a seed: a small generator (mulberry32). */
export function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
