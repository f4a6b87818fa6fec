// What the playground paints: data and answers, the matrix of a layer, and what its neurons see.
import { color } from "./draw.js";

const REACH = 1.15; // of the plane that is shown, on each side of zero

/** Points of the plane on a square picture: squares for one class, dots for the other. */
function points(c, near, set, side, size, every = 1) {
  const tones = [color("ste", near), color("stompp", near)];
  c.strokeStyle = color("ground", near);
  c.lineWidth = 1;
  for (let n = 0; n < set.train; n += every) {
    const X = ((set.x[2 * n] + REACH) / (2 * REACH)) * side;
    const Y = ((REACH - set.x[2 * n + 1]) / (2 * REACH)) * side;
    c.fillStyle = tones[set.y[n] ? 1 : 0];
    c.beginPath();
    if (set.y[n]) c.arc(X, Y, size, 0, 7);
    else c.rect(X - 0.85 * size, Y - 0.85 * size, 1.7 * size, 1.7 * size);
    c.fill();
    if (every === 1) c.stroke();
  }
}

/** Red, green and blue of a #rrggbb or #rgb color of the theme. */
function parts(name, near) {
  const hex = color(name, near).slice(1), wide = hex.length > 3 ? 2 : 1;
  return [0, 1, 2].map((k) => parseInt(hex.slice(wide * k, wide * (k + 1)).repeat(3 - wide), 16));
}

/** A picture of columns × rows pixels, large: rgb(k) is pixel k's color. */
function pixels(c, columns, rows, rgb, x, y, wide, tall, smooth) {
  const small = new OffscreenCanvas(columns, rows), image = new ImageData(columns, rows);
  for (let k = 0; k < columns * rows; k++) {
    const of = rgb(k);
    for (let i = 0; i < 3; i++) image.data[4 * k + i] = of[i];
    image.data[4 * k + 3] = 255;
  }
  small.getContext("2d").putImageData(image, 0, 0);
  c.imageSmoothingEnabled = smooth;
  c.drawImage(small, x, y, wide, tall);
}

const mix = (a, b, share) => a.map((v, i) => Math.round(v + share * (b[i] - v)));

/** Colors from -1 to 1, in 65 steps, between the tones of two classes. */
function scale(near, low, high, most) {
  const middle = parts("ground", near), ends = [parts(low, near), parts(high, near)];
  const all = Array.from({ length: 65 }, (_, k) => {
    const v = k / 32 - 1;
    return mix(middle, ends[v > 0 ? 1 : 0], most * Math.abs(v));
  });
  // what is no number any more has the middle's color
  return (v) => all[Math.round(32 * (Math.min(Math.max(v, -1), 1) + 1))] ?? middle;
}

/** What the network answers: its field in the plane, or true digit against answer. */
export function answers(c, near, set, now, width, height) {
  const side = Math.min(width, height);
  c.translate(Math.round((width - side) / 2), 0);
  if (set.inputs === 2) {
    if (now.field) {
      const G = Math.sqrt(now.field.length), of = scale(near, "ste", "stompp", 0.75);
      pixels(c, G, G, (k) => of(now.field[k]), 0, 0, side, side, true);
    }
    points(c, near, set, side, side < 180 ? 2.2 : 3);
    return;
  }
  if (!now.confusion) return;
  const C = set.classes, pad = 34, a = (side - pad) / C, most = Math.max(...now.confusion);
  const [few, right, wrong] = ["free", "frozen", "reverse"].map((name) => parts(name, near));
  const rgb = (k) =>
    // on the diagonal stands what is right
    mix(few, k % (C + 1) ? wrong : right, Math.sqrt(now.confusion[k] / most));
  pixels(c, C, C, rgb, pad, 0, side - pad, side - pad, false);
  c.font = `${Math.min(12, Math.ceil(a))}px system-ui, sans-serif`;
  c.textAlign = "center";
  c.fillStyle = color("ink", near);
  for (let k = 0; k < C; k++) {
    c.fillText(String(k), pad - 8, k * a + a / 2 + 4);
    c.fillText(String(k), pad + k * a + a / 2, side - pad + 13);
  }
  c.font = "12px system-ui, sans-serif";
  c.fillText("read as", (side + pad) / 2, side - 4);
  c.rotate(-Math.PI / 2);
  c.fillText("true digit", (pad - side) / 2, 12);
}

/** A small picture of a data set: some of its points, or four of its digits. */
export function thumbnail(c, near, set, side) {
  if (set.inputs === 2) return points(c, near, set, side, 1.6, 3);
  const cell = side / 17;
  c.fillStyle = color("ink", near);
  for (let n = 0; n < 4; n++) {
    for (let k = 0; k < 64; k++) {
      c.globalAlpha = (set.x[64 * (n + 3) + k] + 1) / 2;
      const x = (n % 2) * 9 + (k % 8), y = Math.floor(n / 2) * 9 + Math.floor(k / 8);
      c.fillRect(x * cell, y * cell, cell + 0.3, cell + 0.3);
    }
  }
  c.globalAlpha = 1;
}

/** A matrix of signs as tiles: +1 light or dark, -1 the other; frozen ones in full tone, free ones
 * pale; those that flipped since `before` in the accent. Returns how many flipped. */
export function tiles(c, near, { rows, columns, bits }, before, side) {
  const names = ["ground", "free", "line", "frozen", "accent"];
  const [ground, free, line, frozen, accent] = names.map((name) => parts(name, near));
  const of = [mix(ground, line, 0.45), ground, frozen, free]; // free -1, free +1, frozen -1 and +1
  const moved = (k) => before?.length === bits.length && ((before[k] ^ bits[k]) & 1) === 1;
  const tall = (side * rows) / columns;
  pixels(c, columns, rows, (k) => moved(k) ? accent : of[bits[k]], 0, 0, side, tall, false);
  return bits.reduce((sum, _, k) => sum + (moved(k) ? 1 : 0), 0);
}

/** What each neuron of a stage answers: small fields over the plane, or a row of tiles with one for
 * each digit. Not more than fit. */
export function neurons(c, near, { fields, neurons: N, points: P }, plane, width, height) {
  if (plane) {
    const G = Math.sqrt(P), across = Math.ceil(Math.sqrt((N * width) / height)), D = G + 1;
    const cell = Math.min(width / across, height / Math.ceil(N / across), 72);
    const wide = Math.min(Math.floor(width / cell), N), tall = Math.floor(height / cell);
    const rows = Math.min(Math.ceil(N / wide), tall), of = scale(near, "ste", "stompp", 0.75);
    const gap = parts("ground", near), columns = wide * D;
    const rgb = (k) => { // one picture of all neurons, with a pixel between two of them
      const x = k % columns, y = Math.floor(k / columns), [i, j] = [x % D, y % D];
      const n = Math.floor(y / D) * wide + Math.floor(x / D);
      return i === G || j === G || n >= N ? gap : of(fields[(j * G + i) * N + n]);
    };
    pixels(c, columns, rows * D, rgb, 0, 0, wide * cell, rows * cell, false);
    return;
  }
  const top = 14, shown = Math.min(N, 64), a = Math.min((width - 14) / shown, 22);
  const tall = Math.min((height - top) / P, a * 1.2);
  const of = scale(near, "ste", "stompp", 1), wide = shown * a;
  const at = (k) => fields[Math.floor(k / shown) * N + (k % shown)];
  pixels(c, shown, P, (k) => of(at(k)), 14, top, wide, P * tall, false);
  c.font = "11px system-ui, sans-serif";
  c.textAlign = "center";
  c.fillStyle = color("ink", near);
  for (let p = 0; p < P; p++) c.fillText(String(p), 5, top + (p + 0.5) * tall + 4);
  c.fillStyle = color("ink", near);
  c.textAlign = "left";
  c.fillText(`${shown} neurons, one a column`, 14, 10);
}

/** Votes for the ten digits, as bars, from logits. Returns the shares. */
export function votes(c, near, logits, width, height) {
  const top = Math.max(...logits), raised = logits.map((v) => Math.exp(v - top));
  const sum = raised.reduce((a, b) => a + b, 0), share = raised.map((v) => v / sum);
  const a = width / share.length, best = share.indexOf(Math.max(...share));
  c.font = "12px system-ui, sans-serif";
  c.textAlign = "center";
  share.forEach((v, k) => {
    const tall = Math.max((height - 18) * v, 1);
    c.fillStyle = color(k === best ? "accent" : "frozen-line", near);
    c.fillRect(k * a + 2, height - 16 - tall, a - 4, tall);
    c.fillStyle = color("ink", near);
    c.fillText(String(k), (k + 0.5) * a, height - 3);
  });
  return share;
}
