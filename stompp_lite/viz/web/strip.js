// The one way to draw a network: columns are layers, the input at the left and the answer at the
// right. A dot is a free weight and a square a frozen bit; free is light and frozen is dark in both
// themes. What is known of a network decides what is drawn of it: see `strip`.
import { color, onTheme } from "./draw.js";
import { h } from "./kit.js";

const SPAN = 6; // powers of ten from the widest arrow to the thinnest
const NAMES = ["free", "frozen", "frozen-line", "line", "ink", "accent", "ground"];
const tonesOf = (near) => Object.fromEntries(NAMES.map((name) => [name, color(name, near)]));

/** Where only a layer's frozen share is known: when an entry has its turn within the window, as a
 * fixed number in [0, 1). */
export function place(layer, i) {
  const x = Math.sin(12.9898 * (layer + 1) + 78.233 * (i + 1)) * 43758.5453;
  return x - Math.floor(x);
}

/** Blend of two #rrggbb colors. */
export function blend(a, b, share) {
  const part = (c, k) => parseInt(c.slice(1 + 2 * k, 3 + 2 * k), 16);
  return `rgb(${
    [0, 1, 2].map((k) => Math.round(part(a, k) * (1 - share) + part(b, k) * share)).join(",")
  })`;
}

/** Width of a gradient's arrow: 1 at `largest`, 0 at a millionth of it and below; null is none. */
export function strength(gradient, largest) {
  if (!gradient || !largest) return 0;
  return Math.min(Math.max(1 + Math.log10(gradient / largest) / SPAN, 0), 1);
}

/** How far the gradient gets: the first stage from the input on that receives more than a
 * thousandth of the largest. */
export function reached(gradient, largest) {
  const l = gradient.findIndex((g) => g !== null && g > 1e-3 * largest);
  return l < 0 ? null : l;
}

/** Stages side by side: distance, width and height of the columns, and where each of them stands.
 * `wide` is how many cells stand side by side in a column. */
export function row(width, stages, { left = 22, right = 44, top = 8, tall = 34, wide = 1 } = {}) {
  const step = (width - left - right) / stages, gap = Math.min(5, 0.3 * step);
  return {
    step,
    wide,
    tall,
    box: Math.max(step - gap, 2),
    at: (l) => [left + l * step, top],
  };
}

/** Dots and squares: [{x, y, frozen, up}] with the upper left corner of each, `side` wide and high.
 * up: whether its sign is +1; null where that is not shown. A bar inside says -1. */
export function marks(c, near, cells, side) {
  const tones = tonesOf(near), r = side / 2, thick = Math.max(1, Math.round(0.2 * side));
  for (const frozen of [false, true]) {
    const all = cells.filter((cell) => cell.frozen === frozen);
    c.beginPath();
    for (const { x, y } of all) {
      if (frozen) c.rect(x, y, side, side);
      else {
        c.moveTo(x + side - 0.5, y + r);
        c.arc(x + r, y + r, Math.max(r - 0.5, 0.5), 0, 7);
      }
    }
    c.fillStyle = tones[frozen ? "frozen" : "free"];
    c.fill();
    if (!frozen) {
      c.strokeStyle = tones.line;
      c.lineWidth = side < 5 ? 0.6 : 1;
      c.stroke();
    }
    c.fillStyle = tones[frozen ? "free" : "frozen"];
    const inset = frozen && side > 8 ? Math.round(0.15 * side) : frozen ? 0 : 1;
    for (const { x, y, up } of all) {
      if (up !== false) continue;
      c.fillRect(x + inset, y + Math.round((side - thick) / 2), side - 2 * inset, thick);
    }
  }
}

/** Draw the stages of a network at the places of `g`, from `row`. Each of these is drawn if `now`
 * has it, a list with an entry for each stage:
 *
 * - cells: lists of {frozen, up}, drawn as `marks` do;
 * - share: frozen share, a column that is filled from below; not where a stage has cells;
 * - flips: share of the signs that changed, a bar above the column; now.most is the highest;
 * - gradient: an arrow below the column, against the data's direction, as wide as `strength` says
 *   beside now.largest, and a cross where none arrives (nothing, if now.largest is 0);
 * - deaf: whether to hatch the column: it is free, and no gradient arrives any more. */
export function strip(c, near, g, now) {
  const tones = tonesOf(near), stages = (now.cells ?? now.share).length, cells = [];
  const side = now.cells ? sideOf(g, now.cells) : 0;
  for (let l = 0; l < stages; l++) {
    const [x, y] = g.at(l);
    if (now.cells) {
      const a = g.box / g.wide, b = g.tall / Math.ceil(now.cells[l].length / g.wide);
      now.cells[l].forEach((cell, i) =>
        cells.push({
          x: Math.round(x + (i % g.wide) * a + (a - side) / 2),
          y: Math.round(y + Math.floor(i / g.wide) * b + (b - side) / 2),
          frozen: cell.frozen,
          up: cell.up ?? null,
        })
      );
    } else column(c, tones, x, y, g, now.share[l]);
    if (now.deaf?.[l]) hatch(c, tones, x, y, g.box, g.tall);
    if (now.flips) bar(c, tones, x, y, g.box, now.flips[l], now.most);
    if (now.largest > 0) arrow(c, tones, x, y + g.tall + 16, g, now.gradient[l], now.largest);
  }
  if (cells.length) marks(c, near, cells, side);
  if (!now.gradient) return;
  const [x, y] = g.at(0), end = g.at(stages - 1)[0] + g.step;
  c.fillStyle = tones.ink;
  c.font = "12px system-ui, sans-serif";
  c.textBaseline = "middle";
  c.textAlign = "right";
  c.fillText("in", x - 6, y + g.tall / 2);
  c.textAlign = "left";
  c.fillText("loss", end + 2, y + g.tall / 2);
  c.textBaseline = "alphabetic";
}

/** Width and height of the marks in the columns of `g`. */
function sideOf(g, cells) {
  const lines = Math.ceil(Math.max(...cells.map((list) => list.length)) / g.wide);
  const room = Math.min(g.box / g.wide, g.tall / Math.max(lines, 1));
  return Math.max(Math.floor(room - (room > 7 ? 2 : 1)), 2);
}

function column(c, tones, x, y, { box, tall }, share) {
  const dark = tall * share;
  c.fillStyle = tones.free;
  c.fillRect(x, y, box, tall - dark);
  c.fillStyle = tones.frozen;
  c.fillRect(x, y + tall - dark, box, dark);
  c.strokeStyle = tones.line;
  c.lineWidth = 1;
  c.strokeRect(x, y, box, tall);
}

function hatch(c, tones, x, y, wide, tall) {
  c.save();
  c.beginPath();
  c.rect(x, y, wide, tall);
  c.clip();
  c.strokeStyle = tones.frozen;
  c.lineWidth = 1.5;
  c.beginPath();
  for (let d = -tall; d < wide; d += 6) {
    c.moveTo(x + d, y + tall);
    c.lineTo(x + d + tall, y);
  }
  c.stroke();
  c.restore();
}

function bar(c, tones, x, y, wide, share, most) {
  const tall = share > 0 ? Math.max(1, 20 * Math.sqrt(Math.min(share / most, 1))) : 0;
  c.fillStyle = tones["frozen-line"];
  c.fillRect(x, y - 3 - tall, wide, tall);
}

/** The gradient that arrives from the right: an arrow, or a cross. */
function arrow(c, tones, x, y, { box, step }, gradient, largest) {
  const s = strength(gradient, largest), half = 1 + 7 * s, head = Math.min(box, 7);
  if (s > 0) {
    c.fillStyle = tones.accent;
    c.globalAlpha = 0.5 + 0.5 * s;
    c.beginPath();
    c.moveTo(x, y);
    c.lineTo(x + head, y - half);
    c.lineTo(x + head, y - half / 3);
    c.lineTo(x + step, y - half / 3);
    c.lineTo(x + step, y + half / 3);
    c.lineTo(x + head, y + half / 3);
    c.lineTo(x + head, y + half);
    c.fill();
    c.globalAlpha = 1;
    return;
  }
  const middle = x + box / 2, d = Math.min(3, box / 2);
  c.strokeStyle = tones.line;
  c.lineWidth = 1.2;
  c.beginPath();
  c.moveTo(middle - d, y - d);
  c.lineTo(middle + d, y + d);
  c.moveTo(middle + d, y - d);
  c.lineTo(middle - d, y + d);
  c.stroke();
}

// ---- the legend --------------------------------------------------------------------------------
const short = (x) => String(Number(x.toPrecision(2)));

/** What a strip's marks mean, for all that it draws. on: {cells, signs, share, deaf} are true or
 * words of a figure's own; `flips` is the most of all frames and `gradient` the largest, or true
 * where it only arrives or does not. */
export function key(parent, on) {
  const list = h("ul", { class: "lbl-legend lbl-key" });
  parent.append(list);
  const words = (name, usual) => on[name] === true ? usual : on[name];
  const item = (text, paint, wide = 16) => list.append(h("li", {}, sample(paint, wide), text));
  const one = (frozen, up = null) => (c, near) => marks(c, near, [{ x: 2, y: 2, frozen, up }], 12);
  if (on.cells) {
    const [free, frozen] = words("cells", ["free: a real number", "frozen: a single bit"]);
    if (free) item(free, one(false)); // some networks have no free entry
    item(frozen, one(true));
  }
  if (on.signs) {
    item(words("signs", "with a bar: −1; without one: +1"), (c, near) => {
      marks(c, near, [{ x: 2, y: 2, frozen: true, up: false }], 12);
      marks(c, near, [{ x: 18, y: 2, frozen: false, up: false }], 12);
    }, 32);
  }
  const g = { box: 12, step: 14, tall: 14, wide: 1 };
  const filled = (share) => (c, near) => column(c, tonesOf(near), 2, 1, g, share);
  if (Array.isArray(on.share)) on.share.forEach((text, whole) => item(text, filled(whole)));
  else if (on.share) item("a stage, dark from below as far as it is frozen", filled(0.4));
  if (on.flips) {
    item(
      `bar above: signs that flipped since the frame before, at most ${short(100 * on.flips)} %`,
      (c, near) => bar(c, tonesOf(near), 2, 18, 12, 0.5, 1),
    );
  }
  const shown = (gradient, step) => (c, near) =>
    arrow(c, tonesOf(near), 1, 8, { box: step - 4, step }, gradient, 1);
  if (on.gradient === true) {
    item("gradient arrives", shown(1, 26), 28);
    item("none arrives", shown(0, 14));
  } else if (on.gradient) {
    const widest = on.gradient > 0 ? `${short(on.gradient)}, the largest here` : on.gradient;
    item(`gradient that arrives: ${widest}`, shown(1, 26), 28);
    item("a millionth of it (between, by powers of ten)", shown(1.01e-6, 26), 28);
    item("less, or none", shown(0, 14));
  }
  if (on.deaf) {
    item(words("deaf", "deaf: free, but no gradient arrives any more"), (c, near) => {
      column(c, tonesOf(near), 2, 1, g, 0);
      hatch(c, tonesOf(near), 2, 1, 12, 14);
    });
  }
  return list;
}

/** A small picture in a legend: `paint` draws it, 16 high. */
function sample(paint, wide) {
  const node = h("canvas"), scale = devicePixelRatio || 1, tall = 16;
  node.style.width = `${wide}px`;
  node.style.height = `${tall}px`;
  [node.width, node.height] = [Math.round(wide * scale), Math.round(tall * scale)];
  const draw = () => {
    const c = node.getContext("2d");
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, wide, tall);
    paint(c, node);
  };
  onTheme(draw);
  new ResizeObserver(draw).observe(node); // once it stands on the page, where colors are known
  return h("span", { class: "lbl-sample", "aria-hidden": "true" }, node);
}
