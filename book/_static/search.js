// The search page: sections that hold every word asked for, best first, each with an excerpt.
addEventListener("DOMContentLoaded", () => {
  const asked = new URLSearchParams(location.search).get("q") ?? "";
  const words = asked.toLowerCase().match(/[\p{L}\p{N}_+−-]+/gu) ?? [];
  const holder = document.getElementById("search-results");
  if (!holder || !words.length) return;
  const place = document.createElement("div");
  place.id = "lbl-results";
  holder.replaceWith(place); // what the theme finds has nowhere to go, and this is more
  const found = [];
  for (const [page, title, anchor, heading, text] of SECTIONS) {
    const low = text.toLowerCase(), top = `${title} ${heading}`.toLowerCase();
    let score = 0;
    for (const word of words) {
      const times = low.split(word).length - 1, named = top.includes(word);
      if (!times && !named) {
        score = 0;
        break;
      }
      score += Math.min(times, 5) + (heading.toLowerCase().includes(word) ? 12 : named ? 4 : 0);
    }
    if (!score) continue;
    const phrase = words.join(" ");
    if (words.length > 1) {
      score += (heading.toLowerCase().includes(phrase) ? 30 : 0) + (low.includes(phrase) ? 10 : 0);
    }
    if (page.startsWith("book/api/")) score /= 2; // readers first
    found.push({ page, title, anchor, heading, text, score });
  }
  found.sort((a, b) => b.score - a.score);
  const line = document.createElement("p");
  line.setAttribute("role", "status");
  line.textContent = found.length
    ? `${found.length} section${found.length > 1 ? "s" : ""} with ${words.join(" and ")}${
      found.length > 40 ? ", the best 40 shown" : ""
    }`
    : `No section has ${words.join(" and ")}. Try fewer words.`;
  const list = document.createElement("ol");
  for (const hit of found.slice(0, 40)) {
    const item = document.createElement("li"),
      link = document.createElement("a"),
      around = document.createElement("p");
    link.href = `${hit.page}#${hit.anchor}`;
    link.textContent = hit.heading === hit.title ? hit.title : `${hit.title}: ${hit.heading}`;
    around.append(...excerpt(hit.text, words));
    item.append(link, around);
    list.append(item);
  }
  place.append(line, list);
});

/** The text around the first word, with all words marked. */
function excerpt(text, words) {
  const low = text.toLowerCase(), phrase = low.indexOf(words.join(" "));
  const at = phrase >= 0
    ? phrase
    : Math.min(...words.map((w) => low.indexOf(w)).filter((i) => i >= 0), text.length);
  const from = at < 90 ? 0 : text.lastIndexOf(" ", at - 80) + 1,
    piece = text.slice(from, from + 240),
    parts = [];
  if (from > 0) parts.push("… ");
  let rest = piece;
  while (rest) {
    const next = words.map((w) => [rest.toLowerCase().indexOf(w), w.length]).filter(([i]) =>
      i >= 0
    ).sort((a, b) =>
      a[0] - b[0]
    )[0];
    if (!next) {
      parts.push(rest);
      break;
    }
    const mark = document.createElement("mark");
    mark.textContent = rest.slice(next[0], next[0] + next[1]);
    parts.push(rest.slice(0, next[0]), mark);
    rest = rest.slice(next[0] + next[1]);
  }
  return [...parts, " …"];
}
