// What readers predicted: kept in their browser, read again, and written into a file to hand in.
// A record: {title, state, when, answers: [{question, version, answer, right, value}], earlier}.
import { need } from "./kit.js";

const STORE = "layer-by-layer predictions", NAME = "layer-by-layer name";
let page = null, pageName = ""; // what a page from a disk without storage keeps, while it is open

const isObject = (x) => x !== null && typeof x === "object" && !Array.isArray(x);

/** What the bank asks under this name: kind is "choices" or "curves". The bank comes as base64, so
 * that it is not read at a glance; that is a courtesy and no secret. */
export function asked(kind, id) {
  const known = JSON.parse(atob(BANK))[kind];
  need(
    typeof id === "string" && Object.hasOwn(known, id),
    `there is no question ${id}; there are ${Object.keys(known).join(", ")}`,
  );
  return known[id];
}

function all() {
  if (page) return page;
  try {
    const found = JSON.parse(localStorage.getItem(STORE));
    return isObject(found) ? found : {};
  } catch {
    return {};
  }
}

function write(next) {
  try {
    localStorage.setItem(STORE, JSON.stringify(next));
  } catch {
    page = next;
  }
}

/** A record as it was stored. Answers of the first edition, {name: [index, ...]}, become records.
 * Null where nothing can be made of it. */
function understood(key, stored) {
  const fits = (a) => isObject(a) && ["question", "answer", "version"].every((x) => a[x] != null);
  if (isObject(stored)) {
    const states = ["committed", "skipped"].includes(stored.state);
    const lists = [stored.answers, stored.earlier ?? []];
    const right = states && lists.every((list) => Array.isArray(list) && list.every(fits));
    return right ? { earlier: [], ...stored } : null;
  }
  const questions = JSON.parse(atob(BANK)).choices[key];
  if (!Array.isArray(stored) || stored.length !== questions?.length) return null;
  const answers = questions.map((q, k) => {
    const at = q.was[stored[k]], value = q.options[at];
    return { question: q.ask, version: q.version, answer: value, right: at === q.right, value };
  });
  if (!answers.every(fits)) return null;
  return { title: "", state: "committed", when: null, answers, earlier: [] };
}

/** The record of a box, or null; `lost` if there was one that says nothing any more. It is gone
 * then. */
export function recall(key) {
  const stored = all()[key];
  if (stored === undefined) return { record: null, lost: false };
  const record = understood(key, stored);
  if (!record) forget(key);
  return { record, lost: !record };
}

/** Keep a record in the place of what was there. */
export function keep(key, record) {
  write({ ...all(), [key]: record });
}

/** Remove a record. */
export function forget(key) {
  const { [key]: _, ...others } = all();
  write(others);
}

/** The name that the reader gave for the file. */
export function readerName() {
  try {
    return localStorage.getItem(NAME) ?? pageName;
  } catch {
    return pageName;
  }
}

/** Remember the name. */
export function rememberName(name) {
  pageName = name;
  try {
    localStorage.setItem(NAME, name);
  } catch { /* as long as the page is open */ }
}

/** All answers of the course as a file: {name, text}; null while nothing was committed. */
export function answerFile(reader, now = new Date()) {
  const rows = [];
  const order = (a, b) => parseFloat(a) - parseFloat(b) || (a < b ? -1 : 1);
  const id = (key) => key.replace(/^curve /, "");
  for (const key of Object.keys(all()).sort((a, b) => order(id(a), id(b)))) {
    const record = understood(key, all()[key]);
    if (!record) continue;
    const { title, state, when, answers, earlier } = record;
    const told = (a) => ({
      page: a.title ?? title,
      id: id(key),
      kind: key === id(key) ? "choice" : "curve",
      state: a.state ?? state,
      when: a.when === undefined ? when : a.when,
      question: a.question,
      version: a.version,
      answer: (a.state ?? state) === "skipped" ? null : a.answer,
      right: a.right ?? null,
      wording: earlier.includes(a) ? "earlier" : "current",
    });
    rows.push(...[...answers, ...earlier].map(told));
  }
  if (!rows.some((row) => row.state === "committed")) return null;
  const local = new Date(now - 60000 * now.getTimezoneOffset()).toISOString();
  const slug = reader.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  return {
    name: ["predictions", slug, local.slice(0, 10)].filter(Boolean).join("-") + ".json",
    text: JSON.stringify(
      { course: "Layer by Layer", name: reader, saved: now.toISOString(), answers: rows },
      null,
      2,
    ),
  };
}
