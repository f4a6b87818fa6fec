// Settings of the playground: what each of them is in one sentence, which of them count for a
// method, and how they stand in the address of the page.
import { word } from "./draw.js";
import { need } from "./kit.js";

const VERSION = "2"; // of an address
const ATONCE = "all at once";
const GRADIENTS = ["blocks", "scale", "optimizer", "rate"];
const FREEZING = ["order", "shape", "rho"];
const SIGNALS = ["layers", "groups", "robustness", "reinforcement"];
export const HAND = "hand"; // the order in which the reader clicks

const yes = (v) => v === true || v === "true";
const counted = (list) => list.map((v) => [v, String(v)]);

/** Settings: name -> {label, tip, options: [[value, text]], read}. The first three stand open. */
export function fieldsOf({ sets, orders, shapes }) {
  const named = (keys, key) => keys.map((k) => [k, k === "global" ? ATONCE : word(k, key)]);
  return {
    set: {
      label: "data",
      tip: "What the network learns: two spirals in the plane, or pictures of 8 × 8 pixels.",
      options: Object.entries(sets).map(([name, set]) => [name, set.label]),
      read: String,
    },
    method: {
      label: "method",
      tip:
        "How numbers become bits: frozen part by part (StoMPP), rounded in every step (STE), by " +
        "local rules without a gradient, or never (float).",
      options: named(["stompp", "ste", "stompp+ste", "local", "float"]),
      read: String,
    },
    order: {
      label: "order",
      tip: "Which layers freeze first. With the last of these nothing freezes until you click it.",
      options: [...named(Object.keys(orders), "order"), [HAND, "by hand: click a layer"]],
      read: String,
    },
    blocks: {
      label: "blocks",
      tip: "How deep the network is: each block has two binary layers and a shortcut around both.",
      options: [1, 2, 4, 6, 8, 10, 12].map((n) => [n, `${n} (${2 * n} binary layers)`]),
      read: Number,
    },
    layers: {
      label: "hidden layers",
      tip: "How deep the network of local signals is: each hidden layer has its own classifier.",
      options: counted([1, 2, 3, 5, 10]),
      read: Number,
    },
    width: {
      label: "width",
      tip: "How many neurons a layer has.",
      options: counted([8, 16, 32, 128]),
      read: Number,
    },
    scale: {
      label: "binary weights",
      tip: "±1, or ±α with α the mean size of a layer's latent weights: then its steps fit.",
      options: [["false", "±1: small steps"], ["true", "±α: fitted steps"]],
      read: yes,
    },
    optimizer: {
      label: "optimizer",
      tip: "Who takes the steps: SGD moves by the gradient, Adam by about the same length for all.",
      options: [["sgd", "SGD, momentum 0.9"], ["adam", "Adam"]],
      read: String,
    },
    rate: {
      label: "learning rate",
      tip: "How long a step is. You may change it while the network trains.",
      options: counted([0.003, 0.01, 0.03, 0.05, 0.1, 0.2, 0.4]),
      read: Number,
    },
    shape: {
      label: "shape",
      tip:
        "How the frozen share of a layer grows within its turn: late (cubic) or early (flipped).",
      options: named(Object.keys(shapes), "shape"),
      read: String,
    },
    rho: {
      label: "refresh ρ",
      tip: "How often it is drawn anew which entries of a layer are frozen: 0 never, 1 every step.",
      options: counted([0, 0.01, 0.1, 1]),
      read: Number,
    },
    groups: {
      label: "groups of neurons",
      tip: "In each group of a layer one neuron moves for a sample that asks to learn.",
      options: counted([1, 2, 4, 8]),
      read: Number,
    },
    robustness: {
      label: "robustness",
      tip: "How far ahead the right class must be before a sample no longer asks to learn.",
      options: counted([0, 0.25, 0.5, 1]),
      read: Number,
    },
    reinforcement: {
      label: "reinforcement",
      tip: "How often hidden integers are pushed away from zero, where a sign would turn.",
      options: counted([0, 0.5, 1]),
      read: Number,
    },
    epochs: {
      label: "epochs",
      tip: "How often the network sees all training samples.",
      options: counted([10, 20, 40, 60, 100]),
      read: Number,
    },
    seed: {
      label: "seed",
      tip: "Decides first weights, order of samples and draws. One run proves little: try another.",
      options: counted([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
      read: Number,
    },
  };
}

/** Names of the settings that count for a method. */
export function relevant({ method }) {
  if (method === "local") return ["set", "method", ...SIGNALS, "width", "epochs", "seed"];
  const freezes = method.startsWith("stompp") ? FREEZING : [];
  const scaled = GRADIENTS.filter((key) => method !== "float" || key !== "scale");
  return ["set", "method", ...freezes, ...scaled, "width", "epochs", "seed"];
}

/** Whether two settings train the same network, but for their seeds. */
export const same = (a, b) =>
  a.method === b.method && relevant(a).every((key) => key === "seed" || a[key] === b[key]);

/** Settings with a change, and what belongs to it: local signals are wide and quick, spirals need
 * more epochs. */
export function changed(s, patch) {
  const next = { ...s, ...patch };
  if (next.method !== s.method || next.set !== s.set) {
    const local = next.method === "local";
    if (local !== (s.method === "local")) next.width = local ? 128 : 32;
    next.epochs = local ? 40 : next.set === "spirals" ? 100 : 60;
  }
  return { ...next, ...patch };
}

/** A run in a few words. */
export const title = (q) =>
  (q.method === "local" ? [`local signals, ${q.layers} × ${q.width}`] : [
    word(q.method),
    q.method.startsWith("stompp")
      ? (q.order === HAND ? "by hand" : q.order === "global" ? ATONCE : word(q.order, "order"))
      : "",
    q.scale && q.method !== "float" ? "±α" : "",
    `${q.optimizer === "adam" ? "Adam " : ""}${q.rate}`,
    `${q.blocks} block${q.blocks === 1 ? "" : "s"}`,
  ]).concat(`seed ${q.seed}`).filter(Boolean).join(", ");

/** Changes that make a rival: name -> [words, change]. */
export const RIVALS = {
  forward: ["forward order", { order: "forward" }],
  reverse: ["reverse order", { order: "reverse" }],
  global: [ATONCE, { order: "global" }],
  stompp: ["StoMPP", { method: "stompp" }],
  ste: ["STE", { method: "ste" }],
  both: ["StoMPP + STE", { method: "stompp+ste" }],
  fitted: ["fitted steps (±α)", { scale: true }],
  small: ["small steps (±1)", { scale: false }],
  local: ["local signals", { method: "local" }],
  float: ["float: no bits", { method: "float" }],
};

/** The rivals that differ from s: [[name, words]]. */
export const rivalsOf = (s) =>
  Object.entries(RIVALS)
    .filter(([, [, patch]]) => !same(s, changed(s, patch)))
    .map(([name, [words]]) => [name, words]);

// ---- the address --------------------------------------------------------------------------------
/** Settings, rival and finding as the part of an address behind its #. */
export function toAddress(s, rival, found) {
  const pairs = [["v", VERSION], ...relevant(s).map((key) => [key, s[key]])];
  if (rival) pairs.push(["rival", rival]);
  if (found) pairs.push(["found", found]);
  return String(new URLSearchParams(pairs.map(([k, v]) => [k, String(v)])));
}

/** What an address says: {settings, rival, found, said}; said tells what it cannot mean. Null where
 * it speaks of no settings. */
export function fromAddress(part, start, fields) {
  const text = part.replace(/^[#?]/, "");
  if (!text.includes("=")) return null;
  const settings = { ...start }, said = [], seen = new Set();
  let rival = "", found = "", version = "";
  for (const [key, value] of new URLSearchParams(text)) {
    const shown = value.length > 30 ? `${value.slice(0, 30)}…` : value;
    if (key === "v") version = value;
    else if (key === "found") found = value.slice(0, 200);
    else if (key === "rival") {
      if (value in RIVALS) rival = value;
      else said.push(`a rival called “${shown}”`);
    } else if (!(key in fields)) said.push(`a setting called “${key.slice(0, 30)}”`);
    else {
      const option = fields[key].options.find(([v]) => String(v) === value);
      if (option) settings[key] = fields[key].read(option[0]);
      else said.push(`${fields[key].label} “${shown}”`);
      seen.add(key);
    }
  }
  const { set, method } = settings, fit = changed(start, { set, method });
  for (const key of ["epochs", "width"]) if (!seen.has(key)) settings[key] = fit[key];
  if (rival && !rivalsOf(settings).some(([name]) => name === rival)) rival = "";
  const told = [];
  if (version !== VERSION) {
    told.push(
      version
        ? `This link was made by another version of the page (${version.slice(0, 9)}).`
        : "This link was made by an older version of the page, or by hand.",
    );
  }
  if (said.length) {
    told.push(
      `${told.length ? "It" : "This link"} asks for ${
        said.join(", ")
      }, which this page does not know.`,
    );
  }
  if (told.length) told.push("What else it says is kept, and the rest is as usual.");
  return { settings, rival, found, said: told.join(" ") };
}

/** The data as the page uses them: digits come as letters, points as numbers. */
export function unpack(set) {
  const x = typeof set.x === "string"
    ? Float64Array.from(set.x, (c) => (c.charCodeAt(0) - 97) / 8 - 1)
    : Float64Array.from(set.x);
  const y = typeof set.y === "string" ? Int32Array.from(set.y, Number) : Int32Array.from(set.y);
  need(
    x.length === y.length * set.inputs && set.train > 0 && set.train < y.length,
    "the data are incomplete",
  );
  return { ...set, x, y };
}
