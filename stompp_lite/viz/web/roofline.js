// Roofline (chapter 19): how fast a product can be, from what a core computes and memory moves.
import { canvas, color, legend } from "./draw.js";
import { controls, frame, need, numbers, tell } from "./kit.js";

/** What numbers are stored as: bytes of a row, and how they are drawn. */
const KINDS = {
  float32: { row: (n) => 4 * n, label: "float32", tone: "float", dash: [] },
  int8: { row: (n) => n, label: "int8", tone: "ink", dash: [5, 4] },
  bits: { row: (n) => 8 * Math.ceil(n / 64), label: "bits", tone: "accent", dash: [] },
};
const GIGA = 1e9;

/** How long a product takes at least, for each kind: stompp_lite.tools.roof.bounds. */
export function bounds(roof, rows, length, outputs, packed) {
  const operations = rows * length * outputs, found = {};
  for (const [name, { row }] of Object.entries(KINDS)) {
    let bytes = (rows + outputs) * row(length) + 4 * rows * outputs;
    if (!packed && name !== "float32") bytes += rows * (4 * length + row(length));
    const compute = operations / (GIGA * roof[name]), move = bytes / (GIGA * roof.bandwidth);
    const seconds = Math.max(compute, move), speed = operations / seconds / GIGA;
    const bound = move > compute ? "memory" : "arithmetic";
    found[name] = { operations, bytes, seconds, speed, bound };
  }
  for (const one of Object.values(found)) one.faster = found.float32.seconds / one.seconds;
  return found;
}

const tidy = (x) => x.toLocaleString("en", { maximumSignificantDigits: 3 });
const time = (s) =>
  s < 1e-6 ? `${tidy(s * 1e9)} ns` : s < 1e-3 ? `${tidy(s * 1e6)} µs` : `${tidy(s * 1e3)} ms`;
const BOX = { left: 44, right: 10, top: 24, bottom: 40 };

export function render({ model, el }) {
  const { roof, sizes, start, measured } = model.get("data");
  for (const name of [...Object.keys(KINDS), "bandwidth"]) {
    need(roof?.[name] > 0, `${name} of the roof must be above 0, got ${roof?.[name]}`);
  }
  for (const key of ["rows", "length", "outputs"]) {
    numbers(sizes?.[key], `the sizes of ${key}`, 1);
    need(sizes[key].includes(start[key]), `${key} has no ${start[key]}`);
  }
  for (const ring of measured) need(ring.kind in KINDS, `nothing is known of ${ring.kind}`);
  const f = frame(el, "Roofline");
  const s = { ...start, packed: start.packed ? "packed" : "float32" };
  const { among, pick } = controls(f.controls, s, draw);
  among("length", "K, length of a sum", sizes.length);
  among("rows", "rows (batch × pixels)", sizes.rows);
  among("outputs", "outputs", sizes.outputs);
  pick("packed", "activations arrive", [["packed", "packed"], [
    "float32",
    "as float32, packed first",
  ]]);
  let found = null;
  // both axes are powers of ten
  const top = Math.log10(Math.max(...Object.keys(KINDS).map((name) => roof[name]))) + 0.45;
  const x = { from: -1, to: 3.7 }, y = { from: Math.floor(top) - 3, to: top };
  const view = canvas(f.stage, {
    height: (w) => Math.min(Math.max(0.62 * w, 250), 360),
    label: "",
    draw: paint,
  });
  legend(f.stage, [
    ...Object.values(KINDS).map(({ label, tone, dash }) => ({
      label,
      tone,
      dash: dash.length ? dash : null,
    })),
    ...(measured.length ? [{ label: "measured", tone: "ink", dot: true, hollow: true }] : []),
  ]);

  function paint(c, width, height) {
    const wide = width - BOX.left - BOX.right, tall = height - BOX.top - BOX.bottom;
    const px = (v) => BOX.left + wide * (Math.log10(v) - x.from) / (x.to - x.from);
    const py = (v) => BOX.top + tall * (y.to - Math.log10(v)) / (y.to - y.from);
    const ink = color("ink", f.stage), tone = (name) => color(KINDS[name].tone, f.stage);
    c.font = "12px system-ui, sans-serif";
    const line = (points, style, thick, dash = []) => {
      c.strokeStyle = style;
      c.lineWidth = thick;
      c.setLineDash(dash);
      c.beginPath();
      points.forEach(([a, b]) => c.lineTo(px(a), py(b)));
      c.stroke();
      c.setLineDash([]);
    };
    const low = 10 ** x.from, high = 10 ** x.to, floor = 10 ** y.from, roofTop = 10 ** y.to;
    c.fillStyle = ink;
    c.textAlign = "center";
    for (let k = Math.ceil(x.from); k <= x.to; k++) {
      line([[10 ** k, floor], [10 ** k, roofTop]], color("faint", f.stage), 1);
      c.fillText(tidy(10 ** k), px(10 ** k), BOX.top + tall + 15);
    }
    c.textAlign = "right";
    for (let k = Math.ceil(y.from); k <= y.to; k++) {
      line([[low, 10 ** k], [high, 10 ** k]], color("faint", f.stage), 1);
      c.fillText(tidy(10 ** k), BOX.left - 5, py(10 ** k) + 4);
    }
    c.textAlign = "left";
    c.fillText("billions of operations a second", 2, 12);
    c.textAlign = "right";
    c.fillText("operations per byte", BOX.left + wide, BOX.top + tall + 32);
    c.save();
    c.beginPath();
    c.rect(BOX.left, BOX.top, wide, tall + 1);
    c.clip();
    // the slope is memory's, shared by all; each kind has a roof of its own
    const ridge = (name) => roof[name] / roof.bandwidth;
    line([[low, low * roof.bandwidth], [ridge("bits"), roof.bits]], ink, 1.4);
    for (const [name, { dash }] of Object.entries(KINDS)) {
      line([[ridge(name), roof[name]], [high, roof[name]]], tone(name), 2.2, dash);
      c.fillStyle = ink;
      c.fillText(`${KINDS[name].label} ${tidy(roof[name])}`, px(high) - 4, py(roof[name]) - 5);
    }
    for (const { kind, at, speed } of measured) {
      c.strokeStyle = tone(kind);
      c.lineWidth = 1.6;
      c.beginPath();
      c.arc(px(at), py(speed), 4, 0, 2 * Math.PI);
      c.stroke();
    }
    for (const [name, { operations, bytes, speed }] of Object.entries(found)) {
      const at = operations / bytes;
      line([[at, floor], [at, speed]], tone(name), 1, [2, 3]);
      c.fillStyle = tone(name);
      c.beginPath();
      c.arc(px(at), py(speed), 6, 0, 2 * Math.PI);
      c.fill();
    }
    c.restore();
  }

  function draw() {
    found = bounds(roof, s.rows, s.length, s.outputs, s.packed === "packed");
    const { float32, bits } = found;
    const why = {
      memory: "memory, which cannot bring their bytes faster",
      arithmetic: "arithmetic, which is at its peak",
    };
    const same = float32.bound === bits.bound
      ? `Both wait for ${why[bits.bound]}.`
      : `Bits wait for ${why[bits.bound]}; float32 waits for ${float32.bound}.`;
    const ratio = bits.faster >= 1
      ? `${tidy(bits.faster)} times as fast as float32`
      : `${tidy(1 / bits.faster)} times as slow as float32`;
    const made = s.rows * (4 * s.length + KINDS.bits.row(s.length)) / bits.bytes;
    const packing = s.packed === "packed"
      ? ""
      : ` Packing moves ${Math.round(100 * made)} % of the bytes that bits move.`;
    f.say(
      `At best bits are ${ratio}: ${time(bits.seconds)} and ${time(float32.seconds)} for ` +
        `${tidy(bits.operations)} operations. ${same}${packing}`,
    );
    const points = Object.entries(found).map(([name, one]) =>
      `${name} at ${tidy(one.operations / one.bytes)} operations per byte and ` +
      `${tidy(one.speed)} billion a second, bound by ${one.bound}`
    );
    view.describe(`A roofline with three points: ${points.join("; ")}.`);
    view.paint();
    f.data(() => [
      [
        "numbers",
        "operations",
        "bytes",
        "operations per byte",
        "billion a second",
        "seconds",
        "times as fast as float32",
        "bound by",
      ],
      ...Object.entries(found).map(([name, one]) => [
        name,
        one.operations,
        one.bytes,
        (one.operations / one.bytes).toPrecision(4),
        one.speed.toPrecision(4),
        one.seconds.toPrecision(4),
        one.faster.toPrecision(4),
        one.bound,
      ]),
    ]);
    tell(model, { ...s, packed: s.packed === "packed", faster: bits.faster, bound: bits.bound });
  }
  draw();
}
