// Commit, then read on: what waits on a page for an answer, and the box that asks for it.
import { answerFile, forget, keep, readerName, recall, rememberName } from "./answers.js";
import { button, h, tell } from "./kit.js";

// ---- what waits ---------------------------------------------------------------------------------
const WAITS = Symbol.for("the boxes that an element waits for"); // one for all scripts of a page

function hold(node, box) {
  (node[WAITS] ??= new Set()).add(box);
  node.classList.add("lbl-hidden");
}

function release(node, box) {
  node[WAITS]?.delete(box);
  if (!node[WAITS]?.size) node.classList.remove("lbl-hidden");
}

/** The next element of the page that is not a part of `node`. */
function after(node, root) {
  while (node !== root && !node.nextElementSibling) node = node.parentElement;
  return node === root ? null : node.nextElementSibling;
}

/** Elements of a stored page that wait for the box in `el`: see questions.py. In a live notebook
 * there are none. */
function waiting(el, id) {
  const start = el.classList.contains("lbl-component")
    ? el.closest(".lbl-ask") ?? el.closest("div.cell")
    : null;
  if (!start) return [];
  const root = start.closest("article") ?? document.body;
  const follows = (node) =>
    !start.contains(node) &&
    start.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING;
  const mark = [...root.querySelectorAll(`[id="revealed-${CSS.escape(id)}"]`)].find(follows);
  const found = [];
  if (mark) {
    for (let node = after(start, root); node; node = after(node, root)) {
      while (node !== mark && node.contains(mark)) node = node.firstElementChild;
      if (node === mark) break;
      found.push(node);
    }
  } else {
    let node = start;
    while ((node = node.nextElementSibling) && node.tagName !== "SECTION") found.push(node);
    const next = after(start, root);
    if (!found.length && next) found.push(next);
  }
  const surprise = (node) =>
    /^what surprised us/i.test(node.querySelector("h1, h2, h3")?.textContent.trim() ?? "");
  const spoils = (node) => node.matches(".lbl-spoiler") || surprise(node);
  const others = [...root.querySelectorAll(".lbl-spoiler, section")].filter(follows);
  return [...new Set([...found, ...others.filter(spoils)])];
}

// ---- the box ------------------------------------------------------------------------------------
const AGAIN = "lbl-start-over"; // all boxes of a page start over together

const pageOf = (el) => el.closest(".jp-Notebook, article") ?? document;

function title() {
  const heading = document.querySelector("h1")?.cloneNode(true);
  heading?.querySelectorAll("a").forEach((link) => link.remove());
  return heading?.textContent.trim() || document.title;
}

/** Buttons below a question, in `form`: commit, show, start over, save.
 *
 * key: of the record; id: of the mark. Each part is a question: ask, version, why; note, where the
 * answer is told; value(), or null; put(value), which may refuse; text(value); right(value), true,
 * false or null; verdict(value), for null without a guess; show(value, anew); clear(). Returns what
 * a part calls when its value changed. */
export function askFirst({ model, el, form, key, id, parts }) {
  const says = h("p", { class: "lbl-says", role: "status", tabindex: "-1" });
  const row = h("div", { class: "lbl-controls" });
  const files = h("div", { class: "lbl-controls lbl-files" });
  const saved = h("span", { class: "lbl-saved", role: "status" });
  form.append(row, says, files);
  const box = {}, nodes = waiting(el, id);
  const commit = button(row, "Commit", () => {
    store("committed", parts.map((part) => part.value()));
    finish(parts.map((part) => part.value()), true);
    says.focus(); // the button that had it is gone
  }, { disabled: true });
  const skip = button(row, "Show me without", () => {
    store("skipped", parts.map(() => null));
    finish(null, true);
    says.focus();
  });
  const again = button(row, "Start over", () => {
    dispatchEvent(new CustomEvent(AGAIN, { detail: pageOf(el) }));
    form.closest(".lbl-figure").querySelector("input, [role=slider]").focus();
  });
  const name = h("input", {
    type: "text",
    value: readerName(),
    autocomplete: "name",
    onchange: () => rememberName(name.value.trim()),
  });
  files.append(h("label", { class: "lbl-choice" }, h("span", {}, "your name (optional)"), name));
  button(files, "Save my answers", save);
  files.append(saved);

  function ready() {
    commit.disabled = parts.some((part) => part.value() === null);
  }
  function store(state, values) {
    const before = recall(key).record, when = new Date().toISOString();
    const kept = before && stale(before).map((a) => ({
      title: before.title,
      state: before.state,
      when: before.when,
      ...a,
    }));
    keep(key, {
      title: title(),
      state,
      when,
      answers: parts.map((part, k) => ({
        question: part.ask,
        version: part.version,
        answer: values[k] === null ? "" : part.text(values[k]),
        right: values[k] === null ? null : part.right(values[k]),
        value: values[k],
      })),
      earlier: [...(before?.earlier ?? []), ...(kept ?? [])],
    });
  }
  function stale(record) { // answers to what is asked no longer
    return record.answers.filter((a) =>
      !parts.some((part) => part.version === a.version && (a.value === null || part.fits(a.value)))
    );
  }
  function finish(values, anew) {
    for (const node of nodes) release(node, box);
    dispatchEvent(new Event("resize")); // what scrolls is measured anew, and becomes a tab stop
    parts.forEach((part, k) => {
      const value = values ? values[k] : null, told = part.verdict(value);
      part.note.hidden = false;
      part.note.replaceChildren(h("strong", {}, told), ` ${part.why}`);
      part.show(value, anew);
    });
    const judged = parts.map((part, k) => values && part.right(values[k])).filter((r) =>
      r !== null
    );
    const right = judged.filter(Boolean).length;
    const count = judged.length ? `${right} of ${judged.length} as you predicted. ` : "";
    says.textContent = `${count}Read on for more.`;
    says.classList.remove("lbl-waits");
    tell(model, { answers: parts.map((p, k) => values && p.text(values[k])), committed: !!values });
    commit.hidden = skip.hidden = true;
    again.hidden = false;
  }
  function reset() {
    forget(key);
    begin();
    tell(model, { answers: [], committed: false });
  }
  function begin() {
    for (const part of parts) {
      part.clear();
      part.note.hidden = true;
    }
    commit.hidden = skip.hidden = false;
    again.hidden = true;
    saved.textContent = "";
    for (const node of nodes) hold(node, box);
    says.textContent = nodes.length ? "The part that answers this is hidden until you commit." : "";
    says.classList.toggle("lbl-waits", nodes.length > 0);
    ready();
  }
  function resume() { // with what was answered before
    const { record, lost } = recall(key);
    if (lost) {
      says.textContent = "An answer of yours from an earlier edition could not be read any more. " +
        says.textContent;
    }
    if (!record) return;
    const mine = (part) => record.answers.find((a) => a.version === part.version);
    const usable = parts.map((part) => {
      const a = mine(part);
      return Boolean(a) &&
        (record.state === "skipped" || (part.fits(a.value) && part.put(a.value)));
    });
    if (usable.every(Boolean)) {
      return finish(record.state === "skipped" ? null : parts.map((p) => p.value()), false);
    }
    again.hidden = false;
    const old = stale(record);
    parts.forEach((part, k) => {
      const before = record.answers[k];
      if (usable[k] || !old.includes(before) || record.state === "skipped") return;
      part.note.hidden = false;
      part.note.textContent = `You answered an earlier wording: “${before.question}” with ` +
        `“${before.answer}”. That stays in your file. Here the question is asked anew.`;
    });
    ready();
  }
  function save() {
    rememberName(name.value.trim());
    const file = answerFile(name.value.trim());
    if (!file) {
      saved.textContent = "There is nothing to save yet: commit to an answer first.";
      return;
    }
    const blob = new Blob([file.text], { type: "application/json" });
    const link = h("a", { href: URL.createObjectURL(blob), download: file.name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    saved.textContent = `Saved as ${file.name}.`;
  }
  const linked = () => { // a link into what is hidden shows it
    const target = location.hash &&
      document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const hidden = (node) => node.contains(target) && node.classList.contains("lbl-hidden");
    if (!target || !nodes.some(hidden)) return;
    for (const node of nodes) release(node, box);
    dispatchEvent(new Event("resize"));
    says.textContent = "A link led you past this question, so what follows is open. " +
      "You can still commit.";
    target.scrollIntoView();
  };
  addEventListener(AGAIN, ({ detail }) => {
    if (el.isConnected && pageOf(el) === detail) reset();
  });
  begin();
  resume();
  addEventListener("hashchange", linked);
  linked();
  return ready;
}
