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
 * parameters before what is committed that it still reaches (leaks). With a surrogate,
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

/** What follows for one network, in sentences. */
function consequences(net, committed, surrogate) {
  const found = hears(net, committed, surrogate), stages = net.stages.map((_, l) => l), told = [];
  const deaf = stages.filter((l) => found.deaf[l]), many = deaf.length > 1;
  if (deaf.length) {
    const [first, ...rest] = listed(deaf);
    told.push(
      `${first.toUpperCase()}${rest.join("")} hear${many ? "" : "s"} nothing: ` +
        `${many ? "their" : "its"} weights cannot learn any more, although they are free.`,
    );
  } else if (committed.length < stages.length) told.push("Every free stage still hears.");
  else told.push("No stage is free.");
  if (committed.length && surrogate) {
    told.push("Committed stages pass a surrogate gradient, so it gets through to the input.");
  } else if (committed.length && committed.every((l, k) => l === k)) { // all before something
    const { length } = found.leaks;
    told.push(
      length
        ? `A path of real numbers leads around what is committed: ${length} float parameters ` +
          `there still learn, such as ${found.leaks[0]}.`
        : "Nothing before it learns any more.",
    );
  }
  return told;
}

export function render({ model, el }) {
  const { networks, together = false } = model.get("data"), names = Object.keys(networks ?? {});
  need(names.length > 0, "there is no network to show");
  for (const name of names) need(networks[name].stages?.length > 0, `${name} has no stages`);
  const f = frame(el, "Who still hears");
  const s = { name: names[0], committed: [], surrogate: false };
  const shown = () => together ? names : [s.name];
  const stages = () => networks[s.name].stages.map((_, l) => l);
  const inside = (name, l) => {
    const { weights, activations } = networks[name].stages[l];
    return [...weights, ...activations].join(", ");
  };

  const { pick } = controls(f.controls, s, make);
  if (names.length > 1 && !together) pick("name", "network", names);
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

  const toggle = (l) =>
    commit(s.committed.includes(l) ? s.committed.filter((k) => k !== l) : [...s.committed, l]);
  const place = (width) => row(width, stages().length, { top: 46 });
  const drawings = shown().map((_, k) => {
    if (together) f.stage.append(h("p", { class: "lbl-strip" }, h("strong", {}, names[k])));
    const draw = (c, width) => paint(c, width, networks[shown()[k]]);
    const drawn = canvas(f.stage, { height: 118, label: "", draw });
    drawn.node.addEventListener("click", (event) => {
      const g = place(drawn.node.clientWidth);
      const l = Math.floor((event.offsetX - g.at(0)[0]) / g.step);
      if (l in stages()) toggle(l);
    });
    return drawn;
  });
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
      "An arc is a path of real numbers, from where it is read to the sum that it is added to; " +
        "dashed where no gradient comes along it.",
    ),
  );

  function paint(c, width, net) {
    const g = place(width), { arrives, deaf, seen } = hears(net, s.committed, s.surrogate);
    const [accent, line] = ["accent", "line"].map((name) => color(name, f.stage));
    for (const { from, to, sum } of net.arcs) { // gradient takes it if it reaches the sum
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
    c.textAlign = "center";
    for (const l of stages()) { // a hatched stage has its number on a patch of its own
      const [x, y] = g.at(l), at = [x + g.box / 2, y + g.tall / 2];
      c.fillStyle = color("free", f.stage);
      if (deaf[l] && g.box > 20) c.fillRect(at[0] - 9, at[1] - 8, 18, 16);
      c.fillStyle = color(share[l] ? "free" : "frozen", f.stage);
      if (g.box > 14) c.fillText(String(l), at[0], at[1] + 4);
    }
  }
  function make() {
    s.committed = [];
    switches.replaceChildren();
    for (const l of stages()) {
      button(switches, String(l), () => toggle(l), {
        "aria-label": `stage ${l}: ${shown().map((name) => inside(name, l)).join("; ")}`,
      });
    }
    draw();
  }
  function draw() {
    const list = s.committed;
    passes.setAttribute("aria-pressed", String(s.surrogate));
    [...switches.children].forEach((node, l) =>
      node.setAttribute("aria-pressed", String(list.includes(l)))
    );
    const done = list.length ? `Committed: ${listed(list)}.` : "Nothing is committed.";
    const told = shown().map((name, k) => {
      const text = consequences(networks[name], list, s.surrogate).join(" ");
      const drawn = drawings[k], many = stages().length;
      drawn.describe(`${name}: ${many} stages from input to loss. ${done} ${text}`);
      drawn.paint();
      return together ? `${name}: ${text}` : text;
    });
    f.say([done, ...told].join(" "));
    const head = ["stage", "what is in it", "committed", "gradient arrives", "its weights learn"];
    f.data(() => [
      together ? ["network", ...head] : head,
      ...shown().flatMap((name) => {
        const found = hears(networks[name], list, s.surrogate);
        return stages().map((l) => [
          ...(together ? [name] : []),
          l,
          inside(name, l),
          list.includes(l) ? "yes" : "no",
          found.arrives[l] ? "yes" : "no",
          list.includes(l) || found.deaf[l] ? "no" : "yes",
        ]);
      }),
    ]);
    tell(model, { ...s });
  }
  make();
}
