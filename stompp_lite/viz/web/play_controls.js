// Controls of the playground: three that stand open, a race, buttons, and all other settings.
import { canvas } from "./draw.js";
import { button, choice, h } from "./kit.js";
import { thumbnail } from "./play_draw.js";
import { relevant, rivalsOf, same } from "./play_settings.js";

const OPEN = ["method", "order"]; // beside the data; all other settings are under "more"
const SPEEDS = [["0", "as fast as it can"], ["60", "60 steps a second"], ["8", "8 a second"]];

/** The controls, above `stage`. on: {set(patch), rate(value): whether it changed while it trains,
 * rival(name), go, step, over, pace(value), forget}. */
export function controls(stage, { data, fields, presets }, usual, on) {
  const top = h("div", { class: "lbl-controls" });
  const bar = h("div", { class: "lbl-controls lbl-run" }),
    more = h("div", { class: "lbl-controls" });
  const tip = h("p", { class: "lbl-tip", "aria-hidden": "true" }), boxes = {};
  stage.before(top, bar);
  /** A sentence on what a control is, where it is pointed at or has the focus. */
  const explain = (node, text) => {
    node.title = text;
    for (const kind of ["pointerenter", "focusin"]) {
      node.addEventListener(kind, () => tip.textContent = text);
    }
  };
  const thumbs = h("div", { class: "lbl-orders", role: "group", "aria-label": "data" });
  const pictures = Object.entries(data).map(([name, one]) => {
    const node = button(thumbs, "", () => on.set({ set: name }), { class: "lbl-thumb" });
    const small = canvas(node, { height: 36, label: "", draw: (c) => thumbnail(c, node, one, 36) });
    small.node.removeAttribute("role");
    small.node.removeAttribute("aria-label");
    node.append(h("span", {}, one.label));
    explain(node, fields.set.tip);
    return [name, node, small];
  });
  const pick = (parent, key) => {
    const { label, options, read, tip: text } = fields[key];
    const change = (value) => {
      if (key !== "rate" || !on.rate(read(value))) on.set({ [key]: read(value) });
    };
    boxes[key] = choice(parent, { label, options, value: String(usual[key]), on: change });
    explain(boxes[key].select, text);
  };
  top.append(thumbs);
  OPEN.forEach((key) => pick(top, key));
  const nobody = ["", "nobody"];
  const against = choice(top, {
    label: "race against",
    options: [nobody],
    value: "",
    on: on.rival,
  });
  explain(against.select, "Train a second network beside it, from the same seed, with one change.");
  const go = button(bar, "Train", on.go, { class: "lbl-go" });
  button(bar, "One step", on.step);
  button(bar, "Start over", on.over);
  const pace = choice(bar, { label: "speed", options: SPEEDS, value: "0", on: on.pace });
  explain(pace.select, "Slow down to watch single steps, or to freeze layers by hand.");
  const summary = h("summary", {}, "more settings");
  explain(summary, "Size of the network, steps, shape of freezing, seed: each with a sentence.");
  bar.append(h("details", { class: "lbl-more" }, summary, more), tip);
  const from = choice(more, {
    label: "start from",
    options: [...presets.map((p, k) => [k, p.name]), ["", "settings of your own"]],
    value: 0,
    on: (k) => on.set({ ...presets[k]?.settings }),
  });
  explain(from.select, "Settings that show something, most of them with recorded runs.");
  Object.keys(fields).filter((key) => key !== "set" && !OPEN.includes(key))
    .forEach((key) => pick(more, key));
  button(more, "Forget earlier runs", on.forget);
  return {
    go: (text) => {
      if (text) go.textContent = text;
      return go.textContent;
    },
    pace: (value) => pace.set(value),
    /** Show these settings and this rival. */
    show(s, rival) {
      against.select.replaceChildren(
        ...[nobody, ...rivalsOf(s)].map(([v, text]) => h("option", { value: v }, text)),
      );
      against.set(rival);
      for (const [key, box] of Object.entries(boxes)) {
        box.set(String(s[key]));
        box.select.parentElement.hidden = !relevant(s).includes(key);
      }
      for (const [name, node, small] of pictures) {
        node.setAttribute("aria-pressed", String(name === s.set));
        small.paint();
      }
      const k = presets.findIndex((p) => same(p.settings, s));
      from.set(k < 0 ? "" : k);
    },
  };
}
