// Latent motion (chapter 3): the latent weights of a training run on their way, the signs that the
// network sees at both ends, and the flips.
import { canvas, color, legend } from "./draw.js";
import { controls, frame, h, need, numbers, player, tell } from "./kit.js";

const FLASH = 4; // frames for which a flip is marked
const MARGIN = { top: 22, bottom: 36, side: 16 };
const minus = (text) => text.replaceAll("-", "−");

/** From signs [T][N], true is +1, for each frame: weights that flip in it, that have ever flipped,
 * that have another sign than at first, and that flipped and are back. */
export function counts(signs) {
  const ever = signs[0].map(() => false);
  return signs.map((row, t) => {
    const found = { now: 0, ever: 0, other: 0, back: 0 };
    row.forEach((up, i) => {
      if (t > 0 && up !== signs[t - 1][i]) {
        found.now++;
        ever[i] = true;
      }
      found.ever += ever[i];
      found.other += up !== signs[0][i];
      found.back += ever[i] && up === signs[0][i];
    });
    return found;
  });
}

export function render({ model, el }) {
  const { steps, thousandths, near } = model.get("data");
  need(Array.isArray(steps) && steps.length >= 2, "a motion needs at least two steps");
  need(
    thousandths?.length === steps.length,
    `there are ${steps.length} steps and weights for ${thousandths?.length}`,
  );
  const N = thousandths[0].length;
  thousandths.forEach((row, t) => {
    numbers(row, `the weights at step ${steps[t]}`, -1000, 1000);
    need(
      row.length === N,
      `there are ${row.length} weights at step ${steps[t]}, and ${N} at first`,
    );
  });
  need(near > 0 && near <= 1, `the part that is magnified must lie in (0, 1], got ${near}`);
  const weights = thousandths.map((row) => row.map((w) => w / 1000));
  const signs = thousandths.map((row) => row.map((w) => w >= 0)); // rounding kept every sign
  const told = counts(signs);
  const f = frame(el, "Latent weights in motion");
  const s = { t: 0 };
  const { slide } = controls(f.controls, s, draw);
  const time = slide("t", "time", 0, steps.length - 1, { show: (t) => `step ${steps[t]}` });
  player(f.controls, time, 12);
  const pair = h("div", { class: "lbl-pair lbl-even" });
  f.stage.append(pair);
  const height = MARGIN.top + MARGIN.bottom + Math.min(Math.max(5 * N, 120), 320);
  const views = [1, near].map((end) => {
    const holder = h("div", {});
    pair.append(holder);
    return canvas(holder, { height, label: "", draw: (c, width) => paint(c, width, end) });
  });
  legend(f.stage, [
    { label: "latent weight with its first sign", tone: "frozen-line", dot: true, hollow: true },
    { label: "with the other sign", tone: "ste", dot: true },
    { label: "flips now (ring)", tone: "accent", dot: true, hollow: true },
    { label: "what the network sees: −1 or +1", tone: "frozen", square: true },
  ]);

  function paint(c, width, end) {
    const zoomed = end < 1, inner = width - 2 * MARGIN.side;
    const x = (w) => MARGIN.side + ((Math.min(Math.max(w / end, -1), 1) + 1) / 2) * inner;
    const lane = (height - MARGIN.top - MARGIN.bottom) / N;
    const y = (i) => MARGIN.top + (i + 0.5) * lane, low = height - MARGIN.bottom;
    const tone = (name) => color(name, c.canvas);
    c.font = "12px system-ui, sans-serif";
    c.textAlign = "left";
    c.fillStyle = tone("ink");
    c.fillText(zoomed ? `magnified: −${end} to ${end}` : "all of it: −1 to 1", MARGIN.side, 14);
    if (!zoomed) { // the part that is magnified
      c.fillStyle = tone("faint");
      c.fillRect(x(-near), MARGIN.top, x(near) - x(-near), low - MARGIN.top);
    }
    c.lineWidth = 1;
    c.textAlign = "center";
    for (const at of [-end, 0, end]) {
      c.strokeStyle = tone(at === 0 ? "line" : "faint");
      c.beginPath();
      c.moveTo(x(at), MARGIN.top);
      c.lineTo(x(at), low);
      c.stroke();
      c.fillStyle = tone("ink");
      c.fillText(minus(String(at)), x(at), low + 15);
    }
    c.fillText("latent weight", x(0), low + 30);
    weights[s.t].forEach((w, i) => {
      const up = signs[s.t][i], flipped = up !== signs[0][i];
      if (!zoomed) { // what the network sees
        c.fillStyle = tone("frozen");
        c.strokeStyle = tone("frozen-line");
        const size = Math.min(lane - 1, 5);
        c.fillRect(x(up ? 1 : -1) - (up ? size : 0), y(i) - size / 2, size, size);
        c.strokeRect(x(up ? 1 : -1) - (up ? size : 0), y(i) - size / 2, size, size);
      }
      c.lineWidth = 1.2;
      c.strokeStyle = c.fillStyle = tone(flipped ? "ste" : "frozen-line");
      c.beginPath();
      c.arc(x(w), y(i), zoomed ? 3.2 : 2.2, 0, 7);
      if (flipped) c.fill();
      c.stroke();
      const since = age(i);
      if (since === null) return;
      c.strokeStyle = tone("accent"); // a flip: a ring that grows and is gone after some frames
      c.lineWidth = 2.4 - 0.4 * since;
      c.beginPath();
      c.arc(x(w), y(i), (zoomed ? 6 : 4) + 1.5 * since, 0, 7);
      c.stroke();
    });
  }
  /** Frames since weight i flipped last, if that is so few that it is still marked. */
  function age(i) {
    for (let back = 0; back < FLASH && s.t - back > 0; back++) {
      if (signs[s.t - back][i] !== signs[s.t - back - 1][i]) return back;
    }
    return null;
  }
  function draw() {
    const { now, ever, other, back } = told[s.t];
    const most = Math.max(...weights[s.t].map(Math.abs));
    const words =
      `Step ${steps[s.t]}: ${ever} of ${N} weights have flipped by now; ${back} of them ` +
      `flipped back, so ${other} differ from their first sign.`;
    f.say(
      `${words} The largest latent weight is ${most.toFixed(2)}, and the network sees only ±1.`,
    );
    for (const [k, view] of views.entries()) {
      view.describe(
        `${N} latent weights as dots ${k ? `between −${near} and ${near}` : "between −1 and 1"}, ` +
          `each with the sign that the network sees at the end; ${now} flip at this step. ${words}`,
      );
      view.paint();
    }
    f.data(() => [
      ["step", "flips now", "ever flipped", "flipped back", "another sign", "largest"],
      ...told.map((row, t) => [
        steps[t],
        row.now,
        row.ever,
        row.back,
        row.other,
        Math.max(...weights[t].map(Math.abs)).toFixed(3),
      ]),
    ]);
    tell(model, { t: s.t, step: steps[s.t], ever, back, other });
  }
  draw();
}
