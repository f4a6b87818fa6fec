// Predict, then reveal: choose, commit, then what follows on the page appears.
import { button, h, need, tell } from "./kit.js";

const STORE = "layer-by-layer predictions";

function stored() { // a page from a disk may have no storage: then answers last as long as the page
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {};
  }
}

export function render({ model, el }) {
  const { id, questions, hides = 0 } = model.get("data");
  need(Array.isArray(questions) && questions.length > 0, "there is no question");
  for (const q of questions) {
    need(q.options?.length >= 2, `the question "${q.text}" needs at least two options`);
    need(
      Number.isInteger(q.answer) && q.answer >= 0 && q.answer < q.options.length,
      `the question "${q.text}" has no option ${q.answer}`,
    );
  }
  const all = stored(), earlier = all[id];
  const option = (k) => (text, i) => {
    const checked = earlier?.[k] === i, name = `${id}-${k}`;
    const radio = h("input", { type: "radio", name, value: i, checked, onchange: ready });
    return h("label", {}, radio, ` ${text}`);
  };
  const sets = questions.map((q, k) => {
    const note = h("p", { class: "lbl-answer", hidden: true });
    return h("fieldset", {}, h("legend", {}, q.text), ...q.options.map(option(k)), note);
  });
  const says = h("p", { class: "lbl-says", role: "status", tabindex: "-1" });
  const row = h("div", { class: "lbl-controls" });
  const prevent = (e) => e.preventDefault();
  const box = h("form", { class: "lbl-predict", onsubmit: prevent }, ...sets, row, says);
  el.replaceChildren(
    h("div", { class: "lbl-figure", role: "group", "aria-label": "Predict first" }, box),
  );
  const commit = button(row, "Commit", () => {
    keep();
    reveal(true);
    says.focus(); // the button that had it is gone
  }, { disabled: true });
  const skip = button(row, "Show me without", () => {
    reveal(false);
    says.focus();
  });
  button(row, "Save my answers as a file", download);
  const hidden = following(el, hides);

  function chosen() {
    return sets.map((set) => {
      const on = set.querySelector("input:checked");
      return on ? Number(on.value) : null;
    });
  }
  function ready() {
    commit.disabled = chosen().includes(null);
  }
  function keep() {
    all[id] = chosen();
    try {
      localStorage.setItem(STORE, JSON.stringify({ ...stored(), [id]: all[id] }));
    } catch { /* this page only */ }
  }
  function reveal(committed) {
    for (const node of hidden) node.classList.remove("lbl-hidden");
    dispatchEvent(new Event("resize")); // what scrolls is measured anew, and becomes a tab stop
    const picks = chosen();
    sets.forEach((set, k) => {
      const { options, answer } = questions[k], note = set.querySelector(".lbl-answer");
      note.hidden = false;
      note.textContent = !committed
        ? `It is: ${options[answer]}.`
        : picks[k] === answer
        ? `You said so, and so it is: ${options[answer]}.`
        : `You said: ${options[picks[k]]}. It is: ${options[answer]}.`;
    });
    const right = picks.filter((p, k) => p === questions[k].answer).length;
    says.textContent = committed
      ? `${right} of ${questions.length} as you predicted. Read on for why.`
      : "Read on for why.";
    tell(model, { answers: picks, committed });
    for (const node of [commit, skip]) node.hidden = true;
  }
  function download() {
    const answers = { ...stored(), ...all }, saved = new Date().toISOString();
    const told = { course: "Layer by Layer", page: document.title, saved, answers };
    const file = new Blob([JSON.stringify(told, null, 2)], { type: "application/json" });
    const link = h("a", { href: URL.createObjectURL(file), download: "predictions.json" });
    link.click();
    URL.revokeObjectURL(link.href);
  }
  for (const node of hidden) node.classList.add("lbl-hidden");
  const asked = () => { // a link into what is hidden shows it
    const target = location.hash &&
      document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (
      target &&
      hidden.some((node) => node.contains(target) && node.classList.contains("lbl-hidden"))
    ) {
      reveal(false);
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", asked);
  asked();
  says.textContent = hidden.length ? "What comes next is hidden until you commit." : "";
  ready();
  if (earlier && !commit.disabled) reveal(true); // unless the questions have changed
}

/** The next blocks of a stored page: after the box or cell of `el`, then the sections after it. In
 * a live notebook nothing is hidden. */
function following(el, count) {
  const found = [];
  let node = el.classList.contains("lbl-component")
    ? el.closest(".lbl-ask") ?? el.closest("div.cell")
    : null;
  while (node && found.length < count) {
    node = node.nextElementSibling ?? node.closest("section")?.nextElementSibling;
    if (node) found.push(node);
  }
  return found;
}
