// Predict, then reveal: choose, commit, then what follows on the page appears.
import { asked } from "./answers.js";
import { askFirst } from "./gate.js";
import { h } from "./kit.js";

let groups = 0; // of radio buttons on this page

export function render({ model, el }) {
  const { id } = model.get("data");
  const parts = asked("choices", id).map((q) => part(q, () => changed()));
  const form = h(
    "form",
    { class: "lbl-predict", onsubmit: (e) => e.preventDefault() },
    ...parts.map((p) => p.set),
  );
  el.replaceChildren(
    h("div", { class: "lbl-figure", role: "group", "aria-label": "Predict first" }, form),
  );
  const changed = askFirst({ model, el, form, key: id, id, parts });
}

/** One question: an answer is the text of an option. */
function part({ ask, options, right, why, version }, changed) {
  const name = `lbl-guess-${++groups}`;
  const note = h("p", { class: "lbl-answer", hidden: true });
  const radios = options.map((value) =>
    h("input", { type: "radio", name, value, onchange: changed })
  );
  const choices = h(
    "div",
    {},
    ...options.map((text, k) => h("label", {}, radios[k], ` ${text}`)),
  );
  const set = h("fieldset", {}, h("legend", {}, ask), choices, note);
  return {
    ask,
    version,
    why,
    note,
    set,
    value: () => radios.find((radio) => radio.checked)?.value ?? null,
    fits: (value) => options.includes(value),
    put: (value) => {
      radios[options.indexOf(value)].checked = true;
      return true;
    },
    text: (value) => value,
    right: (value) => value === options[right],
    verdict: (value) =>
      value === null
        ? `It is “${options[right]}”.`
        : value === options[right]
        ? `✓ as you said: “${value}”.`
        : `✗ you said “${value}”; it is “${options[right]}”.`,
    show: () => {
      choices.hidden = true;
    },
    clear: () => {
      choices.hidden = false;
      for (const radio of radios) radio.checked = false;
    },
  };
}
