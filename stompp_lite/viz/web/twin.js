// Twin (chapter 1): the same digit read by a float network and by its binary twin, and what each of
// the two costs.
import { columns } from "./bars.js";
import { canvas, color } from "./draw.js";
import { button, frame, h, need, numbers, tell } from "./kit.js";

const SIDE = 8; // pixels of a digit
const NETWORKS = { float: "float network", binary: "binary twin" };
const TONES = { float: "float", binary: "frozen-line" };
const best = (row) => row.indexOf(Math.max(...row));
const ratioText = (r) => (r >= 10 ? String(Math.round(r)) : String(Number(r.toPrecision(2))));

/** A digit in shades of the ink, as large as the context's box. */
function digit(c, pixels, size) {
  c.fillStyle = color("ink", c.canvas);
  const cell = size / SIDE;
  pixels.forEach((value, k) => {
    c.globalAlpha = value;
    c.fillRect((k % SIDE) * cell, Math.floor(k / SIDE) * cell, cell + 0.4, cell + 0.4);
  });
  c.globalAlpha = 1;
}

export function render({ model, el }) {
  const { images, labels, outputs, unit, rows } = model.get("data");
  need(images?.length > 0, "there is no image to read");
  need(labels?.length === images.length, `${images.length} images and ${labels?.length} labels`);
  const classes = outputs?.float?.[0]?.length;
  images.forEach((image, k) => {
    numbers(image, `image ${k}`, 0, 1);
    need(image.length === SIDE * SIDE, `image ${k} has ${image.length} pixels, not 64`);
    for (const name of Object.keys(NETWORKS)) {
      const row = numbers(outputs[name]?.[k], `the output of the ${NETWORKS[name]} for image ${k}`);
      need(
        row.length === classes,
        `the ${NETWORKS[name]} has ${row.length} outputs for image ${k}`,
      );
    }
    need(labels[k] >= 0 && labels[k] < classes, `label ${labels[k]} is no class`);
  });
  for (const { label, ratio } of rows) {
    need(ratio === null || ratio > 0, `the ratio of ${label} must be positive, got ${ratio}`);
  }
  const answers = images.map((_, k) => ({
    float: best(outputs.float[k]),
    binary: best(outputs.binary[k]),
  }));
  const differ = answers.map(({ float, binary }) => float !== binary);
  const f = frame(el, "A digit read by two networks");
  let chosen = Math.max(differ.indexOf(true), 0);
  const picks = h("div", {
    class: "lbl-orders",
    role: "group",
    "aria-label": "digit to read",
  });
  f.controls.append(picks);
  const buttons = images.map((image, k) => {
    const node = button(picks, "", () => {
      chosen = k;
      draw();
    }, {
      class: "lbl-thumb",
      "aria-label": `digit ${k + 1}, a ${labels[k]}${differ[k] ? ", the two disagree" : ""}`,
    });
    canvas(node, { height: 32, label: "", draw: (c) => digit(c, image, 32) }).node
      .setAttribute("aria-hidden", "true");
    node.append(h("span", { "aria-hidden": "true" }, differ[k] ? "≠" : "="));
    return node;
  });
  picks.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    chosen = (chosen + by + images.length) % images.length;
    draw();
    buttons[chosen].focus();
  });

  const sign = "≠ the two networks disagree, = they agree";
  const shown = h("div", { class: "lbl-twin" });
  f.stage.append(h("p", { class: "lbl-strip" }, sign), shown);
  const holder = h("div", { class: "lbl-digit" });
  shown.append(holder);
  const view = canvas(holder, {
    height: (width) => width,
    label: "",
    draw: (c, width) => digit(c, images[chosen], width),
  });
  const flat = (name) => outputs[name].flat().map(Math.abs);
  const most = unit === "probability" ? 1 : Math.max(...flat("float"), ...flat("binary"), 1e-9);
  const readers = Object.keys(NETWORKS).map((name) => {
    const answer = h("p", { class: "lbl-reads" });
    const box = h("div", {}, h("p", { class: "lbl-strip" }, `${NETWORKS[name]}, ${unit} by class`));
    shown.append(box);
    const bars = canvas(box, {
      height: 132,
      label: "",
      draw: (c, width) =>
        columns(c, { x: 2, y: 6, width: width - 4, height: 106 }, outputs[name][chosen], {
          most,
          tone: TONES[name],
          names: outputs[name][chosen].map((_, k) => String(k)),
          marked: answers[chosen][name],
          signed: unit !== "probability",
        }),
    });
    box.append(answer);
    return { name, bars, answer };
  });
  if (rows.length) f.stage.append(costs(rows));

  function draw() {
    const truth = labels[chosen];
    buttons.forEach((node, k) => node.setAttribute("aria-pressed", String(k === chosen)));
    view.paint();
    view.describe(`A handwritten digit of 8 × 8 pixels, a ${truth}.`);
    for (const { name, bars, answer } of readers) {
      const said = answers[chosen][name], right = said === truth;
      answer.textContent = right ? `says ${said} ✓ right` : `says ${said} ✗ it is a ${truth}`;
      const told = outputs[name][chosen].map((v, k) => `${k}: ${v}`).join(", ");
      bars.describe(`The ${NETWORKS[name]} says ${said}. Its ${unit} by class: ${told}.`);
      bars.paint();
    }
    const { float, binary } = answers[chosen];
    const alike = float === binary
      ? `Both networks say ${float}; it is a ${truth}.`
      : `The float network says ${float}, the binary twin ${binary}; it is a ${truth}.`;
    f.say(`${alike} They agree on ${differ.filter((d) => !d).length} of these ${images.length}.`);
    f.data(() => [
      ["class", ...Object.values(NETWORKS).map((n) => `${n}, ${unit}`)],
      ...outputs.float[chosen].map((v, k) => [k, v, outputs.binary[chosen][k]]),
    ]);
    tell(model, { chosen, float, binary, label: truth });
  }
  draw();
}

/** What the two networks cost, with a bar for each ratio on a logarithmic scale. */
function costs(rows) {
  const top = Math.max(10, ...rows.map(({ ratio }) => (ratio > 1 ? ratio : 1)));
  const end = Math.ceil(Math.log10(top));
  const bar = (ratio) => {
    if (ratio === null) return "";
    const fill = h("span", { class: "lbl-fill" });
    fill.style.width = `${(100 * Math.max(Math.log10(ratio), 0)) / end}%`;
    fill.style.setProperty("--tone", "var(--lbl-frozen-line)");
    const track = h("span", { class: "lbl-track", "aria-hidden": "true" }, fill);
    for (let k = 1; k < end; k++) { // a mark at each power of ten
      const mark = h("span", { class: "lbl-mark" });
      mark.style.left = `${(100 * k) / end}%`;
      track.append(mark);
    }
    const words = ratio >= 1 ? `${ratioText(ratio)} × less` : `${ratioText(1 / ratio)} × more`;
    return h("span", { class: "lbl-ratio" }, track, words);
  };
  const last = `how much less, each mark a factor of ten, to ${10 ** end}`;
  return h(
    "table",
    { class: "lbl-costs" },
    h(
      "thead",
      {},
      h("tr", {}, ...["", "float", "binary", last].map((t) => h("th", { scope: "col" }, t))),
    ),
    h(
      "tbody",
      {},
      ...rows.map(({ label, float, binary, ratio }) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, label),
          h("td", {}, float),
          h("td", {}, binary),
          h("td", {}, bar(ratio)),
        )
      ),
    ),
  );
}
