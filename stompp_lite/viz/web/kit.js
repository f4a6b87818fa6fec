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
  if (["input", "select", "button", "summary"].includes(tag))
    node.setAttribute("data-lm-suppress-shortcuts", "true"); // else JupyterLab takes its keys
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** The frame of a figure: controls, pictures, a sentence, the data as a table. */
export function frame(el, label) {
  const controls = h("div", { class: "lbl-controls" });
  const stage = h("div", { class: "lbl-stage" });
  const words = h("p", { class: "lbl-says", role: "status" });
  const table = h("div", { class: "lbl-table", tabindex: "0", role: "region", "aria-label": `${label}: data` });
  let fill = null;
  const data = h("details", { class: "lbl-data", ontoggle: () => refresh() },
    h("summary", {}, "The data behind this picture"), table);
  function refresh() {
    if (data.open && fill) table.replaceChildren(tableOf(fill()));
  }
  el.replaceChildren(h("div", { class: "lbl-figure", role: "group", "aria-label": label },
    controls, stage, words, data));
  return {
    controls, stage,
    say: (text) => { words.textContent = text; },
    data: (rows) => { fill = rows; refresh(); }, // rows: () => [header, ...rows]
  };
}

function tableOf([header, ...rows]) {
  return h("table", {},
    h("thead", {}, h("tr", {}, ...header.map((text) => h("th", { scope: "col" }, String(text))))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((x) => h("td", {}, String(x ?? "")))))));
}

/** A labelled slider. `on(value)` is called while it moves; set(value) moves it. */
export function slider(parent, { label, min, max, step = 1, value, show = String, on }) {
  const output = h("span", { class: "lbl-value" }, show(value)); // an output element would take the label from the input
  const input = h("input", { type: "range", min, max, step, value, "aria-valuetext": show(value),
    oninput: () => { told(); on(Number(input.value)); } });
  function told() {
    output.textContent = show(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  }
  parent.append(h("label", { class: "lbl-slider" }, h("span", {}, label), output, input));
  return {
    input,
    get value() { return Number(input.value); },
    set(next) { input.value = next; told(); },
    range(low, high) { input.min = low; input.max = high; told(); },
  };
}

/** A labelled choice. Options: strings, or [value, text]. */
export function choice(parent, { label, options, value, on }) {
  const pairs = options.map((o) => (Array.isArray(o) ? o : [o, o]));
  const select = h("select", { onchange: () => on(select.value) },
    ...pairs.map(([v, text]) => h("option", { value: v, selected: String(v) === String(value) }, text)));
  parent.append(h("label", { class: "lbl-choice" }, h("span", {}, label), select));
  return { get value() { return select.value; }, set(next) { select.value = next; }, select };
}

/** A button; with `pressed` it is a switch. */
export function button(parent, text, on, attributes = {}) {
  const node = h("button", { type: "button", onclick: () => on(node), ...attributes }, text);
  parent.append(node);
  return node;
}

/** A button that plays and pauses a slider; where the reader asks for less motion, it goes one step on. */
export function player(parent, slide, seconds, label = "Play") {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const [low, high] = [Number(slide.input.min), Number(slide.input.max)];
  let timer = 0, from = 0, start = 0;
  const move = (value) => { slide.set(value); slide.input.dispatchEvent(new Event("input")); };
  const stop = () => { cancelAnimationFrame(timer); timer = 0; node.textContent = calm ? "Next step" : label; };
  function tick(now) {
    if (!node.isConnected) return;
    start ||= now;
    const value = from + ((now - start) / (1000 * seconds)) * (high - low);
    move(Math.min(value, high));
    if (value >= high) stop();
    else timer = requestAnimationFrame(tick);
  }
  const node = button(parent, calm ? "Next step" : label, () => {
    if (timer) return stop();
    if (calm) return move(slide.value >= high ? low : slide.value + Number(slide.input.step) * Math.ceil((high - low) / Number(slide.input.step) / 20));
    from = slide.value >= high ? low : slide.value;
    start = 0;
    node.textContent = "Pause";
    timer = requestAnimationFrame(tick);
  });
  slide.input.addEventListener("pointerdown", stop);
  slide.input.addEventListener("keydown", stop);
  return node;
}

/** A color of the theme in use: "ink", "faint", "ground", "free", "frozen", "accent". */
export function color(name, near = document.documentElement) {
  return getComputedStyle(near).getPropertyValue(`--lbl-${name}`).trim() || "#888";
}

/** Call `draw` again when the page changes between light and dark. */
export function onTheme(draw) {
  const watcher = new MutationObserver(draw);
  for (const node of [document.documentElement, document.body])
    watcher.observe(node, { attributes: true, attributeFilter: ["data-theme", "data-jp-theme-light", "theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** A canvas as wide as its parent, sharp on any screen: draw(context, width, height). */
export function canvas(parent, { height, label, draw }) {
  const node = h("canvas", { role: "img", "aria-label": label });
  parent.append(node);
  function paint() {
    const width = Math.max(node.clientWidth || parent.clientWidth, 50);
    const tall = typeof height === "function" ? height(width) : height;
    const scale = devicePixelRatio || 1;
    if (node.width !== Math.round(width * scale) || node.height !== Math.round(tall * scale)) {
      node.style.height = `${tall}px`;
      node.width = Math.round(width * scale);
      node.height = Math.round(tall * scale);
    }
    const context = node.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, tall);
    draw(context, width, tall);
  }
  new ResizeObserver(paint).observe(parent);
  onTheme(paint);
  return { node, paint, describe: (text) => node.setAttribute("aria-label", text) };
}

/** Lines over x by uPlot. series: {label, color, dash, width, points}; `over(u, context)` draws more. */
export function plot(parent, { x, y, series, height = 220, label, over = null }) {
  const holder = h("div", { class: "lbl-plot", role: "img", "aria-label": label });
  parent.append(holder);
  const axis = (text) => ({
    label: text, labelSize: 22, size: 44, labelFont: "13px system-ui, sans-serif",
    font: "12px system-ui, sans-serif", stroke: () => color("ink", holder),
    grid: { stroke: () => color("faint", holder), width: 1 }, ticks: { show: false },
  });
  const chart = new uPlot({
    width: Math.max(parent.clientWidth, 200), height, legend: { show: false }, pxAlign: 0,
    cursor: { show: false }, padding: [8, 12, 0, 0],
    scales: {
      x: { time: false, range: x.range ?? undefined },
      y: { range: y.range ?? undefined },
    },
    axes: [{ ...axis(x.label), size: 34, labelSize: 18 }, axis(y.label)],
    series: [{}, ...series.map((s) => ({
      label: s.label, width: s.width ?? 1.8, dash: s.dash, spanGaps: true,
      stroke: typeof s.color === "function" ? () => s.color(holder) : s.color,
      points: { show: Boolean(s.points), size: s.points || 5 },
      ...(s.only === "points" ? { paths: () => null } : {}),
    }))],
    hooks: over ? { draw: [(u) => { u.ctx.save(); over(u, u.ctx, devicePixelRatio || 1); u.ctx.restore(); }] } : {},
  }, [[0, 1], ...series.map(() => [null, null])], holder);
  new ResizeObserver(() => {
    const width = Math.floor(parent.clientWidth);
    if (width > 50 && width !== chart.width) chart.setSize({ width, height });
  }).observe(parent);
  onTheme(() => chart.redraw());
  return { chart, set: (data) => chart.setData(data), redraw: () => chart.redraw(false), holder,
    describe: (text) => holder.setAttribute("aria-label", text) };
}

/** For `over`: an upright line at x = at(), the moment that the other pictures show. */
export const timeLine = (at, width = 1.2) => (u, c, d) => {
  const x = u.valToPos(at(), "x", true);
  c.strokeStyle = color("ink", u.root);
  c.lineWidth = width * d;
  c.beginPath();
  c.moveTo(x, u.bbox.top);
  c.lineTo(x, u.bbox.top + u.bbox.height);
  c.stroke();
};

/** Names of lines or marks, with a sample of each: [{label, color, dash}]. */
export function legend(parent, items) {
  const list = h("ul", { class: "lbl-legend" }, ...items.map(({ label, color: paint, dash, square }) => {
    const sample = h("span", { class: square ? "lbl-square" : "lbl-line", "aria-hidden": "true" });
    if (square) sample.style.background = paint;
    else sample.style.borderTop = `2.5px ${dash ? "dashed" : "solid"} ${paint}`;
    return h("li", {}, sample, label);
  }));
  parent.append(list);
  return list;
}

/** Tell the kernel, if there is one, where the reader is. */
export function tell(model, state) {
  model.set("state", state);
  model.save_changes();
}

/** How a method is drawn everywhere: {label, color, dash}, from the package's own table. */
export function look(method) {
  return LOOKS[method] ?? { label: method, color: "#888888", dash: null };
}

/** Draw a component from its stored data; what goes wrong is said in its place. */
export function mount(render, el, data) {
  const state = { data };
  const model = {
    get: (key) => state[key],
    set: (key, value) => { state[key] = value; },
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
      el.replaceChildren(h("p", { class: "lbl-error", role: "alert" }, `This figure cannot be drawn: ${said}.`));
      if (!(error instanceof BadData)) console.warn(error);
    }
  };
}
