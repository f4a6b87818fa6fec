// Digit machine (chapter 19): a packed network runs in the page from the bytes of its file. Draw a
// digit, see the bits of a binary layer, and how the bits of one output vote.
import { columns } from "./bars.js";
import { canvas, color, legend } from "./draw.js";
import { button, choice, frame, h, need, numbers, slider, tell } from "./kit.js";
import { bitOf, fromBase64, read, run, vote } from "./packed.js";
import { gray, inkPad } from "./pad.js";

const PIXELS = 64, TALL = 150; // of a digit; height of a picture
const shown = (v) => (v > 0 ? `+${v}` : String(v).replace("-", "−"));

/** Where the entries of a value stand: channels as tiles, a row of signs as a square. */
function layout(shape, width, tall) {
  const side = Math.ceil(Math.sqrt(shape[0]));
  const [count, high, wide] = shape.length > 1 ? shape : [1, Math.ceil(shape[0] / side), side];
  let cell = 18, per = 1;
  do {
    cell -= 0.5;
    per = Math.max(1, Math.floor((width + cell) / ((wide + 1) * cell)));
  } while (
    cell > 1.5 && (Math.ceil(count / per) * (high + 1) * cell > tall || wide * cell > width)
  );
  const at = (k) => {
    const tile = Math.floor(k / high / wide), y = Math.floor(k / wide) % high;
    return [
      ((tile % per) * (wide + 1) + (k % wide)) * cell,
      (Math.floor(tile / per) * (high + 1) + y) * cell,
    ];
  };
  return { cell, at, height: Math.ceil(count / per) * (high + 1) * cell };
}

export function render({ model, el }) {
  const { file, name, images, labels } = model.get("data");
  need(typeof file === "string", "there is no file to run");
  const net = read(fromBase64(file)), reads64 = net.shape.reduce((a, b) => a * b, 1);
  need(reads64 === PIXELS, `the network reads ${reads64} numbers, and a digit has 64`);
  const layers = net.ops.filter((op) => op.kind === "xnor");
  need(layers.length > 0, "the network has no binary layer that reads signs");
  need(images?.length > 0, "there is no digit to begin with");
  need(labels?.length === images.length, `${images.length} images and ${labels?.length} labels`);
  images.forEach((image, k) => {
    need(numbers(image, `image ${k}`, 0, 16).length === PIXELS, `image ${k} has not 64 pixels`);
  });

  const f = frame(el, "A packed network that reads a digit");
  const s = { sample: 0, layer: 0, output: 0, pixel: null };
  let values = {}, voted = {};
  const op = () => layers[s.layer], inputs = () => op().inputs.map((key) => values[key]);
  const written = () => values[op().output], size = (shape) => shape.reduce((a, b) => a * b, 1);
  const space = () => written().shape.slice(1); // an image, or nothing
  const titled = ({ name }) => /^\d/.test(name) ? `layer ${name}` : name;

  // ---- the pad ----
  const picks = h("div", { class: "lbl-orders", role: "group", "aria-label": "digits to load" });
  f.controls.append(picks);
  const thumbs = images.map((image, k) => {
    const label = `load test digit ${k + 1}, a ${labels[k]}`;
    const node = button(picks, "", () => load(k), { class: "lbl-thumb", "aria-label": label });
    canvas(node, { height: 32, label: "", draw: (c) => gray(c, image, 32) }).node
      .setAttribute("aria-hidden", "true");
    return node;
  });
  button(f.controls, "Clear", () => {
    pad.clear();
    changed();
  });
  const link = h("a", {
    download: name,
    href: `data:application/octet-stream;base64,${file}`,
  }, `Download the file (${atob(file).length.toLocaleString("en")} bytes)`);
  const side = (text, ...nodes) => h("div", {}, h("p", { class: "lbl-strip" }, text), ...nodes);
  const draws = h("div", {}), seen = h("div", { class: "lbl-digit" }), scores = h("div", {});
  f.stage.append(
    h(
      "div",
      { class: "lbl-machine" },
      side("draw here, from top to bottom", draws),
      side("as it is read", seen),
      side("score of each class", scores),
    ),
  );
  const pad = inkPad(draws, changed);
  const view = canvas(seen, {
    height: (w) => w,
    label: "",
    draw: (c, w) => gray(c, pad.grays(), w),
  });
  const bars = canvas(scores, {
    height: 150,
    label: "",
    draw: (c, width) => {
      const row = [...values.output.numbers], most = Math.max(...row.map(Math.abs), 1e-9);
      const box = { x: 2, y: 6, width: width - 4, height: 120 };
      const marked = best(), names = row.map((_, k) => String(k));
      columns(c, box, row, { most, tone: "frozen-line", names, marked });
    },
  });
  const best = () => values.output.numbers.indexOf(Math.max(...values.output.numbers));

  function load(k) {
    pad.load(images[k]);
    s.sample = k;
    draw();
  }
  let waiting = false;
  function changed() {
    s.sample = -1;
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }

  // ---- the layer and the vote ----
  const row = h("div", { class: "lbl-controls" });
  f.stage.append(row);
  if (layers.length > 1) {
    choice(row, {
      label: "binary layer",
      options: layers.map((one, k) => [k, `${k + 1} of ${layers.length}: ${titled(one)}`]),
      value: 0,
      on: (k) => go({ layer: Number(k), output: 0, pixel: null }),
    });
  }
  const output = slider(row, {
    label: "output",
    min: 1,
    max: 2,
    value: 1,
    on: (k) => go({ output: k - 1 }),
  });
  const pixel = slider(row, {
    label: "pixel",
    min: 1,
    max: 2,
    value: 1,
    show: (k) => {
      const wide = values.output ? space()[1] : 1;
      return `row ${Math.floor((k - 1) / wide) + 1}, column ${(k - 1) % wide + 1}`;
    },
    on: (k) => go({ pixel: k - 1 }),
  });
  const maps = h("div", { class: "lbl-pair lbl-even" }), votes = h("div", { class: "lbl-votes" });
  f.stage.append(maps);
  const map = (text, value, chosen) => {
    const box = h("div", {});
    maps.append(side(text, box));
    return canvas(box, {
      height: (w) => layout(value().shape, w - 4, TALL - 4).height + 4,
      label: "",
      draw: (c, w) => {
        const { shape, words, numbers: sums } = value();
        const spots = layout(shape, w - 4, TALL - 4);
        const most = sums ? Math.max(...sums.map(Math.abs), 1) : 1;
        squares(c, spots, size(shape), (k) => {
          if (words) return [bitOf(words, k) ? "frozen" : "free", 1];
          return [sums[k] >= 0 ? "frozen-line" : "accent", Math.abs(sums[k]) / most];
        });
        if (chosen) ring(c, spots, here());
      },
    });
  };
  const reads = map("signs that the layer reads", () => inputs()[0]);
  const writes = map("what it writes: choose one", written, true);
  writes.node.addEventListener("click", (event) => {
    const spots = layout(written().shape, writes.node.clientWidth - 4, TALL - 4);
    const count = size(written().shape), plane = size(space());
    for (let k = 0; k < count; k++) {
      const [x, y] = spots.at(k).map((v) => v + 2), { offsetX, offsetY } = event;
      const inside = offsetX >= x && offsetX < x + spots.cell && offsetY >= y;
      if (inside && offsetY < y + spots.cell) {
        return go({ output: Math.floor(k / plane), pixel: k % plane });
      }
    }
  });
  f.stage.append(votes);
  const panel = (text, tone) => {
    const box = h("div", {});
    votes.append(side(text, box));
    return canvas(box, {
      height: (w) => Math.min(w, TALL),
      label: "",
      draw: (c, w) => {
        const taps = op().settings.layer === "conv"
          ? op().arrays.signs.shape.slice(1)
          : [voted.all];
        squares(c, layout(taps, w - 4, Math.min(w, TALL)), voted.all, (k) => {
          return bitOf(voted.inside, k) ? [tone(k), 1] : null;
        });
      },
    });
  };
  const agrees = (k) => bitOf(voted.read, k) === bitOf(voted.row, k);
  const panels = [
    panel("signs it reads", (k) => bitOf(voted.read, k) ? "frozen" : "free"),
    panel("its weights", (k) => bitOf(voted.row, k) ? "frozen" : "free"),
    panel("xnor: who agrees", (k) => agrees(k) ? "accent" : "faint"),
  ];
  const track = h("div", { class: "lbl-track lbl-tally", "aria-hidden": "true" });
  const sums = h("p", { class: "lbl-sum" });
  f.stage.append(track, sums);
  legend(f.stage, [
    { label: "+1", tone: "frozen", square: true },
    { label: "−1", tone: "free", square: true },
    { label: "the two agree", tone: "accent", square: true },
  ]);
  f.stage.append(h("p", { class: "lbl-files" }, link));

  function squares(c, { cell, at }, count, look) {
    const tones = {};
    for (let k = 0; k < count; k++) {
      const found = look(k), [x, y] = at(k);
      if (!found) continue;
      c.fillStyle = tones[found[0]] ??= color(found[0], f.stage);
      c.globalAlpha = found[1];
      c.fillRect(x + 2, y + 2, cell - (cell > 5 ? 1 : 0.3), cell - (cell > 5 ? 1 : 0.3));
    }
    c.globalAlpha = 1;
  }
  function ring(c, { cell, at }, k) {
    const [x, y] = at(k);
    c.strokeStyle = color("accent", f.stage);
    c.lineWidth = 2.5;
    c.strokeRect(x + 1, y + 1, cell + 1, cell + 1);
  }
  const here = () => s.output * size(space()) + s.pixel;
  function go(change) {
    Object.assign(s, change);
    show();
  }
  function draw() {
    values = run(net, pad.grays().map((v) => v / 8 - 1));
    for (const one of [pad, view, bars]) one.paint();
    thumbs.forEach((node, k) => node.setAttribute("aria-pressed", String(k === s.sample)));
    show();
  }
  function show() {
    const { shape } = written(), plane = size(space()), [high, wide] = space();
    s.pixel ??= plane > 1 ? (high >> 1) * wide + (wide >> 1) : 0;
    output.range(1, shape[0]);
    output.set(s.output + 1);
    pixel.range(1, plane);
    pixel.set(s.pixel + 1);
    pixel.input.parentNode.hidden = plane === 1;
    reads.node.parentNode.parentNode.hidden = plane === 1; // a linear layer's stand below
    voted = vote(op(), inputs(), s.output, s.pixel);
    for (const one of [reads, writes, ...panels]) one.paint();
    tally();
  }
  function tally() {
    const { agree, count, sum, threshold, flip, bit, residual } = voted;
    const needed = Math.ceil((threshold + count) / 2), always = needed <= 0 || needed > count;
    const fillOf = h("span", { class: "lbl-fill" }), mark = h("span", { class: "lbl-mark" });
    fillOf.style.cssText = `left: 0; width: ${100 * agree / count}%; --tone: var(--lbl-accent)`;
    mark.style.left = `${100 * (needed - 0.5) / count}%`;
    track.replaceChildren(fillOf, ...(bit === undefined || always ? [] : [mark]));
    const says = bit === undefined ? null : bit ? "+1" : "−1";
    const along = residual == null ? "" : `, where the shortcut brings ${residual ? "+1" : "−1"},`;
    const rule = always
      ? `and whatever they say${along} its sign is ${says}`
      : `and ${flip ? "below" : "from"} ${needed}${flip ? "" : " on"}${along} its sign is +1: ` +
        `it is ${says} here`;
    sums.textContent =
      `popcount ${agree} of ${count},  2 · ${agree} − ${count} = ${shown(sum)},  ` +
      (says ? `threshold ${shown(threshold)},  sign ${says}` : "a number that stays a number");
    const digit = pad.grays(),
      empty = !digit.some(Boolean),
      known = s.sample >= 0 ? `; it is a ${labels[s.sample]}` : "";
    const answer = empty ? `The pad is empty; the network says ${best()} all the same` : null;
    const what = `${answer ?? `The network says ${best()}${known}`}. Output ${s.output + 1} of ` +
      `binary layer ${s.layer + 1}: ${agree} of ${count} signs agree, ` +
      (says ? `${rule}.` : `and the sum ${shown(sum)} goes on as a number.`);
    f.say(what);
    const row = [...values.output.numbers];
    pad.describe();
    view.describe(`The digit as the network reads it, 8 × 8 gray values: ${digit.join(" ")}.`);
    bars.describe(`Score by class: ${row.map((v, k) => `${k}: ${v.toFixed(2)}`).join(", ")}.`);
    const shape = (value) => value.shape.join(" × ");
    reads.describe(`The signs that binary layer ${s.layer + 1} reads, ${shape(inputs()[0])}.`);
    writes.describe(`What binary layer ${s.layer + 1} writes, ${shape(written())}.`);
    const told = ["The signs that the output reads", "Its weights as signs", "Where the two agree"];
    panels.forEach((one, k) => one.describe(`${told[k]}, ${count} places; ${agree} agree.`));
    f.data(() => [["class", "score"], ...row.map((v, k) => [k, v.toFixed(4)])]);
    tell(model, { grays: digit, scores: row, answer: best(), agree, count, sign: says });
  }
  load(0);
}
