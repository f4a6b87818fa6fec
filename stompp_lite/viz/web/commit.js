// Who still hears: commit stages of a drawn network and see where gradient still arrives.
import { canvas, color } from "./draw.js";
import { button, controls, frame, h, need, tell } from "./kit.js";
import { key, row, strip } from "./strip.js";

/** `start` and every node that it depends on, except through `closed` nodes. */
export function above(sources, start, closed = []) {
  const found = new Set(start), shut = new Set(closed), todo = [...start];
  while (todo.length) {
    const node = todo.pop();
    if (shut.has(node)) continue;
    for (const other of sources[node]) {
      if (found.has(other)) continue;
      found.add(other);
      todo.push(other);
    }
  }
  return found;
}

/** What gradient from the loss reaches once the stages `committed` pass none: all nodes, the names
 * of parameters, which stages it arrives at, which free ones it does not teach (deaf), and the
 * parameters in front of what is committed that it still reaches (leaks). With a surrogate,
 * committed stages pass gradient. */
export function hears(net, committed, surrogate = false) {
  const done = new Set(committed);
  const closed = net.stages.flatMap((stage, l) => done.has(l) ? stage.closed : []);
  const seen = above(net.sources, net.outputs, surrogate ? [] : closed);
  const before = above(net.sources, closed);
  const names = (set) => net.parameters.filter(([node]) => set(node)).map(([, name]) => name);
  return {
    seen,
    reached: names((node) => seen.has(node)),
    leaks: names((node) => seen.has(node) && before.has(node)),
    arrives: net.stages.map((stage) => stage.ends.some((node) => seen.has(node))),
    deaf: net.stages.map((stage, l) => !done.has(l) && !stage.learns.some((n) => seen.has(n))),
  };
}

/** [0, 1, 2, 5] as "stages 0 to 2 and 5". */
export function listed(stages) {
  const runs = [];
  for (const l of stages) {
    if (runs.at(-1)?.at(-1) === l - 1) runs.at(-1).push(l);
    else runs.push([l]);
  }
  const told = runs.flatMap((one) => one.length > 2 ? [`${one[0]} to ${one.at(-1)}`] : one);
  const last = told.pop(), before = told.length ? `${told.join(", ")} and ` : "";
  return `stage${stages.length > 1 ? "s" : ""} ${before}${last}`;
}

export function render({ model, el }) {
  const { networks } = model.get("data"), names = Object.keys(networks ?? {});
  need(names.length > 0, "there is no network to show");
  for (const name of names) need(networks[name].stages?.length > 0, `${name} has no stages`);
  const f = frame(el, "Who still hears");
  const s = { name: names[0], committed: [], surrogate: false };
  const net = () => networks[s.name], stages = () => net().stages.map((_, l) => l);

  const { pick } = controls(f.controls, s, make);
  if (names.length > 1) pick("name", "network", names);
  const commit = (list) => {
    s.committed = list.toSorted((a, b) => a - b);
    draw();
  };
  const free = () => stages().filter((l) => !s.committed.includes(l));
  const next = (at) => () => commit([...s.committed, ...free().slice(...at)]);
  button(f.controls, "Next from the input", next([0, 1]));
  button(f.controls, "Next from the output", next([-1]));
  button(f.controls, "Free all", () => commit([]));
  const passes = button(f.controls, "Surrogate gradient", () => {
    s.surrogate = !s.surrogate;
    draw();
  }, { "aria-pressed": "false" });

  const drawn = canvas(f.stage, { height: 118, label: "", draw: paint });
  const switches = h("div", {
    class: "lbl-stages",
    role: "group",
    "aria-label": "stages, input first: press one to commit it or to free it",
  });
  f.stage.append(switches);
  key(f.stage, {
    share: ["a free stage", "a committed stage: all of it is bits"],
    gradient: true,
    deaf: "deaf: it is free, but no gradient reaches its weights",
  });
  f.stage.append(
    h(
      "p",
      { class: "lbl-strip" },
      "An arc is a path of real numbers, dashed where no gradient comes along it.",
    ),
  );
  const toggle = (l) =>
    commit(s.committed.includes(l) ? s.committed.filter((k) => k !== l) : [...s.committed, l]);
  const place = (width) => row(width, net().stages.length, { top: 46 });
  drawn.node.addEventListener("click", (event) => {
    const g = place(drawn.node.clientWidth), l = Math.floor((event.offsetX - g.at(0)[0]) / g.step);
    if (l in net().stages) toggle(l);
  });

  function paint(c, width) {
    const g = place(width), { arrives, deaf, seen } = hears(net(), s.committed, s.surrogate);
    const [accent, line] = ["accent", "line"].map((name) => color(name, f.stage));
    for (const { from, to, sum } of net().arcs) { // gradient takes it if it reaches the sum
      const heard = seen.has(sum), [left, top] = g.at(0), edge = (g.step - g.box) / 2;
      const x = left + from * g.step - edge, end = left + to * g.step - edge;
      const high = top - Math.min(46, 18 + 8 * (to - from));
      c.strokeStyle = heard ? accent : line;
      c.lineWidth = heard ? 2 : 1;
      c.setLineDash(heard ? [] : [3, 3]);
      c.beginPath();
      c.moveTo(x, top - 2);
      c.bezierCurveTo(x, high, end, high, end, top - 2);
      c.stroke();
    }
    c.setLineDash([]);
    const share = stages().map((l) => Number(s.committed.includes(l)));
    strip(c, f.stage, g, { share, gradient: arrives.map(Number), largest: 1, deaf });
  }
  function make() {
    s.committed = [];
    switches.replaceChildren();
    for (const l of stages()) {
      const { weights, activations } = net().stages[l];
      button(switches, String(l), () => toggle(l), {
        "aria-label": `stage ${l}: ${[...weights, ...activations].join(", ")}`,
      });
    }
    draw();
  }
  function draw() {
    const found = hears(net(), s.committed, s.surrogate), list = s.committed;
    passes.setAttribute("aria-pressed", String(s.surrogate));
    [...switches.children].forEach((node, l) =>
      node.setAttribute("aria-pressed", String(list.includes(l)))
    );
    const deaf = stages().filter((l) => found.deaf[l]), many = deaf.length > 1;
    const told = [list.length ? `Committed: ${listed(list)}.` : "Nothing is committed."];
    const heard = deaf.length === 0 && list.length < stages().length;
    if (deaf.length) {
      const [first, ...rest] = listed(deaf);
      told.push(
        `${first.toUpperCase()}${rest.join("")} hear${many ? "" : "s"} nothing: ` +
          `${many ? "their" : "its"} weights cannot learn any more, although they are free.`,
      );
    } else if (heard) told.push("Every free stage still hears.");
    else told.push("No stage is free.");
    if (list.length && s.surrogate) {
      told.push("Committed stages pass a surrogate gradient, so it gets through to the input.");
    } else if (list.length && list.every((l, k) => l === k)) { // all in front of something
      const { length } = found.leaks;
      told.push(
        length
          ? `A path of real numbers leads around what is committed: ${length} float parameters ` +
            `there still learn, such as ${found.leaks[0]}.`
          : "Nothing in front of it learns any more.",
      );
    }
    f.say(told.join(" "));
    drawn.describe(`${s.name}: ${stages().length} stages from input to loss. ${told.join(" ")}`);
    drawn.paint();
    f.data(() => [
      ["stage", "what is in it", "committed", "gradient arrives", "its weights learn"],
      ...net().stages.map(({ weights, activations }, l) => [
        l,
        [...weights, ...activations].join(", "),
        list.includes(l) ? "yes" : "no",
        found.arrives[l] ? "yes" : "no",
        list.includes(l) || found.deaf[l] ? "no" : "yes",
      ]),
    ]);
    tell(model, { ...s });
  }
  make();
}
