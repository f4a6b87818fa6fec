// A digit of the reader's own, which the network reads while it trains.
import { canvas } from "./draw.js";
import { button, h } from "./kit.js";
import { inkPad } from "./pad.js";
import { votes } from "./play_draw.js";

const EMPTY = "Nothing is drawn yet. Draw a digit with a pen, or by arrow keys and space.";

/** The pad and its votes. changed() is called when the digit is another, or the pad opens. */
export function writing(parent, changed) {
  const box = h("div", { class: "lbl-write" }), says = h("p", { class: "lbl-strip" });
  let logits = null, open = false;
  const pad = inkPad(box, drew);
  const view = canvas(box, {
    height: 58,
    label: "Votes",
    draw: (c, width, height) => logits && votes(c, box, logits, width, height),
  });
  const clear = button(parent, "Clear", () => {
    pad.clear();
    drew();
  });
  const pen = button(parent, "Draw a digit", () => show(!open), { "aria-pressed": "false" });
  parent.append(box, pen, clear, says);
  const drawn = () => pad.grays().some((v) => v > 0);
  function drew() {
    pad.paint();
    pad.describe();
    if (!drawn()) read(null);
    changed();
  }
  function show(now) {
    open = now;
    box.hidden = clear.hidden = !open;
    pen.setAttribute("aria-pressed", String(open));
    says.textContent = "";
    drew();
  }
  /** What the network makes of it: logits, or null. */
  function read(found) {
    logits = found;
    view.paint();
    if (!open) return;
    if (!logits || !drawn()) {
      says.textContent = drawn() ? "" : EMPTY;
      view.describe("No votes yet.");
      return;
    }
    const top = Math.max(...logits), best = logits.indexOf(top);
    const share = Math.round(100 / logits.reduce((sum, v) => sum + Math.exp(v - top), 0));
    says.textContent = `It reads a ${best}, with ${share} % of the votes. The strip shows what ` +
      "each layer makes of your digit.";
    view.describe(`Votes: ${logits.map((v, k) => `${k}: ${v.toFixed(1)}`).join(", ")}.`);
  }
  box.hidden = clear.hidden = true;
  return {
    read,
    get open() {
      return open;
    },
    /** Inputs of the network, from -1 to 1; null where there is no drawing. */
    get digit() {
      return open && drawn() ? Float64Array.from(pad.grays(), (v) => v / 8 - 1) : null;
    },
    /** Whether there is anything to write for. */
    offer(digits) {
      pen.hidden = !digits;
      if (!digits && open) show(false);
    },
  };
}
