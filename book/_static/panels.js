// On a phone the panels of a drawing stand one below the other, each as wide as the page, and many
// small ones in rows. The drawing itself stays for those who listen, and comes back when there is
// room.
const narrow = matchMedia("screen and (max-width: 600px)");

// What an element covers, in the units of its drawing.
function extent(svg, nodes) {
  const whole = svg.getBoundingClientRect(), unit = svg.viewBox.baseVal.width / whole.width;
  const boxes = [...nodes].map((n) => n.getBoundingClientRect()).filter((b) => b.width || b.height);
  const low = (side) => Math.min(...boxes.map((b) => b[side])),
    high = (side) => Math.max(...boxes.map((b) => b[side]));
  return {
    left: (low("left") - whole.left) * unit,
    right: (high("right") - whole.left) * unit,
    top: (low("top") - whole.top) * unit,
    bottom: (high("bottom") - whole.top) * unit,
  };
}
const near = (a, b) => Math.abs(a - b) < 1;
const WIDEST = 1.6; // pixels of a piled panel, of one in its drawing
const LARGER = 1.25; // the words of a panel that was drawn for a wide page and shrinks

// What says how large some axes are: their frame, or all that is drawn where they have none.
const framed = (axes) => axes.querySelector("[data-axis]");
const frameOf = (axes) =>
  framed(axes)
    ? [axes.querySelector("path, image")]
    : axes.querySelectorAll("path, image, use, text");

// The panels of a drawing: its axes with their frames, a bar of colors with its panel.
function panelsOf(svg) {
  const wide = svg.viewBox.baseVal.width, panels = [], bars = [];
  for (const axes of svg.querySelectorAll(":scope > [data-axes], :scope > g > [data-axes]")) {
    const frame = extent(svg, frameOf(axes));
    (frame.right - frame.left < 0.06 * wide ? bars : panels).push({ axes: [axes], frame });
  }
  for (const bar of bars) {
    const left = panels.filter((p) => p.frame.right <= bar.frame.left + 1);
    if (!left.length) return [];
    left.reduce((a, b) => (b.frame.right > a.frame.right ? b : a)).axes.push(...bar.axes);
  }
  return panels;
}

// In a grid only the first panel of a column has a title; alone, each needs it.
function withTitle(panel, panels) {
  const titles = (p) =>
    [...p.axes[0].children].filter((n) =>
      (n.matches("text") || n.querySelector("text")) && !n.matches("[data-axis], [data-legend]") &&
      n.getBoundingClientRect().bottom <= frameOf(p.axes[0])[0].getBoundingClientRect().top
    );
  if (!framed(panel.axes[0]) || titles(panel).length) return [];
  const above = panels.find((p) =>
    near(p.frame.left, panel.frame.left) && p.frame.top < panel.frame.top && framed(p.axes[0])
  );
  return (above ? titles(above) : []).map((title) => {
    const copy = document.createElementNS(title.namespaceURI, "g");
    copy.append(title.cloneNode(true));
    copy.setAttribute("transform", `translate(0 ${panel.frame.top - above.frame.top})`);
    return copy;
  });
}

// Of panels that share an axis only the first has its numbers; alone, each needs them.
function withNumbers(panel, panels) {
  const extra = [], scales = (p) => p.axes[0].querySelectorAll("[data-axis]"); // x, then y
  if (scales(panel).length !== 2) return extra;
  for (const [kind, a, b] of [[0, "left", "right"], [1, "top", "bottom"]]) {
    if (scales(panel)[kind].querySelector("text")) continue;
    const like = panels.find((p) =>
      near(p.frame[a], panel.frame[a]) && near(p.frame[b], panel.frame[b]) &&
      scales(p)[kind]?.querySelector("text")
    );
    if (!like) continue;
    const copy = scales(like)[kind].cloneNode(true);
    const shift = kind
      ? [panel.frame.left - like.frame.left, 0]
      : [0, panel.frame.bottom - like.frame.bottom];
    copy.setAttribute("transform", `translate(${shift})`);
    extra.push(copy);
  }
  return extra;
}

// A legend that is wider than a phone, in as many lines as its entries need: samples, then words.
function inLines(legend, room) {
  const svg = legend.ownerSVGElement, whole = extent(svg, [legend]), entries = [[]];
  if (whole.right - whole.left <= room) return;
  for (const node of [...legend.children]) {
    const box = extent(svg, [node]);
    if (box.right - box.left > 0.95 * (whole.right - whole.left)) node.remove(); // its frame
    else {
      entries.at(-1).push(node);
      if (node.matches("text")) entries.push([]);
    }
  }
  let x = 0, y = 0;
  for (const nodes of entries.filter((entry) => entry.length)) {
    const box = extent(svg, nodes), width = box.right - box.left;
    if (x && x + width > room) [x, y] = [0, y + 1.5 * (whole.bottom - whole.top)];
    const entry = document.createElementNS(svg.namespaceURI, "g");
    entry.setAttribute("transform", `translate(${x - box.left} ${y + whole.top - box.top})`);
    entry.append(...nodes);
    legend.append(entry);
    x += width + 12;
  }
}

// A legend of axes that stands above or below their frame.
function beside(legend) {
  const axes = legend.parentNode.closest("[data-axes]");
  if (!("legend" in legend.dataset) || !framed(axes)) return false;
  const words = legend.getBoundingClientRect(), frame = frameOf(axes)[0].getBoundingClientRect();
  return words.bottom <= frame.top + 1 || words.top >= frame.bottom - 1;
}

// What is drawn by itself; of a single panel that shrinks, also the legend beside it.
const all = (svg) => [...svg.querySelectorAll("[data-axes], [data-legend]")];
const partsOf = (svg, alone) =>
  all(svg).flatMap((part, i) =>
    !part.parentNode.closest("[data-axes]") || (alone && beside(part)) ? [i] : []
  );

function stack(figure) {
  const svg = figure.querySelector("svg");
  const panels = panelsOf(svg), first = panels[0];
  if (!first) return;
  const row = panels.filter((p) =>
    p.frame.top < first.frame.bottom && p.frame.bottom > first.frame.top
  );
  const alone = row.length < 2, many = row.length > 5;
  // a drawing without axes scrolls: its words stand in boxes
  const fits = svg.classList.contains("lbl-narrow") || !svg.querySelector("text");
  if (alone && (fits || !framed(first.axes[0]))) return;
  const places = partsOf(svg, alone), parts = places.map((i) => all(svg)[i]);
  const legends = parts.filter((part) => "legend" in part.dataset).map((legend) => ({
    axes: [legend],
  }));
  const pile = document.createElement("div");
  pile.className = many ? "lbl-pile lbl-many" : "lbl-pile";
  pile.setAttribute("aria-hidden", "true");
  figure.prepend(pile); // before the drawing: its names lead here while it is hidden
  for (const panel of [...panels, ...legends]) {
    const told = panel.frame ? [...withNumbers(panel, panels), ...withTitle(panel, panels)] : [];
    const copy = svg.cloneNode(true), every = all(copy), copies = places.map((i) => every[i]);
    const kept = copies.filter((_, i) => panel.axes.includes(parts[i]));
    copies.forEach((part) => "legend" in part.dataset && copy.append(part)); // out of its axes
    copies.forEach((part) => kept.includes(part) || part.remove());
    kept[0].append(...told);
    for (const name of ["role", "aria-label", "width", "height"]) copy.removeAttribute(name);
    pile.append(copy);
    if (alone) {
      const texts = [...copy.querySelectorAll("text:not([data-legend] *)")];
      const sizes = texts.map((text) => LARGER * parseFloat(getComputedStyle(text).fontSize));
      texts.forEach((text, i) => text.style.fontSize = `${sizes[i].toFixed(1)}px`);
    }
    if (!panel.frame) inLines(kept[0], figure.clientWidth / WIDEST);
    // as large as its frame and its words (what is drawn may reach beyond the frame, cut off)
    const shown = kept.flatMap((
      part,
    ) => (panel.frame
      ? [...frameOf(part), ...part.querySelectorAll("text")]
      : [...part.querySelectorAll("*")])
    );
    const box = extent(copy, shown), pad = 4, width = box.right - box.left + 2 * pad;
    copy.setAttribute(
      "viewBox",
      [box.left - pad, box.top - pad, width, box.bottom - box.top + 2 * pad].map((v) =>
        v.toFixed(1)
      ).join(" "),
    );
    copy.style.maxWidth = `${(WIDEST * width).toFixed()}px`;
  }
  figure.classList.add("lbl-piled");
}

function arrange(figure) {
  const piled = figure.classList.contains("lbl-piled");
  if (narrow.matches && !piled && figure.clientWidth > 100) stack(figure); // less: hidden
  else if (!narrow.matches && piled) {
    figure.querySelector(".lbl-pile").remove();
    figure.classList.remove("lbl-piled");
  }
}
const arrangeAll = () => document.querySelectorAll("figure.lbl-still").forEach(arrange);
narrow.addEventListener("change", arrangeAll);
addEventListener("load", async () => {
  await document.fonts.ready; // a panel is as large as its words
  const seen = new ResizeObserver((changes) => changes.forEach((change) => arrange(change.target)));
  // now, or when a fold opens
  document.querySelectorAll("figure.lbl-still").forEach((figure) => seen.observe(figure));
});
