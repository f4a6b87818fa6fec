// Results explorer (the ledger's page): choose what runs along the axis and what is compared.
import { color, legend, plot, within, word } from "./draw.js";
import { choice, controls, frame, h, need, tell } from "./kit.js";

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
  const keys = Object.keys(fields);
  function values(key) {
    const { order } = fields[key];
    const before = (a, b) =>
      typeof a === "number"
        ? a - b
        : order
        ? order.indexOf(a) - order.indexOf(b)
        : String(a).localeCompare(String(b));
    return [...new Set(groups.map((g) => g[key]))].sort(before);
  }
  const s = { along: start.along, by: start.by, fixed: { ...usual }, picked: null };
  for (const key of [s.along, s.by]) {
    need(keys.includes(key), `unknown field ${key}; there are ${keys.join(", ")}`);
  }
  const names = keys.map((key) => [key, fields[key].label]);
  const { pick: offer } = controls(f.controls, s, () => {
    settle();
    make();
  });
  offer("along", "along the axis", names);
  offer("by", "compare", names);
  const rest = h("div", { class: "lbl-controls" });
  const marks = h("div"), picked = h("p", { class: "lbl-picked" });
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
        options: options.map((o) => [o, word(o, key)]),
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
  /** Where no run has these settings, the others give way to those of the nearest run. */
  function settle(last) {
    const agrees = (g) => keys.filter((key) => !free(key) && g[key] === s.fixed[key]).length;
    const held = last && !free(last), fits = (g) => !held || g[last] === s.fixed[last];
    const near = groups.filter(fits).reduce((best, g) => (agrees(g) > agrees(best) ? g : best));
    for (const key of keys) if (!free(key)) s.fixed[key] = near[key];
  }

  /** A look for each of the compared values, no two alike: {tone, hollow}. */
  function looks(by) {
    const own = (v) => s.by === "method" && v in LOOKS;
    const rest = Object.keys(LOOKS).filter((name) => !by.includes(name) || s.by !== "method");
    let next = 0;
    return new Map(by.map((v) => {
      if (own(v)) return [v, { tone: LOOKS[v].tone, hollow: false }];
      const k = next++, all = Object.keys(LOOKS), hollow = k >= rest.length;
      return [v, { tone: LOOKS[hollow ? all[k - rest.length] : rest[k]].tone, hollow }];
    }));
  }

  function draw() {
    const fits = groups.filter((g) => keys.every((key) => free(key) || g[key] === s.fixed[key]));
    ticks = values(s.along).filter((v) => fits.some((g) => g[s.along] === v));
    const by = values(s.by).filter((v) => fits.some((g) => g[s.by] === v)), paint = looks(by);
    const apart = s.by !== s.along && by.length > 1;
    shown = fits.map((g) => {
      const spread = apart ? 0.5 * (by.indexOf(g[s.by]) / (by.length - 1) - 0.5) : 0;
      const one = paint.get(apart ? g[s.by] : by[0]);
      return { ...g, x: ticks.indexOf(g[s.along]) + spread, ...one };
    });
    f.stage.replaceChildren(marks);
    chart = plot(f.stage, {
      x: {
        label: fields[s.along].label,
        range: [-0.6, ticks.length - 0.4],
        ticks: ticks.map((v) => word(v, s.along).replace(/ \(.*\)$/, "")),
      },
      y: { label: "test accuracy, %", range: [0, 101] },
      height: 300,
      label: `Test accuracy along ${fields[s.along].label}`,
      series: [{ label: "runs" }],
      over: paintRuns,
    });
    chart.set([[0, Math.max(ticks.length - 1, 1)], [null, null]]);
    chart.holder.addEventListener("click", pick);
    marks.replaceChildren();
    const title = (v) => (s.by === "method" ? "" : `${fields[s.by].label}: `) + word(v, s.by);
    if (apart) legend(marks, by.map((v) => ({ label: title(v), dot: true, ...paint.get(v) })));
    f.stage.append(marks, picked);
    picked.replaceChildren();
    f.say(
      `${shown.length} settings, ${
        shown.reduce((n, g) => n + g.runs.length, 0)
      } runs. A dot is a ` +
        "run, a bar the mean with its 95 % interval; runs that split have no mean. Click a dot, " +
        "or open the data, for the record and the command.",
    );
    f.data(() => [
      [...names.map(([, label]) => label), "runs, %", "mean", "± (95 %)", "records", "again"],
      ...shown.map((g) => [
        ...keys.map((key) => word(g[key], key)),
        listed(g).join(" "),
        g.mean ?? "",
        g.half ?? "",
        g.name,
        g.command,
      ]),
    ]);
    tell(model, { ...s, settings: shown.length });
  }

  const listed = (g) => g.runs.map((x) => (x === null ? "diverged" : x.toFixed(1)));

  function paintRuns(u, c, d) {
    const X = (x) => u.valToPos(x, "x", true), Y = (y) => u.valToPos(y, "y", true);
    for (const g of shown) {
      c.fillStyle = c.strokeStyle = color(g.tone, f.stage);
      c.globalAlpha = g.hollow ? 1 : 0.5;
      c.lineWidth = 1.5 * d;
      for (const y of g.runs.filter((one) => one !== null)) {
        c.beginPath();
        c.arc(X(g.x) - 4 * d, Y(y), 3 * d, 0, 7);
        if (g.hollow) c.stroke();
        else c.fill();
      }
      c.globalAlpha = 1;
      c.lineWidth = (g.name === s.picked ? 4 : 2) * d;
      if (g.mean == null) continue;
      const x = X(g.x) + 4 * d;
      c.beginPath();
      c.moveTo(x, Y(g.mean - g.half));
      c.lineTo(x, Y(Math.min(g.mean + g.half, 101)));
      c.moveTo(x - 4 * d, Y(g.mean));
      c.lineTo(x + 4 * d, Y(g.mean));
      c.stroke();
    }
  }

  function pick(event) {
    const u = chart.chart, [x, y] = within(u.over, event);
    const far = (g, run) => Math.hypot(u.valToPos(g.x, "x") - x, u.valToPos(run, "y") - y);
    const nearest = (g) => Math.min(...g.runs.filter((run) => run !== null).map((r) => far(g, r)));
    const [g] = [...shown].sort((a, b) => nearest(a) - nearest(b));
    if (!g || nearest(g) > 25) return;
    s.picked = g.name;
    chart.redraw();
    const told = g.mean == null
      ? `runs split or diverged: ${listed(g).join(", ")} %`
      : `${g.mean} ± ${g.half} %, ${g.runs.length} seeds`;
    picked.replaceChildren(`${g.name}: ${told}. Again: `, h("code", {}, g.command));
    if (g.href) picked.append(" ", h("a", { href: g.href }, "records"));
  }
  settle();
  make();
}
