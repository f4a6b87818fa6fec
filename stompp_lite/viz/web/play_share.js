// What the reader takes along: a link, and a picture with its settings below it. Nothing leaves the
// machine.
import { color } from "./draw.js";
import { button, h } from "./kit.js";

const WIDE = 1120, PAD = 24;

/** Words in lines of at most `width` pixels. */
function lines(c, text, width) {
  const out = [""];
  for (const word of text.split(" ")) {
    const longer = out.at(-1) ? `${out.at(-1)} ${word}` : word;
    if (c.measureText(longer).width > width && out.at(-1)) out.push(word);
    else out[out.length - 1] = longer;
  }
  return out;
}

/** A picture with rows of canvases, and texts below them, as a PNG. */
function picture(near, rows, texts) {
  const canvas = h("canvas"), c = canvas.getContext("2d"), font = "17px system-ui, sans-serif";
  const placed = [];
  const share = (part) => part.width / part.height;
  const tall = Math.min(
    300,
    ...rows.map((row) =>
      (WIDE - 2 * PAD - 16 * (row.length - 1)) / row.reduce((sum, part) => sum + share(part), 0)
    ),
  );
  let y = PAD;
  for (const row of rows) {
    row.reduce((x, part) => {
      placed.push([part, x, y, share(part) * tall, tall]);
      return x + share(part) * tall + 16;
    }, PAD);
    y += tall + 16;
  }
  c.font = font;
  const told = texts.filter(Boolean).flatMap((text) => lines(c, text, WIDE - 2 * PAD));
  [canvas.width, canvas.height] = [WIDE, Math.ceil(y + 2 * PAD + 25 * told.length)];
  c.fillStyle = color("ground", near);
  c.fillRect(0, 0, canvas.width, canvas.height);
  for (const [part, ...box] of placed) c.drawImage(part, ...box);
  c.font = font;
  c.fillStyle = color("ink", near);
  told.forEach((text, k) => c.fillText(text, PAD, y + PAD + 25 * k));
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/** Buttons and the line for a finding. on: {link: () => text, or null where there is no address;
 * rows: () => rows of canvases, texts: () => texts, found: (text) => ..., near}. */
export function sharing(parent, on) {
  const bar = h("div", { class: "lbl-controls lbl-share" }), said = h("span", { role: "status" });
  const link = h("input", { type: "text", readonly: true, "aria-label": "link to this page" });
  const line = h("input", {
    type: "text",
    maxlength: 200,
    placeholder: "one sentence for your class: it goes into link and picture",
    onchange: () => on.found(line.value.trim()),
  });
  bar.append(h("label", { class: "lbl-found" }, h("span", {}, "what did you find?"), line));
  link.hidden = true;
  if (on.link) {
    button(bar, "Copy link", async () => {
      link.value = on.link();
      try {
        await navigator.clipboard.writeText(link.value);
        said.textContent = "Copied: it holds your settings and what you found.";
      } catch { // not every browser lets a page from a disk do that
        link.hidden = false;
        link.select();
        said.textContent = "Here it is: copy it by hand.";
      }
    });
  }
  button(bar, "Save picture", async () => {
    const url = URL.createObjectURL(await picture(on.near, on.rows(), on.texts()));
    h("a", { href: url, download: "layer-by-layer.png" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
    said.textContent = "Saved: its caption tells the settings.";
  });
  bar.append(link, said);
  parent.append(bar);
  return {
    set: (found) => {
      line.value = found;
    },
    hush: () => {
      said.textContent = "";
      link.hidden = true;
    },
  };
}
