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

// ---- draws: SplitMix64's finalizer on pairs of 32-bit halves, far faster than BigInt -----------
const UNIT = 2 ** -24; // draws are multiples of it
let open = new Int32Array(0); // entries whose last draw is still to be found
let high = new Uint32Array(0), low = new Uint32Array(0); // their 64 bits at a step

function high32(a, b) { // upper half of the 64-bit product of two 32-bit numbers
  const a1 = a >>> 16, a0 = a & 0xffff, b1 = b >>> 16, b0 = b & 0xffff;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const other = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + (middle >>> 16) + (other >>> 16)) >>> 0;
}

/** Upper half of the product of (h, l) and a 64-bit constant; the lower is Math.imul(l, ml). */
const upper = (h, l, mh, ml) => (high32(l, ml) + Math.imul(h, ml) + Math.imul(l, mh)) >>> 0;

/** 64 random bits for each of the first `count` open entries. key: [high, low]. */
function draw(key, step, count) {
  const keyH = (key[0] ^ upper(0, step, 0xbf58476d, 0x1ce4e5b9)) >>> 0;
  const keyL = (key[1] ^ Math.imul(step, 0x1ce4e5b9)) >>> 0;
  for (let k = 0; k < count; k++) {
    const entry = open[k], sum = (Math.imul(entry, 0x7f4a7c15) >>> 0) + keyL;
    let l = sum >>> 0;
    let h = (upper(0, entry, 0x9e3779b9, 0x7f4a7c15) + keyH + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    l = (l ^ ((l >>> 30) | (h << 2))) >>> 0;
    h = (h ^ (h >>> 30)) >>> 0;
    h = upper(h, l, 0xbf58476d, 0x1ce4e5b9);
    l = Math.imul(l, 0x1ce4e5b9) >>> 0;
    l = (l ^ ((l >>> 27) | (h << 5))) >>> 0;
    h = (h ^ (h >>> 27)) >>> 0;
    h = upper(h, l, 0x94d049bb, 0x133111eb);
    l = Math.imul(l, 0x133111eb) >>> 0;
    low[k] = l ^ ((l >>> 31) | (h << 1));
    high[k] = h ^ (h >>> 31);
  }
}

function room(entries) {
  if (open.length >= entries) return;
  open = new Int32Array(entries);
  high = new Uint32Array(entries);
  low = new Uint32Array(entries);
}

/** Two uniform numbers in [0, 1) for an entry: multiples of 2**-24. */
export function uniformPair(key, step, entry) {
  room(1);
  open[0] = entry;
  draw(key, step, 1);
  return [(high[0] >>> 8) * UNIT, (low[0] & 0xffffff) * UNIT];
}

/** A number of 16 bits for each of `count` entries: the quarters of the 64 bits of every fourth. */
export function quarters(key, step, count) {
  const fours = Math.ceil(count / 4), out = new Uint16Array(4 * fours);
  room(fours);
  for (let k = 0; k < fours; k++) open[k] = k;
  draw(key, step, fours);
  for (let k = 0; k < fours; k++) {
    out[4 * k] = low[k] & 0xffff;
    out[4 * k + 1] = low[k] >>> 16;
    out[4 * k + 2] = high[k] & 0xffff;
    out[4 * k + 3] = high[k] >>> 16;
  }
  return out.subarray(0, count);
}

/** Bring the numbers of entries from step `from` of a window to step `to`. Before the first step,
 * -1, they are all 1. Only an entry's last draw counts, so the search for it goes back in time.
 * p: frozen fraction at a step of the window. */
export function advance(kept, key, from, to, p, rule, rho) {
  const each = rule === "per-sample", chance = Math.fround(rho);
  if (!each && chance === 0) to = Math.min(to, 0); // nothing is drawn after the first step
  room(kept.length);
  let left = kept.length;
  for (let i = 0; i < left; i++) open[i] = i;
  for (let age = to; age > from && left > 0; age--) {
    const limit = each || (rule === "threshold" && age === 0) ? 1 : chance, count = left;
    draw(key, age, count);
    left = 0;
    for (let k = 0; k < count; k++) {
      if ((high[k] >>> 8) * UNIT >= limit) {
        open[left++] = open[k];
        continue;
      }
      const fresh = (low[k] & 0xffffff) * UNIT;
      kept[open[k]] = rule === "redraw" ? (fresh >= Math.fround(p(age)) ? 1 : 0) : fresh;
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
