// A deck: themes, keys, and a figure that keeps the keys it needs.
const root = document.documentElement;
const wanted = new URLSearchParams(location.search).get("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
const put = (theme) => root.dataset.theme = theme;
put(wanted === "dark" || (!wanted && dark.matches) ? "dark" : "light");

const inFigure = (event) => event.target.closest?.(".lbl-figure, input, select, textarea");
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && inFigure(event)) {
    event.target.blur(); // out of the figure: the keys turn slides again
    event.stopImmediatePropagation();
  }
}, true);

Reveal.initialize({
  width: "100%",
  height: "100%",
  margin: 0,
  minScale: 1, // figures are drawn for the size that they have
  maxScale: 1,
  center: false,
  display: "flex",
  transition: "none",
  viewDistance: 1000,
  mobileViewDistance: 1000,
  hash: true,
  slideNumber: "c/t",
  plugins: [RevealNotes],
  // a clicker turns slides wherever the focus is; other keys belong to the figure that has it
  keyboardCondition: (event) => event.key.startsWith("Page") || !inFigure(event),
});
Reveal.addKeyBinding(
  { keyCode: 68, key: "D", description: "Light or dark" },
  () => put(root.dataset.theme === "dark" ? "light" : "dark"),
);

// The letters of a figure are as large as its slide allows.
const SIZES = [1, 0.9, 0.8, 0.72, 0.64, 0.56];

function fit() {
  for (const part of Reveal.getCurrentSlide().querySelectorAll(".lbl-component")) {
    const figure = part.querySelector(".lbl-figure");
    for (const size of figure ? SIZES : []) {
      figure.style.fontSize = `${size}em`;
      if (part.scrollHeight <= part.clientHeight + 1) break;
    }
  }
}
const later = () => requestAnimationFrame(() => requestAnimationFrame(fit)); // once it is drawn
Reveal.on("ready", later);
Reveal.on("slidechanged", later);
addEventListener("resize", later);
