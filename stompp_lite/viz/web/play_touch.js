// The layer that the reader touches: its matrix of signs, whose tiles flip, and what each of its
// neurons answers.
import { canvas } from "./draw.js";
import { h } from "./kit.js";
import { neurons, tiles } from "./play_draw.js";

const upper = (text) => text[0].toUpperCase() + text.slice(1);

/** The panel; show(lane, set) paints what the lane's worker has told of the layer. */
export function panel(parent) {
  const matrix = h("div", { class: "lbl-matrix" }), fields = h("div");
  const name = h("p", { class: "lbl-strip" }), other = h("p", { class: "lbl-strip" });
  matrix.append(name);
  fields.append(other);
  parent.append(h("div", { class: "lbl-touched" }, matrix, fields));
  let lane = null, set = null, flipped = 0;
  const weights = canvas(matrix, { height: 132, label: "Matrix of the layer", draw: paint });
  const seen = canvas(fields, { height: 132, label: "Fields of its neurons", draw: paintFields });

  function paint(c, width, height) {
    const { matrix: found } = lane?.now?.watch ?? {};
    if (!found) return;
    const side = Math.min(width, (height * found.columns) / found.rows);
    flipped = tiles(c, weights.node, found, lane.now.before, side);
  }
  function paintFields(c, width, height) {
    const watch = lane?.now?.watch;
    if (watch) neurons(c, seen.node, watch, set.inputs === 2, width, height);
  }
  return {
    show(one, data) {
      [lane, set] = [one, data];
      const { watch } = lane.now;
      weights.paint();
      seen.paint();
      if (!watch || watch.stage >= lane.now.cells.length) return;
      const { matrix: of, stage } = watch, what = lane.nameOf(stage).replace(/:.*/, "");
      const size = of ? `${of.rows} × ${of.columns}` : "";
      const whole = lane.title ? `${lane.title}, ${what}` : what; // which network, in a race
      name.textContent = of
        ? `${upper(whole)}: its ${size} signs, +1 light, −1 dark` +
          (flipped ? `; ${flipped} just flipped` : "") + (lane.hint && `. ${lane.hint}`)
        : `${lane.title ? upper(whole) : "The input stage"}: float weights; only its activations ` +
          `become bits. ${lane.hint}`;
      other.textContent = set.inputs === 2
        ? "What each of its neurons answers in the plane"
        : "What its neurons answer to each digit, on average: blue +1, orange −1";
      const many = of ? of.bits.reduce((sum, bit) => sum + (bit & 1), 0) : 0;
      weights.describe(
        of
          ? `${whole}: ${many} of ${of.bits.length} signs are +1, ${flipped} flipped since the ` +
            "picture before."
          : "No binary weights in the input stage.",
      );
      seen.describe(`${other.textContent}: ${watch.neurons} neurons of ${whole}.`);
    },
  };
}
