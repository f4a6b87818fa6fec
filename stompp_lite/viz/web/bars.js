// Bars: named ones below one another with their numbers, and a row of small upright ones.
import { color } from "./draw.js";
import { h } from "./kit.js";

/** Bars with a name and a number each. set([{label, value, text, tone, hatched}], high, low) draws
 * them on one scale; a value beyond it fills the track. */
export function barRows(parent) {
  const node = h("div", { class: "lbl-bars" });
  parent.append(node);
  return {
    node,
    set(rows, high, low = 0) {
      const at = (value) => 100 * Math.min(Math.max((value - low) / (high - low), 0), 1);
      node.replaceChildren(...rows.map(({ label, value, text, tone, hatched }) => {
        const fill = h("span", { class: `lbl-fill${hatched ? " lbl-hatched" : ""}` });
        const [from, to] = [at(Math.min(value, 0)), at(Math.max(value, 0))];
        fill.style.left = `${from}%`;
        fill.style.width = `${to - from}%`;
        fill.style.setProperty("--tone", `var(--lbl-${tone})`);
        return h(
          "div",
          { class: "lbl-barrow" },
          h("span", { class: "lbl-barname" }, label),
          h("span", { class: "lbl-track", "aria-hidden": "true" }, fill),
          h("span", { class: "lbl-value" }, text),
        );
      }));
    },
  };
}

/** Upright bars of `values` on a canvas, from a line at zero; `names` stand below them. box: {x, y,
 * width, height}; `most`: the size of value that fills it; `marked`: the bar with an outline;
 * `ghosts`: values of which only outlines are drawn. */
export function columns(
  c,
  box,
  values,
  { most, tone, names = null, marked = -1, signed = true, ghosts = null },
) {
  const step = box.width / values.length, wide = Math.max(step * 0.66, 2);
  const zero = box.y + (signed ? box.height / 2 : box.height);
  const tall = signed ? box.height / 2 : box.height;
  const ink = color("ink", c.canvas);
  values.forEach((value, k) => {
    const x = box.x + k * step + (step - wide) / 2;
    const size = Math.min(Math.max(value / most, -1), 1) * tall;
    c.fillStyle = color(tone, c.canvas);
    c.fillRect(x, zero - Math.max(size, 0), wide, Math.abs(size));
    if (ghosts) {
      const other = (ghosts[k] / most) * tall;
      c.strokeStyle = ink;
      c.lineWidth = 1;
      c.strokeRect(x, zero - Math.max(other, 0), wide, Math.abs(other));
    }
    if (k === marked) {
      c.strokeStyle = ink;
      c.lineWidth = 1.6;
      c.strokeRect(x - 2, zero - Math.max(size, 0) - 2, wide + 4, Math.abs(size) + 4);
    }
    if (!names) return;
    c.fillStyle = ink;
    c.font = `${k === marked ? "bold " : ""}12px system-ui, sans-serif`;
    c.textAlign = "center";
    c.fillText(names[k], x + wide / 2, box.y + box.height + 15);
  });
  c.strokeStyle = ink;
  c.lineWidth = 1;
  c.beginPath();
  c.moveTo(box.x, zero + 0.5);
  c.lineTo(box.x + box.width, zero + 0.5);
  c.stroke();
}
