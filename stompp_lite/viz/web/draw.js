// What components draw with: colors of the theme, canvases, plots, legends.
import { h, need } from "./kit.js";

/** A color of the theme in use: "ink", "faint", "ground", "free", "frozen", "accent", or the tone
 * of a look. */
export function color(name, near) {
  return getComputedStyle(near).getPropertyValue(`--lbl-${name}`).trim();
}

/** Call `draw` again when the page changes between light and dark. */
export function onTheme(draw) {
  const watcher = new MutationObserver(draw);
  for (const node of [document.documentElement, document.body]) {
    watcher.observe(node, {
      attributes: true,
      attributeFilter: ["data-theme", "data-jp-theme-light", "theme"],
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

/** Call `draw` before the page is printed. What waits for an answer stands on paper, and so it must
 * have its size by then. */
function onPrint(draw) {
  addEventListener("beforeprint", () => {
    document.body.classList.add("lbl-printing");
    draw();
  });
  addEventListener("afterprint", () => document.body.classList.remove("lbl-printing"));
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
  onPrint(paint);
  return { node, paint, describe: (text) => node.setAttribute("aria-label", text) };
}

const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]; // distances of ticks

/** A name in lines of at most so many letters, where its words allow it. */
const broken = (name, letters) =>
  name.split(/ |(?<=-)/).reduce((lines, word) => { // a word may break behind its hyphen
    const last = lines.at(-1);
    const longer = last?.endsWith("-") ? last + word : `${last} ${word}`;
    return last && longer.length <= letters ? [...lines.slice(0, -1), longer] : [...lines, word];
  }, []).join("\n");

/** Lines over x by uPlot. series: {label, tone, dash, width, points}; `over(u, context)` draws
 * more. whole: the axis counts something, so its ticks are whole; x.ticks: names of 0, 1, ..., in
 * as many lines as the room between them asks for. */
export function plot(parent, { x, y, series, height = 220, label, over = null }) {
  const holder = h("div", { class: "lbl-plot", role: "img", "aria-label": label });
  parent.append(holder);
  const axis = (text) => ({
    label: text,
    labelSize: 22,
    size: 44,
    labelFont: "13px system-ui, sans-serif",
    font: "12px system-ui, sans-serif",
    stroke: () => color("ink", holder),
    grid: { stroke: () => color("faint", holder), width: 1 },
    ticks: { show: false },
  });
  /** Names of ticks in as many lines as the room between two of them asks for, at 7.5 pixels a
   * letter. */
  const names = (u) => {
    const letters = Math.min(11, (u.width - 56) / x.ticks.length / 7.5);
    return x.ticks.map((name) => broken(name, letters));
  };
  const chart = new uPlot(
    {
      width: Math.max(parent.clientWidth, 200),
      height,
      legend: { show: false },
      pxAlign: 0,
      cursor: { show: false },
      padding: [8, 12, 0, 0],
      scales: {
        x: { time: false, range: x.range ?? undefined },
        y: { range: y.range ?? undefined },
      },
      axes: [
        {
          ...axis(x.label),
          size: (_, told) =>
            34 + 15 * Math.max(0, ...(told ?? []).map((t) => String(t).split("\n").length - 1)),
          labelSize: 18,
          ...(x.whole ? { incrs: WHOLE } : {}),
          ...(x.ticks ? { splits: () => x.ticks.map((_, k) => k), values: names } : {}),
        },
        {
          ...axis(y.label),
          size: (_, ticks) => 22 + Math.max(22, ...(ticks ?? []).map((t) => 8 + 7 * t.length)),
          ...(y.whole ? { incrs: WHOLE } : {}),
        },
      ],
      series: [
        {},
        ...series.map((s) => {
          const stroke = () => color(typeof s.tone === "function" ? s.tone() : s.tone, holder);
          const full = s.width === 0 ? { fill: stroke } : {}; // dots without a line
          return {
            label: s.label,
            width: s.width ?? 1.8,
            dash: s.dash,
            spanGaps: true,
            stroke,
            points: { show: Boolean(s.points), size: s.points || 5, ...full },
          };
        }),
      ],
      hooks: over
        ? {
          draw: [(u) => {
            u.ctx.save();
            over(u, u.ctx, devicePixelRatio || 1);
            u.ctx.restore();
          }],
        }
        : {},
    },
    [[0, 1], ...series.map(() => [null, null])],
    holder,
  );
  const fit = () => {
    const width = Math.floor(parent.clientWidth);
    if (width > 50 && width !== chart.width) chart.setSize({ width, height });
  };
  new ResizeObserver(fit).observe(parent);
  onPrint(fit);
  onTheme(() => chart.redraw());
  return {
    chart,
    set: (data) => chart.setData(data),
    redraw: () => chart.redraw(false),
    holder,
    describe: (text) => holder.setAttribute("aria-label", text),
  };
}

/** For `over`: an upright line at x = at(), the moment that the other pictures show. */
export const timeLine = (at, width = 1.2) => (u, c, d) => {
  const x = u.valToPos(at(), "x", true);
  c.strokeStyle = color("ink", u.root);
  c.lineWidth = width * d;
  c.setLineDash([]);
  c.beginPath();
  c.moveTo(x, u.bbox.top);
  c.lineTo(x, u.bbox.top + u.bbox.height);
  c.stroke();
};

const dashes = (lengths, paint) => {
  let at = 0;
  const stops = lengths.map((n, k) => `${k % 2 ? "#0000" : paint} ${at}px ${at += n}px`);
  return `repeating-linear-gradient(90deg, ${stops.join(", ")})`;
};

/** Names of lines or marks, with a sample of each: [{label, tone, dash, square, dot, hollow}]. */
export function legend(parent, items) {
  const list = h(
    "ul",
    { class: "lbl-legend" },
    ...items.map(({ label, tone, dash, square, dot, hollow }) => {
      const kind = square ? "lbl-square" : dot ? "lbl-dot" : "lbl-line";
      const sample = h("span", { class: kind, "aria-hidden": "true" }),
        paint = `var(--lbl-${tone})`;
      sample.style.background = dash ? dashes(dash, paint) : hollow ? "none" : paint;
      if (hollow) sample.style.border = `2px solid ${paint}`;
      return h("li", {}, sample, label);
    }),
  );
  parent.append(list);
  return list;
}

/** How a method is drawn everywhere, from the package's own table: {label, tone, dash}. The tone is
 * a name for `color`. */
export function look(name) {
  need(name in LOOKS, `there is no look of ${name}`);
  return LOOKS[name];
}

/** Where an event is on a node, in the node's own pixels, however much a page enlarges it. */
export function within(node, event) {
  const box = node.getBoundingClientRect(), own = node.clientWidth / box.width || 1;
  return [own * (event.clientX - box.left), own * (event.clientY - box.top)];
}

/** What the value of a field is called, in words. Some orders are called like methods. */
export const word = (value, key) =>
  (key === "order" ? null : LOOKS[value]?.label) ?? WORDS[value] ?? String(value);
