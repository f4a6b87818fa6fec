// Bit calculator (chapter 1): click signs, see XNOR, popcount and the dot product.
import { button, choice, frame, h, need, tell } from "./kit.js";

export function render({ model, el }) {
  const data = model.get("data");
  const sizes = [4, 8, 12, 16];
  need(sizes.includes(data.n), `no ${data.n} bits; there are ${sizes.join(", ")}`);
  const f = frame(el, "Bit calculator");
  let n = data.n;
  const rows = { x: data.x.slice(), w: data.w.slice() }; // +1 and -1, sixteen each
  for (const [name, row] of Object.entries(rows)) {
    need(
      row.length === 16 && row.every((s) => s === 1 || s === -1),
      `${name} must be sixteen signs`,
    );
  }

  choice(f.controls, {
    label: "entries",
    options: sizes,
    value: n,
    on: (v) => {
      n = Number(v);
      draw();
    },
  });
  button(f.controls, "Random signs", () => {
    for (const row of Object.values(rows)) {
      for (let i = 0; i < 16; i++) {
        row[i] = Math.random() < 0.5 ? 1 : -1;
      }
    }
    draw();
  });
  button(f.controls, "All equal", () => {
    rows.w = rows.x.slice();
    draw();
  });
  const board = h("div", { class: "lbl-bits" }), sums = h("p", { class: "lbl-sum" });
  f.stage.append(board, sums);

  function line(name, text) {
    const cells = rows[name].slice(0, n).map((s, i) =>
      h("button", {
        type: "button",
        class: "lbl-bit",
        "data-name": name,
        "data-i": i,
        "aria-pressed": s > 0 ? "true" : "false",
        "aria-label": `${text}, entry ${i + 1}: ${s > 0 ? "+1" : "−1"}`,
        onclick: () => {
          rows[name][i] *= -1;
          draw(name, i);
        },
      }, s > 0 ? "+" : "−")
    );
    return h("div", { class: "lbl-bitrow" }, h("span", { class: "lbl-bitname" }, text), ...cells);
  }

  function draw(name = null, i = 0) {
    const agree = rows.x.slice(0, n).map((s, k) => s === rows.w[k]);
    const count = agree.filter(Boolean).length, dot = 2 * count - n;
    board.replaceChildren(
      line("x", "input x"),
      line("w", "weights w"),
      h(
        "div",
        { class: "lbl-bitrow" },
        h("span", { class: "lbl-bitname" }, "xnor"),
        ...agree.map((yes) => h("span", { class: `lbl-xnor${yes ? " on" : ""}` }, yes ? "1" : "0")),
      ),
    );
    const products = rows.x.slice(0, n).map((s, k) => s * rows.w[k]);
    const written = products.map((p, k) => (p < 0 ? "− 1" : k ? "+ 1" : "1")).join(" ");
    sums.replaceChildren(
      `popcount ${count},  2 · ${count} − ${n} = ${dot}`,
      h("br"),
      `multiply and add: ${written} = ${products.reduce((a, b) => a + b)}`,
    );
    f.say(
      `${count} of ${n} entries agree, so the dot product is ${dot}. One flip changes it by 2.`,
    );
    f.data(
      () => [
        ["entry", "x", "w", "xnor", "x times w"],
        ...products.map((p, k) => [k + 1, rows.x[k], rows.w[k], agree[k] ? 1 : 0, p]),
      ],
    );
    tell(model, { dot, popcount: count });
    if (name) board.querySelector(`[data-name="${name}"][data-i="${i}"]`).focus();
  }
  draw();
}
