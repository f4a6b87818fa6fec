// Local signals (chapter 18): five neurons, their hidden integers, and which of them moves.
import { button, frame, h, need, numbers, tell } from "./kit.js";

const sign = (v) => (v >= 0 ? 1 : -1); // 0 counts as +1
const shown = (v) => (v > 0 ? `+${v}` : String(v).replace("-", "−"));
const several = (list) =>
  list.length > 1 ? `${list.slice(0, -1).join(", ")} and ${list.at(-1)}` : list[0];

/** Pre-activations of neurons with rows of hidden integers, for signs x. */
export const sums = (hidden, x) =>
  hidden.map((row) => row.reduce((z, v, i) => z + sign(v) * x[i], 0));

/** The wrong neuron nearest to its turning point, the first of several; -1 if all are right. */
export function easiest(z, wanted) {
  let best = -1;
  z.forEach((v, k) => {
    if (sign(v) !== wanted[k] && (best < 0 || Math.abs(v) < Math.abs(z[best]))) best = k;
  });
  return best;
}

export function render({ model, el }) {
  const { hidden, x, wanted, label = "Five neurons" } = model.get("data");
  need(hidden?.length > 0, "there are no neurons");
  need(wanted?.length === hidden.length, `${hidden.length} neurons need as many desired signs`);
  for (const [what, signs] of [["the inputs", x], ["the desired signs", wanted]]) {
    numbers(signs, what);
    need(signs.every((v) => v === 1 || v === -1), `${what} must be +1 or -1, got ${signs}`);
  }
  for (const row of hidden) {
    numbers(row, "a neuron");
    need(row.length === x.length, `a neuron has ${row.length} integers, not ${x.length}`);
    need(row.every(Number.isInteger), `hidden integers must be whole numbers, got ${row}`);
  }
  const f = frame(el, label);
  const s = { hidden: hidden.map((row) => [...row]), x: [...x], learned: 0 };
  let last = "";
  const grid = h("table", { class: "lbl-signals" });
  f.stage.append(h("div", { class: "lbl-grid" }, grid));
  const learn = button(f.controls, "Learn this input", () => {
    const z = sums(s.hidden, s.x), k = easiest(z, wanted);
    const before = s.hidden[k], now = before.map((v, i) => v + 2 * wanted[k] * s.x[i]);
    const turned = before.filter((v, i) => sign(v) !== sign(now[i])).length;
    s.hidden[k] = now;
    s.learned += 1;
    const weights = turned === 1 ? "1 weight has" : `${turned || "No"} weights have`;
    last =
      `Neuron ${k + 1} has moved, each of its integers by 2. ${weights} changed sign, and its ` +
      `sum went from ${shown(z[k])} to ${shown(sums([now], s.x)[0])}. `;
    draw();
  });
  button(f.controls, "Start again", () => {
    Object.assign(s, { hidden: hidden.map((row) => [...row]), x: [...x], learned: 0 });
    last = "";
    draw();
  });
  const flips = x.map((_, i) =>
    h("button", {
      type: "button",
      onclick: () => {
        s.x[i] = -s.x[i];
        last = "";
        draw();
      },
    })
  );
  const cell = (text, name) => h("td", name ? { class: name } : {}, text);

  function draw() {
    const z = sums(s.hidden, s.x), moves = easiest(z, wanted);
    const wrong = z.flatMap((v, k) => (sign(v) === wanted[k] ? [] : [k + 1]));
    flips.forEach((node, i) => {
      node.textContent = shown(s.x[i]);
      node.setAttribute("aria-label", `input ${i + 1} is ${shown(s.x[i])}; flip it`);
    });
    const heads = ["", ...flips, "sum", "sign", "desired", ""];
    grid.replaceChildren(
      h("thead", {}, h("tr", {}, ...heads.map((head) => h("th", { scope: "col" }, head)))),
      h(
        "tbody",
        {},
        ...s.hidden.map((row, k) =>
          h(
            "tr",
            k === moves ? { class: "lbl-moves" } : {},
            h("th", { scope: "row" }, h("span", { class: "lbl-long" }, "neuron "), String(k + 1)),
            ...row.map((v) => cell(shown(v), sign(v) > 0 ? "lbl-plus" : "lbl-minus")),
            cell(shown(z[k])),
            cell(shown(sign(z[k]))),
            cell(shown(wanted[k])),
            cell(k === moves ? "moves" : wrong.includes(k + 1) ? "wrong, waits" : "right"),
          )
        ),
      ),
    );
    learn.disabled = moves < 0;
    const who = wrong.length > 1
      ? `Neurons ${several(wrong)} are wrong`
      : `Neuron ${wrong[0]} is wrong`;
    const why = moves < 0
      ? "Every neuron has its desired sign. Nothing moves."
      : `${who}. ${wrong.length > 1 ? `Of these neuron ${moves + 1} is` : "It is"} ` +
        `${Math.abs(z[moves])} from zero${wrong.length > 1 ? ", the nearest" : ""}: it moves.`;
    f.say(last + why);
    f.data(() => [
      ["neuron", "hidden integers", "sum", "desired", "distance from zero"],
      ...s.hidden.map((
        row,
        k,
      ) => [k + 1, row.map(shown).join(" "), shown(z[k]), shown(wanted[k]), Math.abs(z[k])]),
    ]);
    tell(model, {
      x: [...s.x],
      hidden: s.hidden.map((row) => [...row]),
      moves,
      learned: s.learned,
    });
  }
  draw();
}
