// Results explorer (chapters 11, 12, the ledger): choose what runs along the axis and what is compared.
import { color, legend, look, plot } from "./draw.js";
import { choice, frame, h, need, tell } from "./kit.js";

const PALETTE = [
  "#1f6fb5",
  "#c2630a",
  "#1b8a5a",
  "#a3477f",
  "#7a4fa3",
  "#b3263a",
  "#6b7280",
  "#0f8a94",
];

export function render({ model, el }) {
  const { fields, groups, usual, start } = model.get("data");
  need(Array.isArray(groups) && groups.length > 0, "there are no records");
  for (const g of groups) {
    need(Array.isArray(g.runs) && g.runs.length > 0, `${g.name} has no runs`);
    for (const x of g.runs) {
      need(
        x === null || (Number.isFinite(x) && x >= 0 && x <= 100),
        `${g.name} holds ${x}, which is no accuracy`,
      );
    }
  }
  const f = frame(el, "Results explorer");
  const keys = Object.keys(fields),
    values = (key) =>
      [...new Set(groups.map((g) => g[key]))].sort((
        a,
        b,
      ) => (typeof a === "number"
        ? a - b
        : fields[key].order
        ? fields[key].order.indexOf(a) - fields[key].order.indexOf(b)
        : String(a).localeCompare(String(b)))
      );
  const s = { along: start.along, by: start.by, fixed: { ...usual }, picked: null };
  for (const key of [s.along, s.by]) {
    need(keys.includes(key), `unknown field ${key}; there are ${keys.join(", ")}`);
  }
  const names = keys.map((key) => [key, fields[key].label]);
  choice(f.controls, {
    label: "along the axis",
    options: names,
    value: s.along,
    on: (v) => {
      s.along = v;
      settle();
      make();
    },
  });
  choice(f.controls, {
    label: "compare",
    options: names,
    value: s.by,
    on: (v) => {
      s.by = v;
      settle();
      make();
    },
  });
  const rest = h("div", { class: "lbl-controls" }),
    marks = h("div"),
    picked = h("p", { class: "lbl-picked" });
  f.controls.after(rest);
  let shown = [], ticks = [], chart;

  function make() {
    s.picked = null;
    rest.replaceChildren();
    for (const key of keys) {
      if (key === s.along || key === s.by) continue;
      const options = values(key);
      choice(rest, {
        label: fields[key].label,
        options,
        value: s.fixed[key],
        on: (v) => {
          s.fixed[key] = options.find((o) => String(o) === v);
          settle(key);
          make();
        },
      });
    }
    draw();
  }

  const free = (key) => key === s.along || key === s.by;
  function settle(last) { // where no run has these settings, the others give way to those of the nearest run
    const agrees = (g) => keys.filter((key) => !free(key) && g[key] === s.fixed[key]).length;
    const candidates = last && !free(last)
      ? groups.filter((g) => g[last] === s.fixed[last])
      : groups;
    const near = candidates.reduce((best, g) => (agrees(g) > agrees(best) ? g : best));
    for (const key of keys) if (!free(key)) s.fixed[key] = near[key];
  }

  function draw() {
    const fits = groups.filter((g) =>
      keys.every((key) => key === s.along || key === s.by || g[key] === s.fixed[key])
    );
    ticks = values(s.along).filter((v) => fits.some((g) => g[s.along] === v));
    const by = s.by === s.along
      ? [fits[0]?.[s.by]]
      : values(s.by).filter((v) => fits.some((g) => g[s.by] === v));
    const paint = (
      v,
      k,
    ) => (s.by === "method" && v in LOOKS ? look(v).color : PALETTE[k % PALETTE.length]);
    shown = fits.map((g) => {
      const k = s.by === s.along ? 0 : by.indexOf(g[s.by]);
      const spread = by.length > 1 ? 0.5 * (k / (by.length - 1) - 0.5) : 0;
      return { ...g, x: ticks.indexOf(g[s.along]) + spread, color: paint(g[s.by], k) };
    });
    f.stage.replaceChildren(marks);
    chart = plot(f.stage, {
      x: { label: fields[s.along].label, range: [-0.6, ticks.length - 0.4] },
      y: { label: "test accuracy, %", range: [0, 101] },
      height: 300,
      label: `Test accuracy along ${fields[s.along].label}`,
      series: [{ label: "runs" }],
      over: paintRuns,
    });
    chart.chart.axes[0].values = (u, splits) =>
      splits.map((v) => (Number.isInteger(v) && ticks[v] !== undefined ? String(ticks[v]) : ""));
    chart.chart.axes[0].splits = () => ticks.map((_, i) => i);
    chart.set([[0, Math.max(ticks.length - 1, 1)], [null, null]]);
    chart.holder.addEventListener("click", pick);
    marks.replaceChildren();
    if (s.by !== s.along) {
      legend(
        marks,
        by.map((v, k) => ({
          label: s.by === "method" ? look(v).label : `${fields[s.by].label} ${v}`,
          color: paint(v, k),
        })),
      );
    }
    f.stage.append(marks, picked);
    picked.replaceChildren();
    f.say(
      `${shown.length} settings, ${
        shown.reduce((n, g) => n + g.runs.length, 0)
      } runs. A dot is a run, a bar the mean with its 95 % interval; runs that split have no mean. Click a dot, or open the data, for the record and the command.`,
    );
    f.data(
      () => [
        [
          ...keys.map((key) => fields[key].label),
          "runs, %",
          "mean",
          "± (95 %)",
          "records",
          "again",
        ],
        ...shown.map((g) => [
          ...keys.map((key) => g[key]),
          g.runs.map((x) => (x === null ? "diverged" : x.toFixed(1))).join(" "),
          g.mean ?? "",
          g.half ?? "",
          g.name,
          g.command,
        ]),
      ],
    );
    tell(model, { ...s, settings: shown.length });
  }

  function paintRuns(u, c, d) {
    const X = (x) => u.valToPos(x, "x", true), Y = (y) => u.valToPos(y, "y", true);
    for (const g of shown) {
      c.fillStyle = c.strokeStyle = g.color;
      c.globalAlpha = 0.5;
      for (const y of g.runs) {
        if (y === null) continue;
        c.beginPath();
        c.arc(X(g.x) - 4 * d, Y(y), 3 * d, 0, 7);
        c.fill();
      }
      c.globalAlpha = 1;
      c.lineWidth = (g.name === s.picked ? 4 : 2) * d;
      if (g.mean != null) {
        const x = X(g.x) + 4 * d;
        c.beginPath();
        c.moveTo(x, Y(g.mean - g.half));
        c.lineTo(x, Y(Math.min(g.mean + g.half, 101)));
        c.moveTo(x - 4 * d, Y(g.mean));
        c.lineTo(x + 4 * d, Y(g.mean));
        c.stroke();
      }
    }
  }

  function pick(event) {
    const u = chart.chart, box = u.over.getBoundingClientRect();
    const distance = (g, y) =>
      Math.hypot(
        u.valToPos(g.x, "x") - (event.clientX - box.left),
        u.valToPos(y, "y") - (event.clientY - box.top),
      );
    const near = shown.map((
      g,
    ) => [Math.min(...g.runs.filter((y) => y !== null).map((y) => distance(g, y))), g]).sort((
      a,
      b,
    ) => a[0] - b[0])[0];
    if (!near || near[0] > 25) return;
    const g = near[1];
    s.picked = g.name;
    chart.redraw();
    const told = g.mean == null
      ? `runs split or diverged: ${
        g.runs.map((x) => (x === null ? "diverged" : x.toFixed(1))).join(", ")
      } %`
      : `${g.mean} ± ${g.half} %, ${g.runs.length} seeds`;
    picked.replaceChildren(`${g.name}: ${told}. Again: `, h("code", {}, g.command));
    if (g.href) picked.append(" ", h("a", { href: g.href }, "records"));
  }
  settle();
  make();
}
