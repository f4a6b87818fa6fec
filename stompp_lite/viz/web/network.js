// A network drawn as a row of stages: how frozen each is, and how much gradient arrives there.
import { color } from "./draw.js";

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
  return Math.min(Math.max(1 + Math.log10(gradient / largest) / 6, 0), 1);
}

/** Draw stages left to right (input at the left) with gradient flowing from the loss at the right.
 * now: {p: [L] frozen fractions, gradient: [L] or null}; largest: the gradient of full width. */
export function network(c, width, top, now, largest, near) {
  const L = now.p.length, step = (width - 66) / L, box = Math.max(step - 5, 3), tall = 34;
  const [free, frozen, ink, line, accent] = ["free", "frozen", "ink", "line", "accent"].map((n) =>
    color(n, near)
  );
  c.font = "12px system-ui, sans-serif";
  c.textBaseline = "middle";
  c.textAlign = "left";
  c.fillStyle = ink;
  c.fillText("in", 2, top + tall / 2);
  c.fillText("loss", width - 30, top + tall / 2);
  for (let l = 0; l < L; l++) {
    const x = 22 + l * step;
    c.fillStyle = blend(free, frozen, now.p[l]);
    c.strokeStyle = line;
    c.lineWidth = 1;
    c.fillRect(x, top, box, tall);
    c.strokeRect(x, top, box, tall);
    // the gradient arrives from the right: an arrow below the box, none where it is zero
    const s = strength(now.gradient?.[l], largest), y = top + tall + 16;
    if (s > 0) {
      const half = 1 + 7 * s;
      c.fillStyle = accent;
      c.globalAlpha = 0.35 + 0.65 * s;
      c.beginPath();
      c.moveTo(x, y);
      c.lineTo(x + Math.min(box, 7), y - half);
      c.lineTo(x + Math.min(box, 7), y - half / 3);
      c.lineTo(x + step, y - half / 3);
      c.lineTo(x + step, y + half / 3);
      c.lineTo(x + Math.min(box, 7), y + half / 3);
      c.lineTo(x + Math.min(box, 7), y + half);
      c.fill();
      c.globalAlpha = 1;
    } else {
      c.strokeStyle = line;
      c.beginPath();
      c.moveTo(x + box / 2 - 3, y - 3);
      c.lineTo(x + box / 2 + 3, y + 3);
      c.moveTo(x + box / 2 + 3, y - 3);
      c.lineTo(x + box / 2 - 3, y + 3);
      c.stroke();
    }
  }
  c.textBaseline = "alphabetic";
}

/** How far the gradient gets: the first stage from the input on that receives more than a
 * thousandth of the largest. */
export function reached(gradient, largest) {
  const l = gradient.findIndex((g) => g !== null && g > 1e-3 * largest);
  return l < 0 ? null : l;
}
