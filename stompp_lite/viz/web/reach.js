// Gradient reach (chapters 6 and 9): the network as layers; drag p or time; see where the gradient stops.
import { canvas, color, legend, plot } from "./draw.js";
import { choice, frame, need, numbers, player, slider, tell } from "./kit.js";
import { network, reached } from "./network.js";

export function render({ model, el }) {
  const { axis, choices, label = "Gradient reach" } = model.get("data");
  const names = Object.keys(choices ?? {});
  need(names.length > 0, "there is nothing to choose from");
  for (const name of names) {
    need(choices[name].length > 0, `${name} has no frames`);
    for (const one of choices[name]) {
      numbers(one.p, `p of ${name}`, 0, 1);
      numbers(one.gradient, `the gradient of ${name}`, 0);
      need(
        one.p.length === one.gradient.length,
        `${name} has ${one.p.length} stages and ${one.gradient.length} gradients`,
      );
    }
  }
  const f = frame(el, label);
  const s = { name: names[0], k: Math.floor(choices[names[0]].length / 2) };
  const largest = Math.max(...names.flatMap((n) => choices[n].flatMap((one) => one.gradient)));
  need(largest > 0, "no gradient anywhere");
  const all = names.flatMap((n) => choices[n].flatMap((one) => one.gradient)).filter((g) => g > 0);
  const low = Math.max(
    Math.floor(Math.log10(Math.min(...all))),
    Math.floor(Math.log10(largest)) - 9,
  ); // power of ten

  if (names.length > 1) {
    choice(f.controls, {
      label: axis === "p" ? "what is frozen" : "order",
      options: names,
      value: s.name,
      on: (v) => {
        s.name = v;
        s.k = Math.min(s.k, choices[v].length - 1);
        time.range(0, choices[v].length - 1);
        time.set(s.k);
        draw();
      },
    });
  }
  const time = slider(f.controls, {
    label: axis,
    min: 0,
    max: choices[s.name].length - 1,
    value: s.k,
    show: (k) => String(choices[s.name][k].at),
    on: (k) => {
      s.k = k;
      draw();
    },
  });
  player(f.controls, time, 6);
  const drawn = canvas(f.stage, {
    height: 84,
    label: "",
    draw: (c, w) => network(c, w, 8, now(), largest, f.stage),
  });
  legend(f.stage, [{ label: "free", color: "var(--lbl-free)", square: true }, {
    label: "frozen",
    color: "var(--lbl-frozen)",
    square: true,
  }, {
    label: "gradient that arrives (wider: more); a cross: less than a millionth of the largest",
    color: "var(--lbl-accent)",
  }, { label: "in the first frame", color: "var(--lbl-line)", dash: true }]);
  const L = choices[s.name][0].p.length;
  const curve = plot(f.stage, {
    x: { label: "stage (0 is next to the input)", range: [-0.5, L - 0.5] },
    y: { label: "gradient, power of ten", range: [low, Math.ceil(Math.log10(largest))] },
    height: 190,
    label: "Gradient at each stage",
    series: [{ label: "gradient", color: (n) => color("accent", n), points: 6 }, {
      label: "first",
      color: (n) => color("line", n),
      dash: [4, 4],
    }],
  });
  const now = () => choices[s.name][s.k];

  function draw() {
    const one = now(), from = reached(one.gradient, largest);
    drawn.paint();
    const powers = (list) => list.map((g) => (g > 0 ? Math.max(Math.log10(g), low) : null));
    curve.set([one.p.map((_, l) => l), powers(one.gradient), powers(choices[s.name][0].gradient)]);
    const zero = one.gradient.filter((g) => g === 0).length;
    const done = one.p.filter((p) => p === 1).length;
    const what = from === null
      ? "Nowhere does more than a thousandth of the largest gradient arrive."
      : from === 0
      ? "More than a thousandth of the largest gradient arrives at every stage, down to the first."
      : `The gradient gets down to stage ${from}; stages 0 to ${
        from - 1
      } receive less than a thousandth of the largest${
        zero ? `, ${zero} of them nothing at all` : ""
      }.`;
    f.say(
      `${s.name}, ${axis} ${one.at}: ${done} of ${L} stages are frozen. ${what}${
        one.note ? ` ${one.note}` : ""
      }`,
    );
    drawn.describe(`${L} stages from input to loss. ${what}`);
    curve.describe(`Gradient at each of ${L} stages on a logarithmic axis. ${what}`);
    f.data(
      () => [
        ["stage", "frozen fraction", "gradient"],
        ...one.p.map((p, l) => [l, p.toFixed(3), one.gradient[l].toExponential(1)]),
      ],
    );
    tell(model, { ...s, from });
  }
  draw();
}
