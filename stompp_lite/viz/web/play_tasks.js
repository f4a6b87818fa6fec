// Three challenges. What was reached is kept on this machine alone, and a solution stands behind a
// fold.
import { button, h } from "./kit.js";
import { HAND, relevant, title } from "./play_settings.js";
import { reached, recorded } from "./play_told.js";

const KEPT = "layer-by-layer-challenges";
const STEPS = ["scale", "optimizer", "rate"]; // what decides how long a step is

/** Settings that differ, of those that count. */
const differing = (a, b) => relevant(a).filter((key) => key !== "seed" && a[key] !== b[key]);

/** goal and solution: sentences; from: changes of the usual settings on digits; won(lane, rival,
 * from): whether a finished run does it; proof: settings whose recorded runs stand below. */
const TASKS = {
  deep: {
    goal: "Reach 90 % with 24 binary layers, everything hardened.",
    from: { blocks: 12 },
    won: ({ settings: s, touched }) =>
      touched.length === 0 && s.blocks === 12 && !["float", "local"].includes(s.method),
    least: 90,
    solution:
      "Let gradient pass what is frozen, let no layer wait, and let every weight take steps " +
      "of about the same length: StoMPP + STE, all at once, Adam at 0.01, 100 epochs.",
    proof: [
      {
        blocks: 12,
        method: "stompp+ste",
        order: "global",
        optimizer: "adam",
        rate: 0.01,
        epochs: 100,
      },
      { blocks: 12, method: "ste", optimizer: "adam", rate: 0.01, epochs: 100 },
      { blocks: 12 },
    ],
  },
  order: {
    goal: "Beat forward order from the same seed, by changing the order alone.",
    from: { order: "reverse" },
    rival: "forward",
    won: (lane, rival, from) =>
      rival?.now?.done && rival.settings.order === "forward" &&
      rival.settings.method === "stompp" && lane.settings.method === "stompp" &&
      differing(lane.settings, from).every((key) => key === "order") &&
      (lane.touched.length === 0 || lane.settings.order === HAND) &&
      rival.touched.length === 0 && lane.curve.hard.at(-1) > rival.curve.hard.at(-1),
    least: 0,
    solution: "Set the order to “all at once”: in this network no layer has to wait for another " +
      "one. Or set it to “by hand: click a layer”, leave the layers free for most of the run, " +
      "and freeze from the input.",
    proof: [{ order: "global" }, { order: "forward" }],
  },
  rescue: {
    goal: "STE stands still, for its steps are too small. Bring it above 80 % with one control.",
    from: { method: "ste", rate: 0.01 },
    won: (lane, _, from) => {
      const changes = differing(lane.settings, from);
      return lane.touched.length === 0 && changes.length === 1 && STEPS.includes(changes[0]);
    },
    least: 80,
    solution: "Binary weights ±α: the gradient points the same way, and the step fits. A rate " +
      "of 0.1 does it too.",
    proof: [
      { method: "ste", rate: 0.01, scale: true },
      { method: "ste", rate: 0.1 },
      { method: "ste", rate: 0.01 },
    ],
  },
};

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    return Object.fromEntries(Object.entries(kept).filter(([, v]) => Number.isFinite(v)));
  } catch { // a browser may refuse to keep anything, or hold what is no score
    return {};
  }
}

/** The challenges. usual: settings on digits; take(settings, rival) starts one; line: says which
 * one is on. Returns {judge(lane, rival), which is to be told of every finished run, on(set), of
 * every new one}. */
export function challenges(parent, records, usual, take, line) {
  let taken = "", solved = false;
  const kept = read(), told = {};
  const list = h("ol", { class: "lbl-tasks" });
  for (const [name, task] of Object.entries(TASKS)) {
    const from = { ...usual, ...task.from };
    const item = h("li", {}, task.goal, " ");
    button(item, "Take it", () => {
      [taken, solved] = [name, false];
      take(from, task.rival ?? "");
    });
    told[name] = h("strong", { role: "status" });
    const proof = task.proof.map((patch) => {
      const s = { ...usual, ...patch }, name = title(s).replace(/, seed \d+$/, "");
      const many = task.least ? reached(records, s, task.least) : "";
      return h("li", {}, `${name}. ${recorded(records, s, [])} ${many}`.trim());
    });
    item.append(
      " ",
      told[name],
      h(
        "details",
        { class: "lbl-data" },
        h("summary", {}, "A solution"),
        h("p", { class: "lbl-strip" }, task.solution),
        proof.length ? h("ul", { class: "lbl-strip" }, ...proof) : null,
      ),
    );
    list.append(item);
  }
  const say = () => {
    for (const name of Object.keys(TASKS)) {
      told[name].textContent = name in kept ? `Done, with ${kept[name].toFixed(1)} %.` : "";
    }
    const done = Object.keys(TASKS).filter((name) => name in kept).length;
    head.textContent = `Three challenges: ${done} of 3 done`;
  };
  const head = h("summary", {});
  parent.append(
    h("details", { class: "lbl-data lbl-challenges" }, head, list),
  );
  say();
  function on(set) {
    if (set !== "digits") taken = "";
    line.hidden = !taken;
    const number = Object.keys(TASKS).indexOf(taken) + 1;
    const text = taken ? `Challenge ${number}: ${TASKS[taken].goal}` : "";
    line.textContent = solved ? `${text} Done.` : text;
  }
  on("");
  const judge = (lane, rival) => {
    if (lane.settings.set !== "digits") return;
    for (const [name, task] of Object.entries(TASKS)) {
      const hard = lane.curve.hard.at(-1), from = { ...usual, ...task.from };
      if (hard < task.least || !task.won(lane, rival, from)) continue;
      if (name === taken) solved = true;
      if (hard > (kept[name] ?? 0)) kept[name] = hard;
    }
    try {
      localStorage.setItem(KEPT, JSON.stringify(kept));
    } catch { /* then it is kept until the page is left */ }
    say();
    on(lane.settings.set);
  };
  return { judge, on };
}
