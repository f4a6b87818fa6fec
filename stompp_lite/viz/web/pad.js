// A pad to draw a digit on, with a pen or by keyboard. As in the data set of digits, ink is counted
// in squares: a pad of 32 × 32 points gives 8 × 8 gray values from 0 to 16.
import { canvas, color } from "./draw.js";
import { h } from "./kit.js";

const SIDE = 8, FINE = 32, PEN = 2.4; // cells and points along a side; radius of the pen
const ORDER = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]; // ink of a gray value, 4 × 4
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const cellOf = (k) => Math.floor(k / FINE / 4) * SIDE + Math.floor((k % FINE) / 4);

/** Gray values 0 to 16 as a picture of the given width. */
export function gray(c, image, width) {
  c.fillStyle = color("ink", c.canvas);
  const cell = width / SIDE;
  image.forEach((v, k) => {
    c.globalAlpha = v / 16;
    c.fillRect((k % SIDE) * cell, Math.floor(k / SIDE) * cell, cell + 0.4, cell + 0.4);
  });
  c.globalAlpha = 1;
}

/** The pad; `changed` is called when the reader has drawn. */
export function inkPad(parent, changed) {
  const ink = new Uint8Array(FINE * FINE);
  let cursor = 27, last = null;
  const holder = h("div", {
    class: "lbl-digit lbl-drawable",
    tabindex: "0",
    role: "application",
    "aria-label": "Pad of 8 × 8 cells; arrow keys choose a cell, space fills or clears it",
    "data-lm-suppress-shortcuts": "true",
    onkeydown: key,
    onfocus: () => view.paint(),
    onblur: () => view.paint(),
    onpointerdown: (event) => {
      if (event.button > 0) return;
      holder.setPointerCapture(event.pointerId);
      last = null;
      stroke(event);
    },
    onpointermove: (event) => event.buttons && stroke(event),
  });
  parent.append(holder);
  const view = canvas(holder, { height: (width) => width, label: "", draw: paint });

  function grays() {
    const found = Array(SIDE * SIDE).fill(0);
    ink.forEach((on, k) => found[cellOf(k)] += on);
    return found;
  }
  /** Ink for the gray value of a cell. */
  function fill(cell, value) {
    ink.forEach((_, k) => {
      const place = (Math.floor(k / FINE) % 4) * 4 + (k % 4);
      if (cellOf(k) === cell) ink[k] = Number(ORDER[place] < value);
    });
  }
  function key(event) {
    const space = event.key === " ", by = KEYS[event.key];
    if (!space && !by) return;
    event.preventDefault();
    if (space) {
      fill(cursor, grays()[cursor] < 8 ? 16 : 0);
      return changed();
    }
    const to = (v) => Math.min(Math.max(v, 0), SIDE - 1);
    cursor = to(cursor % SIDE + by[0]) + SIDE * to(Math.floor(cursor / SIDE) + by[1]);
    view.paint();
  }
  function stroke(event) {
    const box = view.node.getBoundingClientRect(), scale = FINE / box.width;
    const to = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const from = last ?? to, steps = 1 + Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]));
    for (let k = 0; k <= steps; k++) {
      const [x, y] = [0, 1].map((i) => from[i] + ((to[i] - from[i]) * k) / steps);
      ink.forEach((_, at) => {
        const near = Math.hypot(at % FINE + 0.5 - x, Math.floor(at / FINE) + 0.5 - y) < PEN;
        if (near) ink[at] = 1;
      });
    }
    last = to;
    changed();
  }
  function paint(c, width) {
    const dot = width / FINE, cell = width / SIDE;
    c.strokeStyle = color("faint", holder);
    for (let k = 0; k < SIDE * SIDE; k++) {
      c.strokeRect((k % SIDE) * cell, Math.floor(k / SIDE) * cell, cell, cell);
    }
    c.fillStyle = color("ink", holder);
    ink.forEach((on, k) => {
      if (on) c.fillRect((k % FINE) * dot, Math.floor(k / FINE) * dot, dot + 0.3, dot + 0.3);
    });
    if (!holder.matches(":focus-visible")) return;
    c.strokeStyle = color("accent", holder);
    c.lineWidth = 3;
    const [x, y] = [cursor % SIDE, Math.floor(cursor / SIDE)];
    c.strokeRect(x * cell + 1.5, y * cell + 1.5, cell - 3, cell - 3);
  }
  return {
    grays,
    paint: () => view.paint(),
    load: (image) => image.forEach((value, cell) => fill(cell, value)),
    clear: () => ink.fill(0),
    describe: () =>
      view.describe(`A pad with ink on ${ink.reduce((a, b) => a + b, 0)} of 1,024 points.`),
  };
}
