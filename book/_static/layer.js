// Wide tables and formulas of a page scroll sideways: by keyboard, too. (The theme sees to code.)
addEventListener("load", () => {
  for (
    const node of document.querySelectorAll(
      ".bd-article :is(div.cell_output table, div.math, figure.lbl-still)",
    )
  ) {
    if (node.scrollWidth > node.clientWidth || !node.clientWidth) node.tabIndex = 0; // or hidden
  }
});

// Meanings of words show on hover; by keyboard and by touch, too.
addEventListener("DOMContentLoaded", () => {
  for (const word of document.querySelectorAll(".bd-article abbr[title]")) word.tabIndex = 0;
});
