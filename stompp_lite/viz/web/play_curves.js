// Curves of the playground: accuracy of the networks that train, and of the reader's last runs.
import { legend, look, plot } from "./draw.js";
import { h } from "./kit.js";
import { relevant, title } from "./play_settings.js";

const KEPT = [[1, 3], [8, 2], [3, 3], [10, 3, 2, 3]]; // dashes of earlier runs, whose curves stay

const tint = ({ method, order }) =>
  method === "local" ? "accent" : look(method === "stompp" && order in LOOKS ? order : method).tone;

const freezes = (lane) => Boolean(lane?.freezes);

/** The plot. running(): lanes that are shown; names(): what to call two of them. */
export function curvesOf(parent, height, running, names) {
  let kept = [], lines = [];
  const tone = (k) => {
    const [a, b] = running().map(({ settings }) => settings ? tint(settings) : "line");
    return k === 0 ? a : a === b ? "ink" : b ?? "line";
  };
  const most = () => Math.max(...running().map(({ settings }) => settings?.epochs ?? 1));
  const chart = plot(parent, {
    x: { label: "epoch", whole: true, range: () => [0, most()] },
    y: { label: "test accuracy, %", range: [0, 101] },
    height,
    label: "Test accuracy",
    series: [
      { label: "as trained", tone: () => tone(0), width: 2.4 },
      { label: "hard", tone: () => tone(0), dash: [6, 4], width: 1.6 },
      { label: "rival", tone: () => tone(1), width: 2.4 },
      { label: "rival, hard", tone: () => tone(1), dash: [6, 4], width: 1.6 },
      ...KEPT.map((dash, k) => ({ dash, tone: () => kept[k]?.tone ?? "line", width: 1.4 })),
    ],
  });
  const keys = h("div");
  parent.append(keys);
  return {
    chart,
    /** What stands in the legend now. */
    lines: () => lines,
    /** Keep the curve of a run that ends here. */
    keep({ curve, settings, now, touched, short }) {
      if (!now || now.t < now.perEpoch) return;
      const name = [title(settings), ...short].join(", ");
      const values = relevant(settings).map((key) => settings[key]);
      // what a reader did to a run may differ, so two of these are the same if their curves are
      const same = JSON.stringify([values, short, touched.length ? curve.hard : 0]);
      const run = { ...curve, settings, tone: tint(settings), name, same };
      kept = [run, ...kept.filter((other) => other.same !== same)].slice(0, KEPT.length);
    },
    /** Curves of other data would mislead. */
    only(set) {
      kept = kept.filter((run) => run.settings.set === set);
    },
    forget() {
      kept = [];
    },
    draw() {
      const both = running().map(({ curve }) => curve);
      const x = [...new Set([...both, ...kept].flatMap((c) => c.epoch))].sort((a, b) => a - b);
      const line = (c, key) => {
        const map = new Map(c?.epoch.map((e, i) => [e, c[key][i]]));
        return x.map((e) => map.get(e) ?? null);
      };
      const values = [0, 1].flatMap((k) => [
        line(both[k], "test"),
        line(freezes(running()[k]) ? both[k] : null, "hard"), // else the two are one line
      ]);
      chart.set(
        x.length > 1
          ? [x, ...values, ...KEPT.map((_, k) => line(kept[k], "hard"))]
          : [[0, 1], ...[0, 0, 0, 0, ...KEPT].map(() => [null, null])],
      );
      keys.replaceChildren();
      const bits = running().findIndex(freezes);
      lines = [
        ...names().map((label, k) => ({ label, tone: tone(k) })),
        ...(bits < 0 ? [] : [{ label: "everything hardened now", tone: tone(bits), dash: [6, 4] }]),
        ...kept.map(({ name, hard, tone }, k) => (
          { label: `${name}: ${hard.at(-1).toFixed(0)} %`, tone, dash: KEPT[k] }
        )),
      ];
      legend(keys, lines);
    },
  };
}
