// What every component shares: elements, controls, plots, tiles, a table of the data, errors.
// A component is a module with anywidget's render({model, el}); it may use what is exported here.

/** Something about the data that makes a figure impossible: drawn as a message, not as a blank. */
export class BadData extends Error {}

/** Stop with a message unless `condition` holds. */
export function need(condition, message) {
  if (!condition) throw new BadData(message);
}

/** A list of finite numbers (or null where a run has none), else a message that names it. */
export function numbers(list, what, low = -Infinity, high = Infinity) {
  need(Array.isArray(list) && list.length > 0, `${what} is empty`);
  for (const x of list) {
    need(x === null || Number.isFinite(x), `${what} holds ${String(x)}, which is no number`);
    need(x === null || (x >= low && x <= high), `${what} holds ${x}, outside [${low}, ${high}]`);
  }
  return list;
}

/** Signs as records keep them, four to a hexadecimal digit: [1, 0, ...], 1 is +1. */
export function signBits(digits) {
  return [...digits].flatMap((d) => [3, 2, 1, 0].map((k) => (parseInt(d, 16) >> k) & 1));
}

/** A DOM element. Strings become text, never markup. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  if (["input", "select", "button", "summary"].includes(tag)) {
    node.setAttribute("data-lm-suppress-shortcuts", "true"); // else JupyterLab takes its keys
  }
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** The frame of a figure: controls, pictures, a sentence, the data as a table. A screen reader
 * hears the sentence at most once a second. */
export function frame(el, label) {
  const controls = h("div", { class: "lbl-controls" });
  const stage = h("div", { class: "lbl-stage" });
  const words = h("p", { class: "lbl-says", "aria-hidden": "true" });
  const spoken = h("p", { class: "lbl-spoken", role: "status" });
  let waiting = false;
  const table = h("div", {
    class: "lbl-table",
    tabindex: "0",
    role: "region",
    "aria-label": `${label}: data`,
  });
  let fill = null;
  const data = h(
    "details",
    { class: "lbl-data", ontoggle: () => refresh() },
    h("summary", {}, "The data behind this picture"),
    table,
  );
  function speak() {
    if (waiting || spoken.textContent === words.textContent) return;
    spoken.textContent = words.textContent;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      speak();
    }, 1000);
  }
  function refresh() {
    if (data.open && fill) table.replaceChildren(tableOf(fill()));
  }
  el.replaceChildren(
    h(
      "div",
      { class: "lbl-figure", role: "group", "aria-label": label },
      controls,
      stage,
      words,
      spoken,
      data,
    ),
  );
  return {
    controls,
    stage,
    say: (text) => {
      words.textContent = text;
      speak();
    },
    data: (rows) => { // rows: () => [header, ...rows]
      fill = rows;
      refresh();
    },
  };
}

function tableOf([header, ...rows]) {
  return h(
    "table",
    {},
    h("thead", {}, h("tr", {}, ...header.map((text) => h("th", { scope: "col" }, String(text))))),
    h(
      "tbody",
      {},
      ...rows.map((row) => h("tr", {}, ...row.map((x) => h("td", {}, String(x ?? ""))))),
    ),
  );
}

/** A labelled slider. `on(value)` is called while it moves; set(value) moves it. */
export function slider(parent, { label, min, max, step = 1, value, show = String, on }) {
  // a span, for an output element would take the label from the input
  const output = h("span", { class: "lbl-value" }, show(value));
  const input = h("input", {
    type: "range",
    min,
    max,
    step,
    value,
    "aria-valuetext": show(value),
    oninput: () => {
      told();
      on(Number(input.value));
    },
  });
  function told() {
    output.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  }
  parent.append(h("label", { class: "lbl-slider" }, h("span", {}, label), output, input));
  return {
    input,
    get value() {
      return Number(input.value);
    },
    set(next) {
      input.value = next;
      told();
    },
    range(low, high) {
      input.min = low;
      input.max = high;
      told();
    },
  };
}

/** A labelled choice. Options: strings, or [value, text]. */
export function choice(parent, { label, options, value, on }) {
  const pairs = options.map((o) => (Array.isArray(o) ? o : [o, o]));
  const select = h(
    "select",
    { onchange: () => on(select.value) },
    ...pairs.map(([v, text]) =>
      h("option", { value: v, selected: String(v) === String(value) }, text)
    ),
  );
  parent.append(h("label", { class: "lbl-choice" }, h("span", {}, label), select));
  return {
    get value() {
      return select.value;
    },
    set(next) {
      select.value = next;
    },
    select,
  };
}

/** Controls that set values of the state `s` and then call `changed`, or `then`. */
export function controls(parent, s, changed) {
  const on = (key, then = changed) => (value) => {
    s[key] = value;
    then();
  };
  return {
    pick: (key, label, options, then) =>
      choice(parent, { label, options, value: s[key], on: on(key, then) }),
    slide: (key, label, min, max, { step = 1, show = String, then } = {}) =>
      slider(parent, { label, min, max, step, value: s[key], show, on: on(key, then) }),
    /** A slider over a list of values. */
    among: (key, label, values) =>
      slider(parent, {
        label,
        min: 0,
        max: values.length - 1,
        value: values.indexOf(s[key]),
        show: (i) => String(values[i]),
        on: (i) => on(key)(values[i]),
      }),
  };
}

/** A button; with `pressed` it is a switch. */
export function button(parent, text, on, attributes = {}) {
  const node = h("button", { type: "button", onclick: () => on(node), ...attributes }, text);
  parent.append(node);
  return node;
}

/** A button that plays and pauses a slider; where the reader asks for less motion, it goes one step
 * on. */
export function player(parent, slide, seconds) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const rest = calm ? "Next step" : "Play", end = () => Number(slide.input.max);
  let timer = 0, from = 0, start = 0;
  const move = (value) => {
    slide.set(value);
    slide.input.dispatchEvent(new Event("input"));
  };
  const stop = () => {
    cancelAnimationFrame(timer);
    timer = 0;
    node.textContent = rest;
  };
  function tick(now) {
    if (!node.isConnected) return;
    start ||= now;
    const value = from + ((now - start) / (1000 * seconds)) * (end() - Number(slide.input.min));
    move(Math.min(value, end()));
    if (value >= end()) stop();
    else timer = requestAnimationFrame(tick);
  }
  const node = button(parent, rest, () => {
    if (timer) return stop();
    const low = Number(slide.input.min), step = Number(slide.input.step);
    from = slide.value >= end() ? low : slide.value;
    if (calm) {
      const next = slide.value + step * Math.ceil((end() - low) / step / 20);
      return move(slide.value >= end() ? low : next);
    }
    start = 0;
    node.textContent = "Pause";
    timer = requestAnimationFrame(tick);
  });
  slide.input.addEventListener("pointerdown", stop);
  slide.input.addEventListener("keydown", stop);
  return node;
}

/** Tell the kernel, if there is one, where the reader is. */
export function tell(model, state) {
  model.set("state", state);
  model.save_changes();
}

/** Draw a component from its stored data; what goes wrong is said in its place. */
export function mount(render, el, data) {
  const state = { data };
  const model = {
    get: (key) => state[key],
    set: (key, value) => {
      state[key] = value;
    },
    save_changes: () => {},
    on: () => {},
    off: () => {},
  };
  guarded(render)({ model, el });
}

/** render, with a message in place of a figure that cannot be drawn. */
export function guarded(render) {
  return ({ model, el }) => {
    el.classList.add("lbl");
    try {
      return render({ model, el });
    } catch (error) {
      const said = error instanceof BadData ? error.message : `${error.name}: ${error.message}`;
      el.replaceChildren(
        h("p", { class: "lbl-error", role: "alert" }, `This figure cannot be drawn: ${said}.`),
      );
      if (!(error instanceof BadData)) console.warn(error);
    }
  };
}
