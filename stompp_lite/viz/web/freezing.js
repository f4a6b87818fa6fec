// A race (the landing page): one network turns into single bits from its input on, the same network
// from its output on, in step. Recorded runs, replayed.
import { canvas, color, onTheme } from "./draw.js";
import { frame, h, need, numbers, player, signBits, slider, tell } from "./kit.js";
import { key, place, row, strip } from "./strip.js";

/** A digit of `side` × `side` gray pixels, from 0 to 16. */
function image(pixels, side) {
  const node = h("canvas", { width: side, height: side });
  const draw = () => {
    const c = node.getContext("2d");
    c.clearRect(0, 0, side, side);
    c.fillStyle = color("ink", node);
    pixels.forEach((v, i) => {
      c.globalAlpha = v / 16;
      c.fillRect(i % side, Math.floor(i / side), 1, 1);
    });
  };
  onTheme(draw);
  new ResizeObserver(draw).observe(node); // once it stands on the page, where colors are known
  return node;
}

export function render({ model, el }) {
  const { runs, images, labels, side } = model.get("data");
  need(runs?.length === 2, "a race needs two runs");
  const [first] = runs;
  for (const r of runs) {
    numbers(r.epoch, `the epochs of ${r.name}`, 0);
    need(
      String(r.epoch) === String(first.epoch),
      `${r.name} was not judged after the epochs of ${first.name}`,
    );
    for (const name of ["test", "hard", "p", "signs", "answers"]) {
      need(r[name]?.length === r.epoch.length, `${r.name} has no ${name} for each epoch`);
    }
    for (const told of r.answers) {
      need(told.length === labels.length, `${r.name} has ${told.length} answers to show`);
    }
  }
  need(images?.length === labels.length, `${labels.length} labels for ${images?.length} images`);
  const f = frame(el, "A race: two networks turn into single bits");
  const s = { t: 0 }, end = first.epoch.length - 1, L = first.p[0].length;

  const time = slider(f.controls, {
    label: "training",
    min: 0,
    max: end,
    step: 0.05,
    value: 0,
    show: (t) => `epoch ${first.epoch[Math.floor(t)]} of ${first.epoch[end]}`,
    on: (t) => {
      s.t = t;
      draw();
    },
  });
  const play = player(f.controls, time, 11);
  const race = h("div", { class: "lbl-race" });
  f.stage.append(race);
  const lanes = runs.map((r, k) => {
    const number = h("strong"), digits = h("div", { class: "lbl-reads", role: "img" });
    const said = images.map((pixels) => {
      const answer = h("span");
      digits.append(h("div", {}, image(pixels, side), answer));
      return answer;
    });
    const head = h(
      "div",
      { class: "lbl-number" },
      h("span", { class: "lbl-name" }, `Frozen ${r.name}`),
      number,
      h("span", {}, "of unseen digits read right"),
    );
    const lane = h("div", { class: `lbl-lane lbl-lane-${k}` }, head, digits);
    race.append(lane);
    const drawn = canvas(lane, {
      height: (w) => shape(w).tall + 24,
      label: "",
      draw: (c, w) => paint(c, w, r),
    });
    return { r, number, digits, said, drawn };
  });
  key(f.stage, {
    cells: ["a number that can still change", "a single bit, fixed for good"],
    signs: "with a bar: negative, −1; without: positive, +1",
  });

  /** A run at time t. What is frozen of a layer grows between two frames on a straight line. */
  function now(r) {
    const k = Math.floor(s.t), after = r.p[Math.min(k + 1, end)], moved = s.t - k;
    return {
      p: r.p[k].map((p, l) => p + moved * (after[l] - p)),
      ...Object.fromEntries(["signs", "test", "answers"].map((name) => [name, r[name][k]])),
    };
  }
  const done = (p) => p.filter((x) => x > 0.999).length;
  function shape(width) { // fewer weights of a layer on a narrow screen
    const small = el.clientWidth < 560, count = small ? 12 : 16;
    const tall = count * Math.max(5, Math.min(small ? 9 : 12, width / L));
    return { count, ...row(width, L, { left: 1, right: 1, top: 2, tall }) };
  }
  function paint(c, width, r) {
    const { p, signs } = now(r), g = shape(width);
    strip(c, f.stage, { ...g, box: g.step }, {
      cells: p.map((part, l) =>
        signBits(signs[l]).slice(0, g.count).map((bit, i) => ({
          frozen: place(l, i) < part,
          up: bit === 1,
        }))
      ),
    });
    c.fillStyle = color("ink", f.stage);
    c.font = "13px system-ui, sans-serif";
    c.fillText("picture in", 1, g.tall + 18);
    c.textAlign = "right";
    c.fillText("answer out", width - 1, g.tall + 18);
    c.textAlign = "left";
  }
  function draw() {
    const epoch = first.epoch[Math.floor(s.t)];
    const told = lanes.map(({ r, number, digits, said, drawn }) => {
      const { p, test, answers } = now(r), right = `${test.toFixed(0)} %`;
      number.textContent = right;
      said.forEach((node, i) => {
        node.textContent = answers[i];
        node.className = answers[i] === labels[i] ? "" : "lbl-wrong";
      });
      const wrong = [...answers].flatMap((a, i) => a === labels[i] ? [] : [`${labels[i]} as ${a}`]);
      digits.setAttribute(
        "aria-label",
        `${answers.length} unseen digits: ${answers.length - wrong.length} read right` +
          (wrong.length ? `; ${wrong.join(", ")}.` : "."),
      );
      const bits = `${done(p)} of ${L} layers are single bits`;
      drawn.describe(
        `Frozen ${r.name}, epoch ${epoch}: some weights of each layer, input at the left; dots ` +
          `can still change, squares are single bits, a bar says −1. ${bits}.`,
      );
      drawn.paint();
      return [`Frozen ${r.name}: ${bits}, ${right} read right.`, `${right} ${r.name}`];
    });
    f.say(
      s.t >= end
        ? "Both are made of single bits now. They began as the same network and saw the same " +
          `images; only the order of freezing differs: ${told[0][1]}, ${told[1][1]}.`
        : told.map(([sentence]) => sentence).join(" "),
    );
    f.data(() => [
      ["frozen", "epoch", "right as it is, %", "right if all became bits, %", "layers frozen"],
      ...runs.flatMap((r) =>
        r.epoch.map((e, i) => [r.name, e, r.test[i], r.hard[i], done(r.p[i])])
      ),
    ]);
    tell(model, { ...s });
  }
  draw();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) { // plays once, when it is seen
    const seen = new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting && s.t === 0) {
        seen.disconnect();
        play.click();
      }
    }, { threshold: 0.5 });
    seen.observe(lanes[0].drawn.node);
  }
}
