// A packed network in the browser: reads the bytes that save_packed writes, and computes what
// Packed computes. Signs are bits, +1 is 1, in words of 32; XNOR and popcount count their sums. A
// value is {shape, words} where it is signs, and {shape, numbers} where it is floats.
import { need } from "./kit.js";

const FORMAT = "stompp_lite packed network", VERSION = 1;
const DTYPES = {
  U8: Uint8Array,
  I16: Int16Array,
  I32: Int32Array,
  F32: Float32Array,
  F64: Float64Array,
};
const size = (shape) => shape.reduce((a, b) => a * b, 1);
const inner = (value) => size(value.shape.slice(1)); // entries of one channel

// ---- the file -----------------------------------------------------------------------------------
export const fromBase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** The bytes of a file as a network: {ops, shape, dtype}, with the arrays of each operation. */
export function read(bytes) {
  need(bytes.length > 8, "the file is too short for a packed network");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = 8 + view.getUint32(0, true) + 2 ** 32 * view.getUint32(4, true);
  need(start <= bytes.length, "the file ends before its header does");
  let tensors, net;
  try {
    tensors = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start)));
    net = JSON.parse(tensors.__metadata__.stompp_lite);
  } catch {
    need(false, "the file holds no packed network; give one that save_packed wrote");
  }
  need(net.format === FORMAT, `the file's format is ${net.format}, not ${FORMAT}`);
  need(
    net.version === VERSION,
    `the file has version ${net.version} of the format, this page reads ${VERSION}`,
  );
  const load = ([name, shape, bits]) => {
    const { dtype, data_offsets: [from, to] } = tensors[name], Kind = DTYPES[dtype];
    need(Kind, `the tensor ${name} is of type ${dtype}, which this page does not read`);
    need(start + to <= bytes.length, `the file ends before its tensor ${name} does`);
    const stored = new Kind(bytes.slice(start + from, start + to).buffer);
    const values = bits ? unpacked(stored, size(shape)) : stored;
    need(values.length === size(shape), `the tensor ${name} has not the shape [${shape}]`);
    return { shape, values };
  };
  const ops = net.ops.map((op) => {
    need(op.kind in OPS, `this page computes no ${op.kind}, which ${op.name} needs`);
    const arrays = Object.entries(op.arrays).map(([name, entry]) => [name, load(entry)]);
    return { ...op, arrays: Object.fromEntries(arrays) };
  });
  return {
    ops,
    shape: net.input_shape,
    Floats: net.dtype === "float64" ? Float64Array : Float32Array,
  };
}

/** Bytes as bits 0 and 1, the lowest bit of a byte first. */
const unpacked = (bytes, count) =>
  Uint8Array.from({ length: count }, (_, k) => (bytes[k >> 3] >> (k & 7)) & 1);

// ---- signs --------------------------------------------------------------------------------------
/** Words of 32 from bits; bit(k) is 0 or 1. */
function toWords(count, bit) {
  const words = new Uint32Array(Math.ceil(count / 32));
  for (let k = 0; k < count; k++) words[k >> 5] |= bit(k) << (k & 31);
  return words;
}

/** The k-th sign of words, as 0 or 1. */
export const bitOf = (words, k) => (words[k >> 5] >>> (k & 31)) & 1;

/** How many bits of a word are 1. */
export function popcount(x) {
  x -= (x >>> 1) & 0x55555555;
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** In how many places that are inside two rows of signs agree. */
function agreements(a, b, inside) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += popcount(~(a[k] ^ b[k]) & inside[k]);
  return sum;
}

/** For each output pixel of a window that slides over an image: the pixels that it reads, or -1.
 * A linear layer is a window of one pixel. */
function windows(shape, s) {
  const [height, width] = shape.length > 1 ? shape.slice(1) : [1, 1];
  const { kernel: [kh, kw], stride, padding, dilation } = s.kernel ? s : POINT;
  const axis = (n, k, i) => {
    const count = Math.floor((n + 2 * padding[i] - dilation[i] * (k - 1) - 1) / stride[i]) + 1;
    return Array.from({ length: count }, (_, at) =>
      Array.from({ length: k }, (_, tap) => {
        const pixel = at * stride[i] - padding[i] + tap * dilation[i];
        return pixel < n ? pixel : -1;
      }));
  };
  const rows = axis(height, kh, 0), columns = axis(width, kw, 1);
  const at = rows.flatMap((ys) =>
    columns.map((xs) => ys.flatMap((y) => xs.map((x) => y < 0 || x < 0 ? -1 : y * width + x)))
  );
  return { at, space: shape.length > 1 ? [rows.length, columns.length] : [] };
}
const POINT = { kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1] };

/** The signs that an output pixel reads, in the order of its weights, and which are inside. */
function gather(x, pixels, channels, first) {
  const count = channels * pixels.length, place = (k) => pixels[k % pixels.length];
  const plane = inner(x), from = (k) => (first + Math.floor(k / pixels.length)) * plane;
  return {
    read: toWords(count, (k) => place(k) < 0 ? 0 : bitOf(x.words, from(k) + place(k))),
    inside: toWords(count, (k) => place(k) < 0 ? 0 : 1),
  };
}

const layers = new WeakMap();

/** A binary layer made ready, once: rows of weights as words, and what each output pixel reads. */
function ready(op, shape) {
  if (!layers.has(op)) layers.set(op, layer(op, shape));
  return layers.get(op);
}

function layer(op, shape) {
  const { shape: [outputs, channels, ...taps], values } = op.arrays.signs;
  const groups = op.settings.groups ?? 1, count = channels * size(taps);
  need(
    shape[0] === channels * groups,
    `${op.name} takes ${channels * groups} channels, not ${shape[0]}`,
  );
  need(
    op.settings.layer === "conv" || shape.length === 1,
    `${op.name} reads no single row of signs`,
  );
  const rows = Array.from(
    { length: outputs },
    (_, o) => toWords(count, (k) => values[o * count + k]),
  );
  const first = (o) => Math.floor(o * groups / outputs) * channels;
  return { outputs, channels, rows, count, first, ...windows(shape, op.settings) };
}

/** How output o of a binary layer votes at a pixel: the signs that it reads, its weights, how many
 * agree, and where the layer takes a sign the threshold and the bit. */
export function vote(op, inputs, o, pixel) {
  const made = ready(op, inputs[0].shape);
  const { read, inside } = gather(inputs[0], made.at[pixel], made.channels, made.first(o));
  return counted(op, inputs, o, pixel, made, read, inside);
}

function counted(op, [, residual], o, pixel, made, read, inside) {
  const row = made.rows[o], agree = agreements(read, row, inside);
  const count = inside.reduce((sum, word) => sum + popcount(word), 0);
  const found = { read, inside, row, all: made.count, agree, count, sum: 2 * agree - count };
  const { thresholds, flip } = op.arrays;
  if (!thresholds) return found;
  const other = residual ? bitOf(residual.words, o * made.at.length + pixel) : 0;
  const threshold = thresholds.values[other * made.outputs + o], turned = flip.values[o];
  const bit = Number(found.sum >= threshold) ^ turned;
  return { ...found, threshold, flip: turned, bit, residual: residual ? other : null };
}

// ---- operations: (op, inputs, Floats) => value --------------------------------------------------
function xnor(op, inputs, Floats) {
  const made = ready(op, inputs[0].shape), pixels = made.at.length;
  const shape = [made.outputs, ...made.space], sums = new Floats(size(shape));
  const bits = new Uint8Array(sums.length);
  for (let pixel = 0; pixel < pixels; pixel++) {
    let read = null, group = -1;
    for (let o = 0; o < made.outputs; o++) {
      if (made.first(o) !== group) {
        group = made.first(o);
        read = gather(inputs[0], made.at[pixel], made.channels, group);
      }
      const { sum, bit } = counted(op, inputs, o, pixel, made, read.read, read.inside);
      sums[o * pixels + pixel] = sum;
      bits[o * pixels + pixel] = bit;
    }
  }
  if (!op.arrays.thresholds) return { shape, numbers: sums };
  return { shape, words: toWords(bits.length, (k) => bits[k]) };
}

/** A float layer; its weights may be signs, times alpha where there is one. */
function product(op, [x], Floats) {
  const { signs, alpha, weight, bias } = op.arrays, w = weight ?? signs;
  const [outputs, channels, ...taps] = w.shape, count = channels * size(taps);
  const { at, space } = windows(x.shape, op.settings), plane = inner(x);
  const groups = op.settings.groups ?? 1;
  const scale = (o) => alpha ? alpha.values[alpha.values.length > 1 ? o : 0] : 1;
  const weights = weight?.values ??
    Floats.from(signs.values, (bit, k) => (2 * bit - 1) * scale(Math.floor(k / count)));
  const shape = [outputs, ...space], numbers = new Floats(size(shape));
  numbers.forEach((_, k) => {
    const o = Math.floor(k / at.length), pixels = at[k % at.length];
    const first = Math.floor(o * groups / outputs) * channels;
    let sum = 0, tap = o * count;
    for (let c = first; c < first + channels; c++) {
      for (const pixel of pixels) {
        if (pixel >= 0) sum += weights[tap] * x.numbers[c * plane + pixel];
        tap++;
      }
    }
    numbers[k] = sum;
    if (bias) numbers[k] += bias.values[o];
  });
  return { shape, numbers };
}

const each = (x, Floats, compute) => ({ shape: x.shape, numbers: Floats.from(x.numbers, compute) });

function norm(op, [x], Floats) {
  const { weight, bias, mean, var: spread } = op.arrays, plane = inner(x);
  const round = (y) => Floats.of(y)[0];
  const slope = weight.values.map((w, c) =>
    w * round(1 / round(Math.sqrt(round(spread.values[c] + round(op.settings.eps)))))
  );
  const shift = bias.values.map((b, c) => b - mean.values[c] * slope[c]);
  return each(x, Floats, (u, k) => u * slope[Math.floor(k / plane)] + shift[Math.floor(k / plane)]);
}

function scale(op, [x], Floats) {
  const { alpha, bias } = op.arrays, plane = inner(x), channel = (k) => Math.floor(k / plane);
  const factor = (k) => alpha ? alpha.values[alpha.values.length > 1 ? channel(k) : 0] : 1;
  const scaled = each(x, Floats, (z, k) => z * factor(k));
  return bias ? each(scaled, Floats, (z, k) => z + bias.values[channel(k)]) : scaled;
}

/** Each window of each channel, as one number: combine(numbers in the image, size of a window). */
function pooled(op, [x], Floats, combine) {
  const { at, space } = windows(x.shape, op.settings), plane = inner(x);
  const shape = [x.shape[0], ...space], numbers = new Floats(size(shape));
  numbers.forEach((_, k) => {
    const from = Math.floor(k / at.length) * plane, pixels = at[k % at.length];
    const seen = pixels.filter((p) => p >= 0).map((p) => x.numbers[from + p]);
    numbers[k] = combine(seen, pixels.length);
  });
  return { shape, numbers };
}
const sum = (list) => list.reduce((a, b) => a + b, 0);
const unpack = (_, [x], Floats) => ({
  shape: x.shape,
  numbers: Floats.from({ length: size(x.shape) }, (_, k) => 2 * bitOf(x.words, k) - 1),
});
const sign = (_, [x]) => ({
  shape: x.shape,
  words: toWords(x.numbers.length, (k) => Number(x.numbers[k] >= 0)),
});
const maxpool = (op, x, Floats) => pooled(op, x, Floats, (seen) => Math.max(...seen));
const flat = (_, [x]) => ({ ...x, shape: [size(x.shape)] });

/** Kind -> operation, as in stompp_lite.ship.program. */
export const OPS = {
  xnor,
  sign,
  unpack,
  norm,
  scale,
  maxpool,
  conv: product,
  linear: product,
  flatten: flat,
  flat_signs: flat,
  or_pool: (op, [x], Floats) => sign(op, [maxpool(op, [unpack(op, [x], Floats)], Floats)]),
  avgpool: (op, x, Floats) => pooled(op, x, Floats, (seen, count) => sum(seen) / count),
  add: (_, [x, y], Floats) => each(x, Floats, (u, k) => u + y.numbers[k]),
  clip: ({ settings: { low, high } }, [x], Floats) =>
    each(x, Floats, (u) => Math.min(Math.max(u, low ?? -Infinity), high ?? Infinity)),
  mean: ({ settings }, [x], Floats) => {
    const plane = inner(x), shape = settings.keep ? [x.shape[0], 1, 1] : [x.shape[0]];
    return {
      shape,
      numbers: Floats.from(
        { length: x.shape[0] },
        (_, c) => sum(x.numbers.slice(c * plane, (c + 1) * plane)) / plane,
      ),
    };
  },
};

/** Every value that a network computes from one sample, by name; "output" is the last one's. */
export function run(net, sample) {
  const values = { input: { shape: net.shape, numbers: net.Floats.from(sample) } };
  for (const op of net.ops) {
    values[op.output] = OPS[op.kind](op, op.inputs.map((name) => values[name]), net.Floats);
  }
  return { ...values, output: values[net.ops.at(-1).output] };
}
