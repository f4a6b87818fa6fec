// The picture of a curve that is drawn by hand, and of the recorded one beside it.
import { color } from "./draw.js";

const MARGIN = { left: 54, right: 18, top: 12, bottom: 44 };

/** Steps of about a hundredth of the range: 1, 2 or 5 times a power of ten. */
export function stepOf(low, high) {
  const rough = (high - low) / 100, ten = 10 ** Math.floor(Math.log10(rough));
  return ten * [1, 2, 5, 10].find((k) => k * ten >= rough * 0.999);
}

/** What was drawn, with gaps between drawn points filled along straight lines; null elsewhere. */
export function filled(drawn, at) {
  const known = drawn.flatMap((y, k) => (y === null ? [] : [k]));
  return drawn.map((y, k) => {
    if (y !== null) return y;
    const left = known.findLast((i) => i < k), right = known.find((i) => i > k);
    if (left === undefined || right === undefined) return null;
    const share = (at[k] - at[left]) / (at[right] - at[left]);
    return drawn[left] + share * (drawn[right] - drawn[left]);
  });
}

/** A picture with positions `at` (named by `x`), a range, labels, the recorded curve and its runs;
 * `places` writes a value, `el` has the colors. */
export function pictureOf({ el, x, at, range: [low, high], labels, curve, runs, places }) {
  const span = at.at(-1) - at[0];
  const ticks = Array.from({ length: 6 }, (_, k) => low + (k * (high - low)) / 5);
  /** No more decimals than the ticks need: there is no room for them beside the label. */
  const digits = Math.max(...ticks.map((v) => String(+places(v)).split(".")[1]?.length ?? 0));

  /** Where positions and values lie in a canvas of that size, and back. */
  function scales(width, tall) {
    const left = MARGIN.left, right = width - MARGIN.right, bottom = tall - MARGIN.bottom;
    const inset = Math.min(24, (right - left) / 12);
    return {
      left,
      right,
      bottom,
      x: (p) => left + inset + ((p - at[0]) / span) * (right - left - 2 * inset),
      y: (v) => bottom - ((v - low) / (high - low)) * (bottom - MARGIN.top),
      value: (py) => low + ((bottom - py) / (bottom - MARGIN.top)) * (high - low),
    };
  }

  function axes(c, s, width, tall) {
    const ink = color("ink", el), faint = color("faint", el);
    c.font = "12px system-ui, sans-serif";
    c.textAlign = "right";
    c.textBaseline = "middle";
    for (const v of ticks) {
      c.fillStyle = ink;
      c.fillText(v.toFixed(digits), s.left - 6, s.y(v));
      c.fillStyle = faint;
      c.fillRect(s.left, s.y(v) - 0.5, s.right - s.left, 1);
    }
    c.textAlign = "center";
    let end = -Infinity;
    at.forEach((p, k) => {
      const half = c.measureText(x[k]).width / 2, middle = s.x(p);
      c.fillStyle = faint;
      c.fillRect(middle - 0.5, MARGIN.top, 1, s.bottom - MARGIN.top);
      if (middle - half < end) return;
      end = middle + half + 8;
      c.fillStyle = ink;
      c.fillText(x[k], middle, s.bottom + 12);
    });
    c.font = "13px system-ui, sans-serif";
    c.fillStyle = ink;
    const half = c.measureText(labels.x).width / 2; // on a phone it is wider than the axis
    c.fillText(
      labels.x,
      Math.min((s.left + s.right) / 2, s.right + MARGIN.right - half),
      tall - 10,
    );
    c.save();
    c.translate(12, (MARGIN.top + s.bottom) / 2);
    c.rotate(-Math.PI / 2);
    c.fillText(labels.y, 0, 0);
    c.restore();
  }

  function line(c, s, values, paint, dash) {
    c.strokeStyle = paint;
    c.lineWidth = 2.2;
    c.setLineDash(dash);
    c.beginPath();
    values.forEach((v, k) => {
      if (v === null) return;
      const joined = k > 0 && values[k - 1] !== null;
      c[joined ? "lineTo" : "moveTo"](s.x(at[k]), s.y(v));
    });
    c.stroke();
    c.setLineDash([]);
  }

  function recorded(c, s, shown) {
    const paint = color("frozen-line", el), reached = s.x(at[0] + shown * span);
    c.save();
    c.beginPath();
    c.rect(0, 0, shown === 1 ? 10_000 : reached, 10_000);
    c.clip();
    line(c, s, curve, paint, []);
    c.fillStyle = paint;
    runs.forEach((some, k) => {
      for (const v of some) {
        c.beginPath();
        c.arc(s.x(at[k]), s.y(v), 3.2, 0, 7);
        c.fill();
      }
    });
    c.restore();
  }

  /** drawn: by the reader; here: the position that has the focus, or null; shown: how far the
   * recorded curve has come, from 0 to 1, or null. */
  function paint(c, width, tall, { drawn, here, shown }) {
    const s = scales(width, tall), mine = color("accent", el), values = filled(drawn, at);
    c.lineWidth = 1;
    axes(c, s, width, tall);
    if (here !== null) {
      c.strokeStyle = color("line", el);
      c.strokeRect(s.x(at[here]) - 9, MARGIN.top - 2, 18, s.bottom - MARGIN.top + 4);
    }
    line(c, s, values, mine, [6, 4]);
    c.strokeStyle = c.fillStyle = mine;
    c.lineWidth = 1.6;
    values.forEach((v, k) => {
      if (v === null) return;
      if (drawn[k] !== null) c.fillRect(s.x(at[k]) - 4, s.y(v) - 4, 8, 8);
      else c.strokeRect(s.x(at[k]) - 3.5, s.y(v) - 3.5, 7, 7);
    });
    if (shown !== null) recorded(c, s, shown);
  }

  return { scales, paint };
}
