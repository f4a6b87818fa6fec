// What the reader takes along: a link, and a picture with its settings below it. Nothing leaves the
// machine.
import { color } from "./draw.js";
import { button, h } from "./kit.js";

const WIDE = 1120, PAD = 24, LINE = 25; // of the picture; distance of lines of text
const SAMPLE = 40; // length of a line in the legend

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

/** A picture with rows of canvases, each with its name, what the lines mean, and texts below, as a
 * PNG. */
function picture(near, rows, keys, texts) {
  const canvas = h("canvas"), c = canvas.getContext("2d"), font = "17px system-ui, sans-serif";
  const placed = [], words = [], samples = [];
  const share = (part) => part.width / part.height;
  const tall = Math.min(
    300,
    ...rows.map(({ parts }) =>
      (WIDE - 2 * PAD - 16 * (parts.length - 1)) / parts.reduce((sum, part) => sum + share(part), 0)
    ),
  );
  let y = PAD, along = PAD;
  for (const { head, parts } of rows) {
    if (head) words.push([head, PAD, y += LINE - 8]);
    y += head ? 8 : 0;
    parts.reduce((x, part) => {
      placed.push([part, x, y, share(part) * tall, tall]);
      return x + share(part) * tall + 16;
    }, PAD);
    y += tall + 16;
  }
  c.font = font;
  y += LINE;
  for (const { label, tone, dash } of keys) {
    const wide = c.measureText(label).width + SAMPLE + 8;
    if (along > PAD && along + wide > WIDE - PAD) [along, y] = [PAD, y + LINE];
    samples.push([along, y - 6, tone, dash ?? []]);
    words.push([label, along + SAMPLE + 8, y]);
    along += wide + PAD;
  }
  for (const text of texts.filter(Boolean).flatMap((text) => lines(c, text, WIDE - 2 * PAD))) {
    words.push([text, PAD, y += LINE]);
  }
  [canvas.width, canvas.height] = [WIDE, Math.ceil(y + PAD)];
  c.fillStyle = color("ground", near);
  c.fillRect(0, 0, canvas.width, canvas.height);
  for (const [part, ...box] of placed) c.drawImage(part, ...box);
  c.lineWidth = 3;
  for (const [x, at, tone, dash] of samples) {
    c.strokeStyle = color(tone, near);
    c.setLineDash(dash);
    c.beginPath();
    c.moveTo(x, at);
    c.lineTo(x + SAMPLE, at);
    c.stroke();
  }
  c.font = font;
  c.fillStyle = color("ink", near);
  for (const one of words) c.fillText(...one);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

/** Buttons and the line for a finding. on: {link: () => text, or null where there is no address;
 * rows: () => [{head, parts: canvases}], lines: () => items of a legend, texts: () => texts,
 * found: (text) => ..., near}. */
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
    const url = URL.createObjectURL(await picture(on.near, on.rows(), on.lines(), on.texts()));
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
