// Gradient reach (chapters 6 and 8): the network as layers; drag p or time; see where the gradient
// stops.
import { canvas, legend, plot } from "./draw.js";
import { controls, frame, need, numbers, player, tell } from "./kit.js";
import { key, reached, row, strip } from "./strip.js";

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

  const now = () => choices[s.name][s.k], last = () => choices[s.name].length - 1;
  const { pick, slide } = controls(f.controls, s, draw);
  if (names.length > 1) {
    pick("name", axis === "p" ? "what is frozen" : "order", names, () => {
      s.k = Math.min(s.k, last());
      time.range(0, last());
      time.set(s.k);
      draw();
    });
  }
  const time = slide("k", axis, 0, last(), { show: (k) => String(choices[s.name][k].at) });
  player(f.controls, time, 6);
  const drawn = canvas(f.stage, {
    height: 84,
    label: "",
    draw: (c, w) => {
      const { p: share, gradient } = now();
      const deaf = share.map((p, l) => p < 1 && gradient[l] === 0);
      strip(c, f.stage, row(w, share.length), { share, gradient, largest, deaf });
    },
  });
  key(f.stage, { share: true, gradient: largest, deaf: true });
  const curve = plot(f.stage, {
    x: {
      label: "stage (0 is next to the input)",
      whole: true,
      range: () => [-0.5, now().p.length - 0.5],
    },
    y: {
      label: "gradient, power of ten",
      whole: true,
      range: [low, Math.ceil(Math.log10(largest))],
    },
    height: 190,
    label: "Gradient at each stage",
    series: [
      { label: "gradient", tone: "accent", points: 6 },
      { label: "first", tone: "line", dash: [4, 4] },
    ],
  });
  legend(f.stage, [
    { label: "gradient now", tone: "accent" },
    { label: "in the first frame", tone: "line", dash: [6, 4] },
  ]);

  /** How frozen the stages are, in words. */
  function frozen(p) {
    if (p.every((one) => one === p[0]) && p[0] > 0 && p[0] < 1) {
      return `${(100 * p[0]).toFixed(0)} % of every stage is frozen`;
    }
    const partly = p.filter((one) => one > 0 && one < 1).length;
    const whole = `${p.filter((one) => one === 1).length} of ${p.length} stages are frozen`;
    return whole + (partly ? `, ${partly} partly` : "");
  }

  function draw() {
    const one = now(), L = one.p.length, from = reached(one.gradient, largest);
    drawn.paint();
    const powers = (list) => list.map((g) => (g > 0 ? Math.max(Math.log10(g), low) : null));
    curve.set([
      one.p.map((_, l) => l),
      powers(one.gradient),
      powers(choices[s.name][0].gradient),
    ]);
    const zero = one.gradient.filter((g) => g === 0).length, little = "a thousandth of the largest";
    const what = from === null
      ? `Nowhere does more than ${little} gradient arrive.`
      : from === 0
      ? `More than ${little} gradient arrives at every stage, down to the first.`
      : `The gradient gets down to stage ${from}; stages 0 to ${from - 1} receive less than ` +
        `${little}${zero ? `, ${zero} of them nothing at all` : ""}.`;
    f.say(`${s.name}, ${axis} ${one.at}: ${frozen(one.p)}. ${what} ${one.note ?? ""}`.trim());
    drawn.describe(`${L} stages from input to loss. ${what}`);
    curve.describe(`Gradient at each of ${L} stages on a logarithmic axis. ${what}`);
    f.data(() => [
      ["stage", "frozen fraction", "gradient"],
      ...one.p.map((p, l) => [l, p.toFixed(3), one.gradient[l].toExponential(1)]),
    ]);
    tell(model, { ...s, from });
  }
  draw();
}
