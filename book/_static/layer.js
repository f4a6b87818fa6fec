// What is wider than the page scrolls sideways: by keyboard, too, and with an edge that says so.
const WIDE = [
  "pre",
  "table",
  "div.math",
  "figure.lbl-still",
  ".lbl-map",
  ".lbl-table",
  ".lbl-claim",
  ".pst-scrollable-table-container",
].join();
function edge(node) {
  const hidden = node.scrollWidth - node.clientWidth, sides = [];
  if (hidden > 1 && node.scrollLeft > 1) sides.push("left");
  if (hidden > 1 && node.scrollLeft < hidden - 1) sides.push("right");
  node.dataset.more = sides.join(" ");
  if (hidden > 1) node.tabIndex = 0;
}
addEventListener("load", () => {
  const look = (changes) => changes.forEach((change) => edge(change.target));
  const sized = new ResizeObserver(look), filled = new MutationObserver(look);
  for (const node of document.querySelectorAll(`.bd-article :is(${WIDE})`)) {
    sized.observe(node); // now, or when a fold opens
    filled.observe(node, { childList: true });
    node.addEventListener("scroll", () => edge(node), { passive: true });
  }
});

// On paper a fold that says how we know is open, and so are commands and advice.
const KNOW = "details.know, details.more, .tag_know > details, .lbl-job details, .lbl-tree details";
let unfolded = [];
addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll(KNOW)].filter((fold) => !fold.open);
  for (const fold of unfolded) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of unfolded) fold.open = false;
});

// Meanings of words show on hover, by keyboard and by touch, until Escape or a touch elsewhere.
addEventListener("DOMContentLoaded", () => {
  for (const word of document.querySelectorAll(".bd-article abbr.lbl-first[title]")) {
    word.tabIndex = 0;
    word.addEventListener("keydown", (event) => event.key === "Escape" && word.blur());
  }
});
