// What components draw with: colors of the theme, canvases, plots, legends.
import { h } from "./kit.js";

/** A color of the theme in use: "ink", "faint", "ground", "free", "frozen", "accent". */
export function color(name, near = document.documentElement) {
  return getComputedStyle(near).getPropertyValue(`--lbl-${name}`).trim() || "#888";
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
    label: text,
    labelSize: 22,
    size: 44,
    labelFont: "13px system-ui, sans-serif",
    font: "12px system-ui, sans-serif",
    stroke: () => color("ink", holder),
    grid: { stroke: () => color("faint", holder), width: 1 },
    ticks: { show: false },
  });
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
      axes: [{ ...axis(x.label), size: 34, labelSize: 18 }, axis(y.label)],
      series: [
        {},
        ...series.map((s) => ({
          label: s.label,
          width: s.width ?? 1.8,
          dash: s.dash,
          spanGaps: true,
          stroke: typeof s.color === "function" ? () => s.color(holder) : s.color,
          points: { show: Boolean(s.points), size: s.points || 5 },
          ...(s.only === "points" ? { paths: () => null } : {}),
        })),
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
  new ResizeObserver(() => {
    const width = Math.floor(parent.clientWidth);
    if (width > 50 && width !== chart.width) chart.setSize({ width, height });
  }).observe(parent);
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
  c.beginPath();
  c.moveTo(x, u.bbox.top);
  c.lineTo(x, u.bbox.top + u.bbox.height);
  c.stroke();
};

/** Names of lines or marks, with a sample of each: [{label, color, dash}]. */
export function legend(parent, items) {
  const list = h(
    "ul",
    { class: "lbl-legend" },
    ...items.map(({ label, color: paint, dash, square }) => {
      const sample = h("span", {
        class: square ? "lbl-square" : "lbl-line",
        "aria-hidden": "true",
      });
      if (square) sample.style.background = paint;
      else sample.style.borderTop = `2.5px ${dash ? "dashed" : "solid"} ${paint}`;
      return h("li", {}, sample, label);
    }),
  );
  parent.append(list);
  return list;
}

/** How a method is drawn everywhere: {label, color, dash}, from the package's own table. */
export function look(method) {
  return LOOKS[method] ?? { label: method, color: "#888888", dash: null };
}
