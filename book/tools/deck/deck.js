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
Reveal.on("slidechanged", () => document.activeElement?.blur()); // a figure left behind has no keys
Reveal.addKeyBinding(
  { keyCode: 68, key: "D", description: "Light or dark" },
  () => put(root.dataset.theme === "dark" ? "light" : "dark"),
);

// A figure has large letters where its slide allows, and is made smaller where it would be cut.
const LOOKS = [1, 0.9, 0.8, 0.72].map((size) => [size, 1]);
LOOKS.push(...[0.9, 0.8, 0.7, 0.65, 0.6].map((zoom) => [0.72, zoom]));
const drawn = () => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));

async function fit(parts, first = 0) {
  let open = [...parts].filter((part) => part.querySelector(".lbl-figure"));
  for (let k = first; k < LOOKS.length && open.length; k++) {
    for (const part of open) {
      const [size, zoom] = LOOKS[k];
      Object.assign(part.querySelector(".lbl-figure").style, { fontSize: `${size}em`, zoom });
      part.dataset.look = k;
    }
    await drawn(); // canvases have their new size one frame later
    open = open.filter((part) => part.scrollHeight > part.clientHeight + 1);
  }
}
const all = () => fit(document.querySelectorAll(".lbl-component"));
Reveal.on("ready", all);
addEventListener("resize", all);
addEventListener("click", (event) => { // an answer needs room
  const part = event.target.closest?.(".lbl-component");
  if (part) drawn().then(() => fit([part], Number(part.dataset.look ?? 0)));
});
