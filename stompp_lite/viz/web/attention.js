// Attention under a slider (chapter 15): one head whose query and key have weights of ±alpha.
import { columns } from "./bars.js";
import { canvas, color } from "./draw.js";
import { controls, frame, need, numbers, tell } from "./kit.js";

/** A query or a key at this scale: alpha times its sums of signs, plus its biases. */
const scaled = ({ sums, bias }, row, alpha) => sums[row].map((s, i) => alpha * s + bias[i]);

/** softmax of a list. */
export function softmax(scores) {
  const most = Math.max(...scores), powers = scores.map((s) => Math.exp(s - most));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / total);
}

/** What each word pays to each other at this alpha: a row for each word that reads. */
export function attention({ query, key }, alpha) {
  const keys = key.sums.map((_, row) => scaled(key, row, alpha));
  return query.sums.map((_, row) => {
    const q = scaled(query, row, alpha);
    const dot = (k) => q.reduce((total, x, i) => total + x * k[i], 0);
    return softmax(keys.map((k) => dot(k) / Math.sqrt(q.length)));
  });
}

const percent = (x) => `${(100 * x).toFixed(1)} %`;
const tidy = (alpha) => Number(alpha).toPrecision(2);

export function render({ model, el }) {
  const data = model.get("data"), { query, key, width, own } = data;
  const words = query?.sums?.length;
  need(words > 1, "attention needs two words or more");
  need(Number.isInteger(width) && width > 1, `the width must be a whole number, got ${width}`);
  need(own > 0 && own < 1, `the network's own alpha must lie between 0 and 1, got ${own}`);
  for (const [name, side] of [["query", query], ["key", key]]) {
    const { sums, bias } = side ?? {};
    need(sums?.length === words, `${name} has ${sums?.length} words, not ${words}`);
    numbers(bias, `the biases of the ${name}`);
    for (const row of sums) {
      numbers(row, `the sums of the ${name}`, -width, width);
      need(row.length === query.bias?.length, `${name} and its biases differ in length`);
    }
  }
  need(key.bias.length === query.bias.length, "queries and keys differ in length");

  const f = frame(el, "Attention under a slider");
  const low = -Math.log2(width);
  const s = { power: Math.round(4 * Math.log2(own)) / 4, word: 1 };
  let all = [];
  const { slide } = controls(f.controls, s, draw);
  slide("power", "α, the size of the weights of query and key", low, 0, {
    step: 0.25,
    show: (power) => tidy(2 ** power),
  });
  slide("word", "the word that reads", 1, words, { then: show });
  const drawn = canvas(f.stage, {
    height: (w) => Math.min(0.42 * w, 250) + 44,
    label: "",
    draw: paint,
  });

  function paint(c, w) {
    const side = Math.min(0.42 * w, 250), top = 20, cell = side / words, at = s.word - 1;
    const [ink, accent] = ["ink", "accent"].map((name) => color(name, f.stage));
    c.fillStyle = accent;
    all.forEach((row, i) =>
      row.forEach((x, j) => {
        c.globalAlpha = x;
        c.fillRect(1 + j * cell, top + i * cell, cell, cell);
      })
    );
    c.globalAlpha = 1;
    c.strokeStyle = ink;
    c.lineWidth = 1;
    c.strokeRect(1, top, side, side);
    c.lineWidth = 1.6;
    c.strokeRect(1, top + at * cell, side, cell);
    const x = side + 26, box = { x, y: top, width: w - x - 2, height: side };
    columns(c, box, all[at], { most: 1, tone: "accent", signed: false });
    c.fillStyle = ink;
    c.font = "12px system-ui, sans-serif";
    c.textAlign = "left";
    c.fillText("all words", 1, 12);
    c.fillText(`word ${s.word} attends to`, x, 12);
    c.fillText("attended word →", 1, top + side + 16);
    c.fillText("attended word →", x, top + side + 16);
    c.textAlign = "right";
    c.fillText("100 %", w - 2, 12);
  }
  drawn.node.addEventListener("click", (event) => {
    const side = Math.min(0.42 * drawn.node.clientWidth, 250);
    const row = Math.floor(((event.offsetY - 20) / side) * words);
    if (event.offsetX > side || !(row in all)) return;
    const input = f.controls.querySelectorAll("input")[1];
    input.value = row + 1;
    input.dispatchEvent(new Event("input"));
  });

  function draw() {
    all = attention(data, 2 ** s.power);
    show();
  }
  function show() {
    const row = all[s.word - 1], largest = Math.max(...row);
    const mean = all.reduce((total, one) => total + Math.max(...one), 0) / words;
    const what = `Word ${s.word} pays most to word ${row.indexOf(largest) + 1}: ` +
      `${percent(largest)}. Mean of the largest over all ${words} words: ${percent(mean)}; an ` +
      `equal share is ${percent(1 / words)}.`;
    const near = Math.abs(s.power - Math.log2(own)) < 0.13
      ? " (about the network's own scale)"
      : "";
    f.say(`α = ${tidy(2 ** s.power)}${near}. ${what}`);
    drawn.describe(
      `A square of weights, a row for each word that reads, and bars for one. ${what}`,
    );
    drawn.paint();
    f.data(() => [
      ["attended word", `weight from word ${s.word}`],
      ...row.map((x, k) => [k + 1, x.toFixed(6)]),
    ]);
    tell(model, { alpha: 2 ** s.power, word: s.word, largest, mean });
  }
  draw();
}
