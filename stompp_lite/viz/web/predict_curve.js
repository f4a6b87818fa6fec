// Predict a curve: draw it, commit, then the recorded one runs over it.
import { asked } from "./answers.js";
import { askFirst } from "./gate.js";
import { filled, pictureOf, stepOf } from "./curves.js";
import { canvas, legend, within } from "./draw.js";
import { frame, h, need, numbers } from "./kit.js";

const SECONDS = 1.1; // of the recorded curve, on its way

function read({ id, x, truth, note = "" }) {
  const q = asked("curves", id);
  need(Array.isArray(x) && x.length > 1, "there are no two positions to draw at");
  need(typeof truth === "string", "there is no recorded curve");
  let told;
  try {
    told = JSON.parse(atob(truth));
  } catch {
    need(false, "the recorded curve cannot be read");
  }
  const named = x.some((at) => typeof at === "string");
  const at = named ? x.map((_, k) => k) : numbers(x, "the list of positions");
  need(at.every((p, k) => k === 0 || p > at[k - 1]), "the positions do not grow");
  const curve = numbers(told.curve, "the recorded curve", ...q.range), runs = told.runs;
  need(
    curve.length === x.length && runs?.length === x.length,
    `there are ${x.length} positions, and a curve with ${curve.length}`,
  );
  for (const some of runs) numbers(some, "the list of runs", ...q.range);
  return { q, id, x, at, curve, runs, note };
}

export function render({ model, el }) {
  const { q, id, x, at, curve, runs, note } = read(model.get("data"));
  const [low, high] = q.range, step = stepOf(low, high), n = x.length;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const places = (v) => v.toFixed(digits), unit = q.unit ? ` ${q.unit}` : "";
  const show = (v) => `${places(v)}${unit}`, apart = q.unit === "%" ? " points" : unit;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const snap = (v) =>
    Math.min(high, Math.max(low, Number((Math.round(v / step) * step).toFixed(9))));
  let drawn = Array(n).fill(null), wrong = Array(n).fill(false);
  let here = 0, shown = null, ready = () => {}; // shown: how far the recorded curve is drawn

  const yLabel = `${q.y}${q.unit ? `, ${q.unit}` : ""}`, labels = { x: q.x, y: yLabel };
  const plot = pictureOf({ el, x, at, range: q.range, labels, curve, runs, places });
  const state = () => ({
    drawn,
    here: shown === null && pad.matches(":focus") ? here : null,
    shown,
  });
  const f = frame(el, "Predict a curve");
  const help = h(
    "p",
    { class: "lbl-help" },
    "Draw across the picture. By keyboard: left and right choose a place, up and down its value.",
  );
  const pad = h("div", {
    class: "lbl-draw",
    "data-lm-suppress-shortcuts": "true",
    onkeydown: key,
    onpointerdown: down,
    onpointermove: move,
    onpointerup: up,
    onpointercancel: up,
  });
  const inputs = x.map((name, k) =>
    h("input", { type: "number", min: low, max: high, step: "any", oninput: () => typed(k) })
  );
  const typing = h(
    "details",
    { class: "lbl-enter" },
    h("summary", {}, "Enter numbers instead"),
    h("p", {}, `${yLabel}, for each of: ${q.x}`),
    h(
      "div",
      { class: "lbl-cells" },
      ...inputs.map((input, k) => h("label", {}, h("span", {}, String(x[k])), input)),
    ),
  );
  f.controls.remove();
  f.stage.append(h("p", { class: "lbl-asked" }, q.ask), help, pad);
  const picture = canvas(pad, {
    height: (width) => (width < 420 ? 230 : 280),
    label: "",
    draw: (context, width, tall) => plot.paint(context, width, tall, state()),
  });
  const names = legend(f.stage, [
    { label: "your curve", tone: "accent", dash: [6, 4] },
    { label: "recorded", tone: "frozen-line" },
    { label: "a recorded run", tone: "frozen-line", dot: true },
  ]);
  f.stage.append(typing);
  const told = h("p", { class: "lbl-answer", hidden: true });
  const form = h("form", { class: "lbl-predict", onsubmit: (e) => e.preventDefault() }, told);
  f.stage.parentNode.insertBefore(form, f.stage.parentNode.lastChild);

  // ---- drawing ----
  let last = null; // where the pointer was
  const scales = () => plot.scales(picture.node.clientWidth, picture.node.clientHeight);
  function pointer(event) {
    const [px, y] = within(picture.node, event);
    return { px, v: scales().value(y) };
  }
  function nearest(px) {
    const s = scales();
    const far = (k) => Math.abs(s.x(at[k]) - px);
    return at.reduce((best, _, k) => (far(k) < far(best) ? k : best), 0);
  }
  function down(event) {
    if (shown !== null || event.button > 0) return;
    pad.setPointerCapture(event.pointerId);
    last = pointer(event);
    here = nearest(last.px);
    put(here, last.v);
  }
  function move(event) {
    if (!last) return;
    const next = pointer(event), s = scales(), near = nearest(next.px);
    at.forEach((p, k) => { // what the stroke crossed
      const share = (s.x(p) - last.px) / (next.px - last.px);
      if (share > 0 && share <= 1) drawn[k] = snap(last.v + share * (next.v - last.v));
    });
    const close = Math.abs(s.x(at[near]) - next.px) < 14;
    if (close || drawn[near] === null) drawn[near] = snap(next.v);
    here = near;
    last = next;
    changed();
  }
  function up() {
    last = null;
  }
  function put(k, v) {
    drawn[k] = snap(v);
    changed();
  }
  function key(event) {
    if (shown !== null) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -n, End: n };
    const lifts = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 };
    if (!(event.key in moves) && !(event.key in lifts)) return;
    event.preventDefault();
    if (event.key in moves) here = Math.min(n - 1, Math.max(0, here + moves[event.key]));
    else {
      const values = filled(drawn, at), beside = values.slice(0, here).findLast((v) => v !== null);
      const from = values[here] ?? beside ?? (low + high) / 2;
      drawn[here] = snap(from + lifts[event.key] * step);
    }
    changed();
  }
  function typed(k) {
    const { value, validity } = inputs[k], number = Number(value);
    wrong[k] = validity.badInput || (value !== "" && !(number >= low && number <= high));
    inputs[k].setAttribute("aria-invalid", wrong[k]);
    drawn[k] = value === "" || wrong[k] ? null : number;
    changed(k);
  }
  function changed(typedIn = null) {
    const values = filled(drawn, at), v = values[here];
    inputs.forEach((input, k) => {
      input.placeholder = values[k] === null ? "" : places(values[k]);
      if (k === typedIn) return;
      if (drawn[k] !== null || !wrong[k]) {
        input.value = drawn[k] === null ? "" : Number(drawn[k].toFixed(digits + 2));
        wrong[k] = false;
        input.setAttribute("aria-invalid", false);
      }
    });
    const place = `at ${x[here]} (${q.x})`;
    if (shown === null) {
      pad.setAttribute("aria-valuenow", v ?? low);
      pad.setAttribute("aria-valuetext", `${place}: ${v === null ? "no value yet" : show(v)}`);
    }
    f.say(status(values));
    described();
    picture.paint();
    ready();
  }
  function status(values) {
    const bad = wrong.indexOf(true);
    if (bad >= 0) return `At ${x[bad]}: enter a number from ${places(low)} to ${show(high)}.`;
    const open = x.filter((_, k) => values[k] === null);
    if (open.length === n) return "Nothing is drawn yet.";
    return open.length
      ? `Still without a value: ${open.join(", ")}. Gaps between drawn points fill themselves.`
      : "Your curve is complete. Go on drawing, or commit.";
  }
  function described() {
    const mine = filled(drawn, at);
    const row = (v) => v === null ? "nothing" : show(v);
    const words = x.map((p, k) =>
      `${p}: ${row(mine[k])}${shown === null ? "" : ` (recorded ${show(curve[k])})`}`
    );
    picture.describe(`${q.y} against ${q.x}; your curve at ${words.join(", ")}`);
    f.data(() => [
      [q.x, "your curve", ...(shown === null ? [] : ["recorded", "runs"])],
      ...x.map((p, k) => [
        p,
        mine[k] === null ? "" : places(mine[k]),
        ...(shown === null ? [] : [places(curve[k]), runs[k].map(places).join(", ")]),
      ]),
    ]);
  }

  // ---- the answer ----
  function difference(mine) {
    const gaps = mine.map((v, k) => Math.abs(v - curve[k])), most = gaps.indexOf(Math.max(...gaps));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / n;
    return `The largest gap is at ${x[most]} (${q.x}): you drew ${show(mine[most])}, recorded is ` +
      `${show(curve[most])}, ${places(gaps[most])}${apart} apart. On average your curve is ` +
      `${places(mean)}${apart} off.`;
  }
  function animate(anew) {
    let start = 0;
    const tick = (now) => {
      if (shown === null || !pad.isConnected) return;
      start ||= now;
      shown = Math.min(1, (now - start) / (1000 * SECONDS));
      picture.paint();
      if (shown < 1) requestAnimationFrame(tick);
    };
    shown = anew && !calm ? 0 : 1;
    if (shown < 1) requestAnimationFrame(tick);
    else picture.paint();
  }
  function open(on) { // for drawing
    pad.classList.toggle("lbl-drawable", on);
    const slider = {
      role: "slider",
      tabindex: 0,
      "aria-label": `Your curve: ${q.y} against ${q.x}`,
      "aria-valuemin": low,
      "aria-valuemax": high,
    };
    for (const [name, value] of Object.entries(slider)) {
      if (on) pad.setAttribute(name, value);
      else pad.removeAttribute(name);
    }
    if (!on) ["aria-valuenow", "aria-valuetext"].forEach((name) => pad.removeAttribute(name));
    for (const node of [help, typing]) node.hidden = !on;
    [...names.children].slice(1).forEach((item) => {
      item.hidden = on;
    });
  }
  const same = (list, other) => JSON.stringify(list) === JSON.stringify(other);
  const part = {
    ask: q.ask,
    version: q.version,
    why: [q.why, note].filter(Boolean).join(" "),
    note: told,
    value: () => {
      const values = filled(drawn, at);
      return values.includes(null) || wrong.includes(true) ? null : { x, y: values };
    },
    fits: (value) =>
      same(value?.x, x) && value.y?.length === n &&
      value.y.every((v) => Number.isFinite(v) && v >= low && v <= high),
    put: ({ y }) => {
      drawn = [...y];
      changed();
      return true;
    },
    text: ({ y }) => x.map((p, k) => `${p}: ${show(y[k])}`).join(", "),
    right: () => null,
    verdict: (value) => value === null ? "The recorded curve is shown." : difference(value.y),
    show: (value, anew) => {
      if (value === null) drawn = Array(n).fill(null);
      open(false);
      animate(anew);
      described();
      f.say("");
    },
    clear: () => {
      drawn = Array(n).fill(null);
      wrong = Array(n).fill(false);
      here = 0;
      shown = null;
      open(true);
      changed();
    },
  };
  for (const event of ["focus", "blur"]) pad.addEventListener(event, () => picture.paint());
  ready = askFirst({ model, el, form, key: `curve ${id}`, id, parts: [part] });
}
