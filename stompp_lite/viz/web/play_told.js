// What the playground says: where a run stands, what recorded runs gave with the same settings, and
// how two networks differ. Nothing is said that the settings on the page do not bear out.
import { changed, RIVALS, same, title } from "./play_settings.js";

const PLURAL = [
  "no",
  "one",
  "two",
  "three",
  "four",
  "five",
  "six",
  "seven",
  "eight",
  "nine",
  "ten",
];
const many = (n) => PLURAL[n] ?? String(n);
const one = (v) => v.toFixed(1);
const upper = (text) => text[0].toUpperCase() + text.slice(1);

/** Place of the record of these settings, whatever the seed; -1 where there is none. */
const recordOf = (records, s) => records.findIndex((r) => same(r.settings, s));

const runsOf = ({ runs, mean, half }) =>
  mean === null
    ? `${runs.map(one).join(", ")} % (too ${runs.length < 5 ? "few" : "far apart"} for a mean)`
    : `${one(mean)} ± ${one(half)} % (mean, and 95 % interval over seeds and test images)`;

/** What recorded runs gave with these settings. */
export function recorded(records, s, touched) {
  if (touched.length) {
    return `${upper(touched.join("; "))}. So no recorded run is like this one.`;
  }
  const k = recordOf(records, s);
  if (k < 0) return "No runs in Python are recorded with these settings.";
  const { runs } = records[k];
  return `Recorded in Python with these settings, ${many(runs.length)} seeds: ` +
    `${runsOf(records[k])}.`;
}

/** How many recorded runs with these settings end at so much or more, in percent. */
export function reached(records, s, least) {
  const { runs } = records[recordOf(records, s)] ?? { runs: [] };
  const many = runs.filter((v) => v >= least).length;
  return runs.length ? `${many} of ${runs.length} end at ${least} % or more.` : "";
}

/** The last moment at which two curves were both measured: its words, and its place in each. */
function common(a, b) {
  const epoch = a.curve.epoch.findLast((e) => b.curve.epoch.includes(e));
  if (epoch === undefined) return null;
  const what = Number.isInteger(epoch)
    ? `epoch ${epoch}`
    : `step ${Math.round(epoch * a.now.perEpoch)}`;
  return { what, at: [a, b].map(({ curve }) => curve.epoch.indexOf(epoch)) };
}

/** Where a run stands, and its rival, if there is one. */
export function status(lane, two, rival) {
  const mine = standing(lane);
  if (!two) return mine;
  const other = upper(sides(lane.settings, rival)[1]);
  if (two.broken) return `${mine} ${other}: its loss is no number any more.`;
  const { t, steps } = two.now, [test, hard] = [two.curve.test.at(-1), two.curve.hard.at(-1)];
  const bits = two.settings.method.startsWith("stompp") ? `, hardened ${one(hard)} %` : "";
  return `${mine} ${other}: step ${t} of ${steps}, test accuracy ${one(test)} %${bits}.`;
}

function standing({ now, settings, curve, broken, asks, guesses, classes }) {
  if (broken) return "The loss is no number any more: this rate is too large here.";
  const pace = now.going ? `, ${now.speed.toFixed(0)} a second` : now.done ? ", finished" : "";
  const test = curve.test.at(-1), hard = curve.hard.at(-1);
  const done = now.p.filter((p) => p === 1).length;
  const start = `Step ${now.t} of ${now.steps}${pace}. Test accuracy ${one(test)} %`;
  const end = guesses
    ? ` It ends at chance: guessing one of ${classes} classes gives ${one(100 / classes)} %.`
    : "";
  if (settings.method === "local") {
    const share = (100 * asks).toFixed(0);
    return `${start}, and of the last batch's samples ${share} % asked to learn.${end}`;
  }
  if (settings.method === "float") return `${start}; nothing becomes a bit.${end}`;
  if (settings.method === "ste") {
    return `${start}; every layer is binary from the first step.${end}`;
  }
  const stages = now.p.length; // the input stage is no binary layer
  return `${start}, with everything hardened now ${one(hard)} %. ` +
    `${done} of ${stages} stages (the input and ${stages - 1} layers) are frozen.${end}`;
}

/** Words for what differs: the rival's, and the reader's own setting. */
export function sides(s, rival) {
  const [words, patch] = RIVALS[rival], [key] = Object.keys(patch);
  const mine = Object.values(RIVALS).find(([, p]) => key in p && p[key] === s[key]);
  const own = s.order === "hand" && key === "order" ? "your order" : mine?.[0];
  return [own ?? title(s).replace(/, seed \d+$/, ""), words];
}

/** How two networks differ: in this race, and in recorded seeds. */
export function difference({ records, pairs }, a, b, rival) {
  const [mine, other] = sides(a.settings, rival);
  const from = `${upper(mine)} against ${other}, both from seed ${a.settings.seed}`;
  if (!a.now || !b.now) return `${from}.`;
  if (a.broken || b.broken) return `${from}: a loss is no number any more, so nobody wins.`;
  const both = a.now.done && b.now.done, met = both && a.now.t !== b.now.t ? null : common(a, b);
  const [left, right] = [a, b].map(({ curve }, k) => curve.hard.at(met ? met.at[k] : -1));
  const lead = left - right;
  const ahead = Math.abs(lead) < 0.05
    ? "they are level"
    : `${lead > 0 ? mine : other} ${both ? "is" : "are now"} ${one(Math.abs(lead))} points ahead`
      .replace("are now", "is now");
  const outcome = `${from}: ${one(left)} against ${one(right)} % with everything hardened, ` +
    `${met ? `both at ${met.what}` : "each at its end"}; ${ahead}.`;
  const touched = [...a.touched, ...b.touched];
  if (touched.length) {
    return `${outcome} ${upper(touched.join("; "))}: no recorded run is like that.`;
  }
  const i = recordOf(records, a.settings), j = recordOf(records, b.settings);
  if (i < 0 || j < 0) return `${outcome} No recorded runs compare these two.`;
  const found = pairs.find(([k, l]) => (k === i && l === j) || (k === j && l === i));
  const seeds = `In ${many(records[i].runs.length)} recorded seeds of each`;
  if (!found) {
    return `${outcome} ${seeds}: ${runsOf(records[i])} against ${runsOf(records[j])}.`;
  }
  const mean = found[0] === i ? found[2] : -found[2], half = found[3];
  const lies = half >= Math.abs(mean) ? "; it holds zero, so neither is shown to be better" : "";
  const sign = mean < 0 ? "−" : "+";
  return `${outcome} ${seeds} the difference is ${sign}${one(Math.abs(mean))} ± ${one(half)} ` +
    `points (mean, and its 95 % interval${lies}).`;
}

/** The rival's settings. */
export const rivalOf = (s, rival) => changed(s, RIVALS[rival][1]);
