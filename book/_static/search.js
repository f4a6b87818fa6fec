// The search page: MiniSearch over SECTIONS. Whole words come first; where fewer than a handful of
// places have them, words that begin so, or differ by one letter, follow.
const FEW = 5, MOST = 40;
const WORD = /[\p{L}\p{N}]+/gu;
/** Words of a question that name nothing. */
const SMALL = new Set("a an and are do does for how i in is of the to what why with".split(" "));
const GREEK = { α: "alpha", β: "beta", γ: "gamma", μ: "mu", ρ: "rho", σ: "sigma", τ: "tau" };
/** One form for a word and its plural; a name with a version, MobileNetV2, has two. */
function forms(word) {
  if (SMALL.has(word.toLowerCase())) return [];
  const form = word.toLowerCase().replace(/(?<=[^siu].)s$/u, "");
  if (form in GREEK) return [GREEK[form]];
  const name = /^(\p{L}{4,})v\d+$/u.exec(form);
  return name ? [form, name[1]] : [form];
}
const words = (text) => text.match(WORD) ?? [];

addEventListener("DOMContentLoaded", () => {
  const field = document.querySelector(".bd-search-container input"),
    said = document.getElementById("lbl-count"),
    list = document.getElementById("lbl-results");
  if (!field || !list) return;
  const index = new MiniSearch({
    fields: ["heading", "title", "text"],
    tokenize: words,
    processTerm: forms,
  });
  index.addAll(
    SECTIONS.map(([, title, , heading, text], id) => ({ id, title, heading, text })),
  );

  /** Places, best first, and how they were found. */
  function find(asked) {
    const exact = { boost: { heading: 8, title: 3 }, boostDocument: weight, combineWith: "AND" };
    const loose = {
      ...exact,
      prefix: (word) => word.length > 2,
      fuzzy: (word) => word.length > 4 && 1,
    };
    const whole = index.search(asked, exact);
    if (whole.length >= FEW) return [whole, "all"];
    const there = new Set(whole.map((hit) => hit.id));
    const like = index.search(asked, loose).filter((hit) => !there.has(hit.id));
    if (whole.length || like.length) return [[...whole, ...like], whole.length ? "all" : "like"];
    return [index.search(asked, { ...loose, combineWith: "OR" }), "some"];
  }

  /** What a word means comes first; then chapters, the pages that lead to them, the reference. */
  function weight(id) {
    const [page, title, , heading, , kind] = SECTIONS[id];
    if (kind === "word") return 3;
    if (/^book\/(?:api|teaching|bibliography|recorded|protocol|index|part)/.test(page)) return 0.4;
    if (/^(?:Claim \w+|Exercises|Sources|What surprised us)$/.test(heading)) return 0.5;
    return heading === title ? 2 : 1;
  }

  function show() {
    const asked = field.value.trim();
    const [hits, how] = words(asked).flatMap(forms).length ? find(asked) : [[], ""];
    list.replaceChildren(...hits.slice(0, MOST).map(item));
    said.textContent = !asked
      ? "What do you look for? A word, a name of the package, or a claim such as C7."
      : sentence(hits.length, how, asked);
    const address = new URL(location.href);
    asked ? address.searchParams.set("q", asked) : address.searchParams.delete("q");
    history.replaceState(null, "", address);
  }

  field.value = new URLSearchParams(location.search).get("q") ?? "";
  field.addEventListener("input", show);
  field.form.addEventListener("submit", (event) => {
    event.preventDefault(); // what it would find stands there already
    list.querySelector("a")?.focus();
  });
  field.focus();
  show();
});

function sentence(count, how, asked) {
  if (!count) return `Nothing in the book has “${asked}”. Try fewer or other words.`;
  const more = count > MOST ? ` The best ${MOST} are shown.` : "";
  const places = count === 1 ? "1 place" : `${count} places`;
  if (how === "like") {
    return `Nothing has exactly “${asked}”. Words like it are in ${places}.${more}`;
  }
  if (how === "some") return `No place has all of “${asked}”. Some of it is in ${places}.${more}`;
  return `“${asked}” is in ${places}.${more}`;
}

function item(hit) {
  const [page, title, anchor, heading, text] = SECTIONS[hit.id],
    entry = document.createElement("li"),
    link = document.createElement("a"),
    around = document.createElement("p");
  link.href = `${page}#${anchor}`;
  link.textContent = heading === title ? title : `${title}: ${heading}`;
  around.append(...excerpt(text, new Set(Object.keys(hit.match))));
  entry.append(link, around);
  return entry;
}

/** The text around the place where most of the words stand, with all of them marked. */
function excerpt(text, found) {
  const marks = [...text.matchAll(WORD)].filter(([word]) =>
    forms(word).some((form) => found.has(form))
  );
  const near = (at) => {
    const close = marks.filter((m) => m.index >= at && m.index < at + 160);
    return new Set(close.map(([word]) => forms(word)[0])).size;
  };
  let best = marks[0]?.index ?? 0;
  for (const { index } of marks) if (near(index) > near(best)) best = index;
  const from = best < 90 ? 0 : text.lastIndexOf(" ", best - 70) + 1;
  const end = text.length <= from + 240 ? text.length : text.lastIndexOf(" ", from + 240);
  const parts = from ? ["… "] : [];
  let at = from;
  for (const { 0: word, index } of marks.filter((m) => m.index >= from && m.index < end)) {
    const mark = document.createElement("mark");
    mark.textContent = word;
    parts.push(text.slice(at, index), mark);
    at = index + word.length;
  }
  return [...parts, text.slice(at, Math.max(at, end)), end < text.length ? " …" : ""];
}
