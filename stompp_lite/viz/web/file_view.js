// File view (chapter 19): the file of a packed network byte by byte, and the signs that bits are.
import { canvas, color, legend } from "./draw.js";
import { choice, frame, h, need, slider, tell } from "./kit.js";
import { fromBase64 } from "./packed.js";

const WIDE = 16, TALL = 10, SHOWN = 12; // bytes of a row; rows of bytes and of signs that are seen
const KINDS = {
  length: ["length of the header", "line"],
  header: ["header", "faint"],
  signs: ["signs", "accent"],
  thresholds: ["thresholds", "frozen-line"],
  floats: ["floats", "free"],
};
const TYPES = { I16: [2, "Int16"], I32: [4, "Int32"], F32: [4, "Float32"], F64: [8, "Float64"] };
const hex = (x, digits) => x.toString(16).padStart(digits, "0");
const sign = (bit) => (bit ? "+" : "−");
const tidy = (x) => x.toLocaleString("en");
const product = (shape) => shape.reduce((a, b) => a * b, 1);
const printable = (byte) => byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·";

export function render({ model, el }) {
  const { name, size, regions, start, pieces } = model.get("data");
  need(size > 8 && regions?.length > 0, "there is no file to show");
  const bytes = new Array(size).fill(null); // null: not in the page
  for (const [at, text] of pieces) {
    fromBase64(text).forEach((byte, k) => {
      bytes[at + k] = byte;
    });
  }
  for (const { kind, label } of regions) need(kind in KINDS, `${label} is of no known kind`);
  need(regions[start], `there is no region ${start}`);
  const f = frame(el, "The file of a packed network");
  const s = { at: regions[start].from, top: 0 };
  const digits = Math.max(4, (size - 1).toString(16).length);
  const regionAt = (at) => regions.findLast((r) => r.from <= at);
  const lastTop = Math.max(Math.ceil(size / WIDE) - TALL, 0);

  const region = choice(f.controls, {
    label: "go to",
    options: regions.map((r, k) => [k, `${r.label}: ${tidy(r.to - r.from)} bytes`]),
    value: start,
    on: (k) => {
      s.top = Math.floor(regions[k].from / WIDE);
      choose(regions[k].from);
    },
  });
  const place = slider(f.controls, {
    label: "first row",
    min: 0,
    max: lastTop,
    value: 0,
    show: (row) => `byte ${tidy(row * WIDE)} of ${tidy(size)}`,
    on: (row) => {
      s.top = row;
      choose(Math.min(row * WIDE + s.at % WIDE, size - 1));
    },
  });
  const bar = h("div", { class: "lbl-whole", "aria-hidden": "true" });
  for (const { from, to, kind } of regions) {
    const part = h("span", {});
    part.style.cssText = `flex: ${to - from} 0 0; background: var(--lbl-${KINDS[kind][1]})`;
    bar.append(part);
  }
  const dump = h("div", {
    class: "lbl-table lbl-dump",
    tabindex: "0",
    role: "application",
    "aria-label": `${name}: bytes; arrow keys choose one, Page Up and Page Down go further`,
    "data-lm-suppress-shortcuts": "true",
    onkeydown: (event) => {
      const by = {
        ArrowLeft: -1,
        ArrowRight: 1,
        ArrowUp: -WIDE,
        ArrowDown: WIDE,
        PageUp: -WIDE * TALL,
        PageDown: WIDE * TALL,
      }[event.key];
      if (!by) return;
      event.preventDefault();
      choose(Math.min(Math.max(s.at + by, 0), size - 1));
    },
  });
  f.stage.append(bar, dump);
  legend(f.stage, Object.values(KINDS).map(([label, tone]) => ({ label, tone, square: true })));
  const eight = h("div", { class: "lbl-table lbl-eight", tabindex: "0", role: "region" });
  const holder = h("div", {}), title = h("p", { class: "lbl-strip" });
  const scroll = h("div", { class: "lbl-table", tabindex: "0", role: "region" }, holder);
  const signs = h("div", { class: "lbl-bytes" }, eight, h("div", {}, title, scroll));
  eight.setAttribute("aria-label", "the bytes of one row of weights as bits");
  scroll.setAttribute("aria-label", "the same signs, a row of weights in each line");
  f.stage.append(signs);
  let grid = null; // {region, outputs, length, first} of the tensor of bits that is shown
  const view = canvas(holder, { height: () => SHOWN * cellOf() + 2, label: "", draw: paint });

  // ---- the bytes ----
  let cells = new Map();
  function fill() {
    cells = new Map();
    const rows = [];
    for (let row = s.top; row < Math.min(s.top + TALL, Math.ceil(size / WIDE)); row++) {
      const line = h("tr", {}, h("th", { scope: "row" }, hex(row * WIDE, digits)));
      let text = "";
      for (let at = row * WIDE; at < (row + 1) * WIDE; at++) {
        if (at >= size) {
          line.append(h("td", {}));
          continue;
        }
        const { kind } = regionAt(at), byte = bytes[at];
        const cell = h("td", { class: `lbl-in-${kind}` }, byte === null ? "··" : hex(byte, 2));
        cell.addEventListener("pointerover", () => choose(at));
        cell.addEventListener("click", () => choose(at));
        cells.set(at, cell);
        line.append(cell);
        text += kind === "header" && byte !== null ? printable(byte) : " ";
      }
      line.append(h("td", { class: "lbl-text" }, text));
      rows.push(line);
    }
    dump.replaceChildren(h("table", {}, h("tbody", {}, ...rows)));
  }
  let marked = [];
  function mark() {
    for (const cell of marked) cell.classList.remove("lbl-here");
    marked = [cells.get(s.at)].filter(Boolean);
    for (const cell of marked) cell.classList.add("lbl-here");
  }

  // ---- bits as signs ----
  const bit = (entry) => (bytes[grid.region.from + (entry >> 3)] >> (entry & 7)) & 1;
  const known = (entry) => bytes[grid.region.from + (entry >> 3)] !== null;
  const cellOf = () => {
    if (!grid) return 8;
    const room = scroll.clientWidth || 300;
    return Math.min(Math.max(Math.floor((room - 2) / grid.length), 5), 14);
  };
  function paint(c) {
    if (!grid) return;
    const cell = cellOf(), from = 8 * (s.at - grid.region.from);
    const tones = [color("free", f.stage), color("frozen", f.stage)];
    const place = (entry) => [
      1 + (entry % grid.length) * cell,
      1 + (Math.floor(entry / grid.length) - grid.first) * cell,
    ];
    const end = Math.min(grid.first + SHOWN, grid.outputs) * grid.length;
    for (let entry = grid.first * grid.length; entry < end; entry++) {
      if (!known(entry)) continue;
      c.fillStyle = tones[bit(entry)];
      c.fillRect(...place(entry), cell - 1, cell - 1);
    }
    c.strokeStyle = color("accent", f.stage);
    c.lineWidth = 2;
    for (let entry = from; entry < Math.min(from + 8, end);) { // eight signs may take two lines
      const last = Math.min(from + 8, end, entry - entry % grid.length + grid.length);
      c.strokeRect(...place(entry).map((v) => v - 1), (last - entry) * cell + 1, cell + 1);
      entry = last;
    }
  }
  function pointed(event) {
    const cell = cellOf(), column = Math.floor((event.offsetX - 1) / cell);
    const row = grid.first + Math.floor((event.offsetY - 1) / cell);
    if (column < 0 || column >= grid.length || row < 0 || row >= grid.outputs) return;
    const at = grid.region.from + ((row * grid.length + column) >> 3);
    if (at < grid.region.to) choose(at);
  }
  new ResizeObserver(() => bits(regionAt(s.at))).observe(scroll);
  view.node.addEventListener("pointermove", pointed);
  view.node.addEventListener("click", pointed);

  function bits(r) {
    signs.hidden = r.dtype !== "bits";
    if (signs.hidden) return;
    const outputs = r.shape.length > 1 ? r.shape[0] : 1, length = product(r.shape) / outputs;
    const row = Math.min(Math.floor(8 * (s.at - r.from) / length), outputs - 1);
    const old = grid?.region === r ? grid.first : 0;
    const inside = row >= old && row < old + SHOWN;
    grid = { region: r, outputs, length, first: inside ? old : Math.max(row - 1, 0) };
    holder.style.width = scroll.clientWidth && length * cellOf() > scroll.clientWidth
      ? `${length * cellOf() + 2}px`
      : "";
    const end = Math.min(grid.first + SHOWN, outputs);
    title.textContent = outputs > 1
      ? `the same signs, outputs ${grid.first + 1} to ${end} of ${outputs}, ${length} each`
      : `the same bits, ${length} in all`;
    const from = r.from + Math.floor(row * length / 8);
    const to = Math.min(r.from + Math.ceil((row + 1) * length / 8), r.to);
    const lines = [];
    for (let at = from; at < to; at++) {
      const byte = bytes[at], told = byte === null ? "" : byte.toString(2).padStart(8, "0");
      const read = [...told].reverse().map((b) => sign(b === "1")).join(" ");
      const line = h(
        "tr",
        {},
        ...[hex(at, digits), told && hex(byte, 2), told, read].map((t) => h("td", {}, t)),
      );
      if (at === s.at) line.classList.add("lbl-here");
      line.addEventListener("click", () => choose(at));
      lines.push(line);
    }
    const heads = ["byte", "hex", "bits", "signs, lowest bit first"];
    const head = h("tr", {}, ...heads.map((t) => h("th", { scope: "col" }, t)));
    eight.replaceChildren(h("table", {}, h("thead", {}, head), h("tbody", {}, ...lines)));
    view.describe(
      `Signs of ${r.label} as squares, ${length} in a line. The chosen byte holds signs ` +
        `${8 * (s.at - r.from) + 1} to ${Math.min(8 * (s.at - r.from) + 8, product(r.shape))}.`,
    );
    view.paint();
  }

  // ---- words ----
  function told(r, byte) {
    if (r.kind === "length") {
      const text = [0, 1, 2, 3, 4, 5, 6, 7].map((k) => bytes[k] * 2 ** (8 * k));
      return `one of eight that say how long the header is: ${tidy(text.reduce((a, b) => a + b))}`;
    }
    if (r.kind === "header") return `the character ${printable(byte)} of the header`;
    if (r.dtype === "bits") {
      const from = 8 * (s.at - r.from), count = product(r.shape);
      const seen = Array.from({ length: Math.min(8, count - from) }, (_, k) => (byte >> k) & 1);
      const where = r.shape.length > 1
        ? `, of output ${Math.floor(from / (count / r.shape[0])) + 1} from entry ` +
          `${from % (count / r.shape[0]) + 1}`
        : "";
      const what = r.kind === "signs" ? seen.map(sign).join(" ") : seen.join(" ");
      return `${byte.toString(2).padStart(8, "0")} in bits; from the right ${what}${where}`;
    }
    const [wide, type] = TYPES[r.dtype] ?? [1, "Uint8"], first = s.at - (s.at - r.from) % wide;
    const own = Uint8Array.from({ length: wide }, (_, k) => bytes[first + k] ?? 0);
    const value = new DataView(own.buffer)[`get${type}`](0, true);
    return `one of the ${wide} bytes of ${Number(value.toPrecision(6))}, a ${type.toLowerCase()}`;
  }
  function choose(at) {
    s.at = at;
    const row = Math.floor(at / WIDE);
    if (row < s.top || row >= s.top + TALL) s.top = row < s.top ? row : row - TALL + 1;
    s.top = Math.min(s.top, lastTop);
    if (Number(dump.dataset.top ?? -1) !== s.top) fill();
    dump.dataset.top = s.top;
    mark();
    const r = regionAt(at), byte = bytes[at];
    region.set(regions.indexOf(r));
    place.set(s.top);
    bits(r);
    const what = byte === null
      ? "not in this page, only in the file"
      : `${hex(byte, 2)}: ${told(r, byte)}`;
    f.say(`Byte ${tidy(at)} (hex ${hex(at, digits)}) belongs to ${r.label}. It is ${what}.`);
    tell(model, { at, region: r.label, byte });
  }
  f.data(() => [
    ["what", "from byte", "bytes", "share of the file"],
    ...regions.map((r) => [
      r.label,
      r.from,
      r.to - r.from,
      `${(100 * (r.to - r.from) / size).toFixed(1)} %`,
    ]),
  ]);
  s.top = Math.floor(s.at / WIDE);
  choose(s.at);
}
