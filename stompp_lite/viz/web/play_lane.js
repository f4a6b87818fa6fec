// One network of the playground: its worker, what it has told so far, and its strip, whose layers
// can be touched.
import { canvas, word } from "./draw.js";
import { button, h } from "./kit.js";
import { key, row, strip } from "./strip.js";

/** What a layer is whose every weight is a bit. */
const BINARY = {
  stompp: "frozen",
  "stompp+ste": "frozen, its latent weights still learn",
  ste: "binary from the start, still learning",
};
const KEYS = { ArrowLeft: -1, ArrowRight: 1, Home: -99, End: 99 };

/** What the marks of a strip mean, for the methods whose networks are shown. */
export function marksOf(parent) {
  const place = h("div"), made = new Map();
  parent.append(place);
  const signals = h(
    "p",
    { class: "lbl-strip" },
    "Each column is a layer: the signs of its first weights, with a bar: −1. There is no " +
      "arrow, since no gradient exists and no error crosses layers.",
  );
  return (methods) => {
    const arrows = methods.filter((method) => method !== "local");
    if (arrows.length === 0) return place.replaceChildren(signals);
    const words = [...new Set(arrows.map((method) => BINARY[method] ?? "frozen"))];
    const bits = words.join(", or "), mixed = arrows.some((method) => method !== "ste");
    if (!made.has(bits)) {
      const node = h("div"), below = "below, weights of each layer: ";
      key(node, {
        share: mixed,
        gradient: "the largest so far",
        deaf: mixed,
        cells: mixed ? [`${below}free`, bits] : ["", below + bits],
        signs: true,
      });
      made.set(bits, node);
    }
    place.replaceChildren(made.get(bits));
  };
}

/** One line on what one sees; like marksOf. */
export function sightOf(parent) {
  const line = h("p", { class: "lbl-strip lbl-sight" });
  parent.append(line);
  return (methods) => {
    const arrows = methods.some((method) => method !== "local");
    const freezes = methods.some((method) => method.startsWith("stompp"));
    line.hidden = !arrows; // of local signals the words below the picture tell all
    const dark = methods.every((method) => method === "float")
      ? ""
      : !freezes
      ? "binary"
      : methods.includes("ste")
      ? "frozen (of STE: binary)"
      : "frozen";
    line.textContent = `The first column is the input stage, every other one a layer; ` +
      (dark && `dark means ${dark}; `) +
      "arrows are gradient" +
      (freezes ? "; hardened: every weight and activation rounded to ±1 now." : ".");
  };
}

/** A lane. on: {heard(), watch(lane, stage), freeze(lane, stage), broken(message)}; tall(): height
 * of its strip. */
export function lane(parent, name, tall, on) {
  const holder = h("div", { class: "lbl-lane-strip" });
  const head = h("p", { class: "lbl-lane-head" });
  const layers = h("div", { class: "lbl-touch", role: "toolbar", "aria-label": `layers${name}` });
  parent.append(h("div", { class: "lbl-lane-own" }, head, holder));
  const view = canvas(holder, { height: tall, label: "The network", draw: paint });
  holder.append(layers);
  const me = {
    now: null,
    settings: null,
    curve: { epoch: [], test: [], hard: [] },
    loss: null,
    asks: 1,
    hint: "", // what a press did, or would do
    byHand: new Set(), // stages that the reader froze
    rates: [], // learning rates, one after the other
    /** What makes this run unlike any recorded one. */
    get touched() {
      const n = me.byHand.size, { rates } = me;
      return [
        n && `you froze ${n} layer${n > 1 ? "s" : ""} by hand`,
        rates.length > 1 &&
        `you changed the learning rate while it trained, at last to ${rates.at(-1)} (a link and ` +
          "a new start take that from the first step)",
      ].filter(Boolean);
    },
    /** The same, and how far the run came, in few words; for a line that is kept of it. */
    get short() {
      const n = me.byHand.size, { rates, now } = me;
      return [
        n && `${n} layer${n > 1 ? "s" : ""} frozen by hand`,
        rates.length > 1 && `rate ${rates.join(", then ")}`,
        now && !now.done && `stopped at epoch ${Math.floor(now.t / now.perEpoch)}`,
      ].filter(Boolean);
    },
    start,
    stop: () => {},
    post: (message) => worker?.postMessage(message),
    wait,
    paint: view.paint,
    view,
    head,
    get broken() {
      return me.loss !== null && !Number.isFinite(me.loss);
    },
    /** Whether it ends no better than guessing would, given how few test images there are. */
    get guesses() {
      const chance = 1 / me.classes, n = me.count;
      const most = 100 * (chance + 1.96 * Math.sqrt((chance * (1 - chance)) / n));
      return me.now?.done && me.curve.hard.at(-1) <= most;
    },
  };
  let worker = null, buttons = [], chosen = 0;
  let touching = false, tapped = -1; // the layer that a finger touched last

  /** A new network. data: the set; settings: complete, with turns and shape; asked: {speed, watch,
   * digit, until}, as the worker takes them. */
  function start(data, settings, asked) {
    me.stop();
    const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
    const mine = worker = new Worker(url);
    me.stop = () => {
      mine.terminate();
      URL.revokeObjectURL(url);
    };
    Object.assign(me, { now: null, settings, loss: null, asks: 1, hint: "" });
    tapped = -1;
    [me.byHand, me.rates] = [new Set(), [settings.rate]];
    me.curve = { epoch: [], test: [], hard: [] };
    [me.classes, me.count] = [data.classes, data.y.length - data.train];
    worker.onmessage = ({ data: m }) => {
      URL.revokeObjectURL(url); // what it was for has been loaded
      heard(m);
    };
    worker.onerror = (e) => on.broken(`The training stopped: ${e.message}`);
    me.until = asked.until;
    worker.postMessage({ do: "start", data, settings, ...asked });
  }
  /** Keep in step with a rival: wait at the end of the epoch that the rival is in. */
  function wait({ now, broken }) {
    if (!me.now || !now) return;
    const free = now.done || broken;
    const until = free ? Infinity : (Math.floor(now.t / now.perEpoch) + 1) * me.now.perEpoch;
    if (until === me.until) return;
    me.until = until;
    me.post({ until });
  }
  function heard(m) {
    const before = me.now?.watch;
    me.now = { ...me.now, ...m, largest: Math.max(me.now?.largest ?? 0, ...m.gradient) };
    if (m.watch) me.now.before = before?.stage === m.watch.stage ? before.matrix?.bits : null;
    if (!m.read) me.now.read = null;
    for (const loss of m.losses) me.loss = loss;
    if (m.losses.length) me.asks = m.losses.at(-1);
    me.fresh ||= m.test !== undefined;
    me.seen ||= Boolean(m.watch);
    if (m.test !== undefined) {
      const { epoch, test, hard } = me.curve, at = m.t / m.perEpoch;
      if (epoch.at(-1) === at) { for (const list of [epoch, test, hard]) list.pop(); }
      epoch.push(at);
      test.push(m.test);
      hard.push(m.hard);
    }
    if (buttons.length !== m.cells.length) remake();
    on.heard(me);
  }

  // ---- the strip --------------------------------------------------------------------------------
  const local = () => me.settings.method === "local";
  function places(width, height) {
    const stages = me.now.cells.length;
    if (local()) {
      const all = { top: 4, tall: height - 8, left: 4, right: 4 };
      const g = row(Math.min(width, 110 * stages), stages, all);
      return { columns: g, cells: { ...g, box: Math.min(g.box, 100) } };
    }
    const share = height < 190 ? 18 : 38, top = share + 40;
    const right = width < 420 ? 34 : 44, left = 20;
    return {
      columns: row(width, stages, { top: 4, tall: share, left, right }),
      cells: row(width, stages, { top, tall: height - top - 2, left, right }),
    };
  }
  function paint(c, width, height) {
    if (!me.now) return;
    const { p: share, gradient, largest, cells, read } = me.now;
    const g = places(width, height);
    const bits = read
      ? read.made.map((made) =>
        Array.from(made, (v) => ({ frozen: Math.abs(v) === 1, up: v >= 0 }))
      )
      : cells.map((all, l) =>
        Array.from(all, (bit) => (
          { frozen: bit > 1, up: local() || l ? Boolean(bit & 1) : null }
        ))
      );
    const wide = g.cells.box > 40 ? 4 : g.cells.box > 24 ? 3 : 2, side = g.cells.box / wide;
    const rows = Math.max(Math.floor(g.cells.tall / Math.min(side, 13)), 1);
    const shown = bits.map((all) => all.slice(0, rows * wide));
    const lines = Math.ceil(Math.max(...shown.map((all) => all.length)) / wide);
    const at = { ...g.cells, wide, tall: lines * Math.min(side, 13) };
    if (!local()) {
      const deaf = share.map((p, l) => largest > 0 && p < 1 && gradient[l] === 0);
      strip(c, holder, g.columns, { share, gradient, largest, deaf });
    }
    strip(c, holder, at, { cells: shown });
    buttons.forEach((node, l) => {
      node.style.left = `${g.cells.at(l)[0] - 2}px`;
      node.style.width = `${g.cells.box + 4}px`;
      node.setAttribute("aria-label", nameOf(l));
    });
  }
  const nameOf = (l) => {
    const p = me.now.p[l],
      what = local() ? `hidden layer ${l + 1}` : l ? `layer ${l}` : "input stage";
    if (p === undefined) return what;
    if (me.settings.method === "ste") return `${what}, ${BINARY.ste}`;
    const state = p === 1
      ? BINARY[me.settings.method]
      : p === 0
      ? "free"
      : `${Math.round(100 * p)} % frozen`;
    return me.freezes && p < 1 ? `${what}, ${state}: press to freeze it now` : `${what}, ${state}`;
  };
  Object.defineProperty(me, "freezes", {
    get: () => Boolean(me.settings?.method.startsWith("stompp")),
  });
  function remake() {
    chosen = Math.min(chosen, me.now.cells.length - 1);
    layers.replaceChildren();
    buttons = me.now.cells.map((_, l) =>
      button(layers, "", () => press(l), {
        class: "lbl-layer",
        tabindex: l === chosen ? 0 : -1,
        onpointerenter: () => look(l),
        onfocus: () => look(l),
        onpointerdown: ({ pointerType }) => {
          touching = pointerType === "touch";
        },
        onkeydown: (event) => {
          if (!(event.key in KEYS)) return;
          event.preventDefault();
          const last = buttons.length - 1;
          buttons[Math.min(Math.max(chosen + KEYS[event.key], 0), last)].focus();
        },
      })
    );
  }
  /** Freeze a layer; but the first tap of a finger, which cannot point at it, only shows it. */
  function press(l) {
    const first = touching && tapped !== l;
    touching = false;
    look(l);
    tapped = l;
    if (!me.freezes) return;
    if (me.now.p[l] === 1 || me.byHand.has(l)) me.hint = "It is frozen already.";
    else if (first) me.hint = "Tap it again to freeze it.";
    else {
      me.hint = "";
      on.freeze(me, l);
    }
    me.seen = true;
    on.heard(me);
  }
  function look(l) {
    if (l !== tapped) {
      tapped = -1;
      me.hint = "";
    }
    buttons[chosen]?.setAttribute("tabindex", "-1");
    chosen = l;
    buttons[l].setAttribute("tabindex", "0");
    on.watch(me, l);
  }
  me.nameOf = nameOf;
  me.describe = () => {
    const { p, cells } = me.now;
    view.describe(
      local()
        ? `Signs of weights in each of ${cells.length} layers. No gradient arrives anywhere.`
        : me.settings.method === "ste"
        ? "STE: every layer is binary from the start, and still learns; below each, the gradient " +
          "that arrives at it."
        : `${word(me.settings.method)}: ${p.filter((v) => v === 1).length} of ${p.length} stages ` +
          "are frozen; below each, the gradient that arrives at it.",
    );
  };
  return me;
}
