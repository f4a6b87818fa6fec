// The landscape (chapter 17): methods and their answers as a table that sorts and compares.
import { choice, frame, h, need, tell } from "./kit.js";

/** Rows in the order of an axis' answers, of their names, or of how far they are from a row. */
export function sorted(rows, axes, by, far) {
  const axis = axes.find((a) => a.key === by);
  const rank = (row) =>
    axis ? axis.answers.indexOf(row.cells[by]) : by === "far" ? far(row) : row.name.toLowerCase();
  return [...rows].sort((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
}

export function render({ model, el }) {
  const { axes, rows } = model.get("data");
  need(Array.isArray(axes) && axes.length > 0, "there are no axes");
  need(Array.isArray(rows) && rows.length > 0, "there are no methods");
  for (const row of rows) {
    for (const axis of axes) {
      const said = row.cells?.[axis.key];
      need(axis.answers.includes(said), `${row.name} answers ${said} to "${axis.label}"`);
    }
  }
  const f = frame(el, "The landscape");
  const s = { by: "far", beside: rows[Math.min(1, rows.length - 1)].name };
  choice(f.controls, {
    label: "compare with",
    options: rows.map((row) => row.name),
    value: s.beside,
    on: (value) => {
      s.beside = value;
      draw();
    },
  });
  const body = h("div", {
    class: "lbl-table lbl-land",
    tabindex: "0",
    role: "region",
    "aria-label": "Methods and their answers",
  });
  f.stage.append(body);
  const ours = rows.some((row) => row.ours);
  const columns = [
    { key: "name", label: "method" },
    { key: "far", label: "answers that differ" },
    ...axes,
    ...(ours ? [{ key: "ours", label: "here, small steps" }] : []),
    { key: "published", label: "published, full size" },
  ];
  const fixed = (key) => key === "ours" || key === "published";

  function draw(focus) {
    const mine = rows.find((row) => row.name === s.beside);
    const other = (row) => axes.filter((a) => row.cells[a.key] !== mine.cells[a.key]);
    const far = (row) => other(row).length;
    const list = sorted(rows, axes, s.by, far);
    const head = columns.map(({ key, label }) =>
      fixed(key) ? h("th", { scope: "col" }, label) : h(
        "th",
        { scope: "col", "aria-sort": s.by === key ? "ascending" : "none" },
        h("button", { type: "button", "data-key": key, onclick: () => sort(key) }, label),
      )
    );
    const lines = list.map((row) =>
      h(
        "tr",
        { class: row === mine ? "lbl-mine" : null },
        h("th", { scope: "row" }, row.name),
        h("td", {}, String(far(row))),
        ...axes.map(({ key }) =>
          h("td", { class: row.cells[key] === mine.cells[key] ? "lbl-same" : null }, row.cells[key])
        ),
        ours ? h("td", {}, row.ours) : null,
        h("td", { class: "lbl-theirs" }, published(row)),
      )
    );
    body.replaceChildren(
      h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...lines)),
    );
    if (focus) body.querySelector(`[data-key="${focus}"]`).focus();
    const near = sorted(rows, axes, "far", far).filter((row) => row !== mine);
    const next = near.filter((row) => far(row) === far(near[0])).map((row) => row.name);
    const told = near.length
      ? `Nearest to ${mine.name}: ${next.join(", ")} (answers that differ: ${far(near[0])}).`
      : "One method stands alone.";
    f.say(`${told} Shaded answers are those of ${mine.name}. A click on a header sorts.`);
    f.data(() => [
      columns.map(({ label }) => label),
      ...list.map((row) => [
        row.name,
        far(row),
        ...axes.map(({ key }) => row.cells[key]),
        ...(ours ? [row.ours] : []),
        row.published,
      ]),
    ]);
    tell(model, { ...s, first: list[0].name });
  }
  function sort(key) {
    s.by = key;
    draw(key);
  }
  draw();
}

function published({ published: said, paper }) {
  if (!said) return "";
  return h("a", { href: `https://arxiv.org/abs/${paper}` }, said);
}
