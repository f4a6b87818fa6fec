// The playground: train a small binary network here, live, touch it, and race it against another.
import { canvas } from "./draw.js";
import { frame, h, need, tell } from "./kit.js";
import { controls } from "./play_controls.js";
import { curvesOf } from "./play_curves.js";
import { answers } from "./play_draw.js";
import { remembering } from "./play_history.js";
import { lane, marksOf, sightOf } from "./play_lane.js";
import {
  changed,
  fieldsOf,
  fromAddress,
  HAND,
  relevant,
  rivalsOf,
  toAddress,
  unpack,
} from "./play_settings.js";
import { sharing } from "./play_share.js";
import { challenges } from "./play_tasks.js";
import { difference, recorded, rivalOf, sides, status } from "./play_told.js";
import { panel } from "./play_touch.js";
import { writing } from "./play_write.js";

export function render({ model, el }) {
  const given = model.get("data"), { sets, presets, orders, shapes, records } = given;
  need(sets && Object.keys(sets).length > 0, "there are no data to train on");
  need(Array.isArray(presets) && presets.length > 0, "there are no settings to start from");
  const data = Object.fromEntries(Object.entries(sets).map(([name, set]) => [name, unpack(set)]));
  const fields = fieldsOf(given), usual = presets[0].settings;
  const f = frame(el, "Playground"), below = el.querySelector(".lbl-says");
  const small = el.clientWidth > 0 && el.clientWidth < 600;
  let auto = !matchMedia("(prefers-reduced-motion: reduce)").matches; // trains without being asked
  let s = { ...usual }, rival = "", found = "", speed = 0, seen = false, ended = false;
  let watched = [0, 1], waiting = false;
  let slowed = false; // for the reader's hand, and not by the reader

  const panelOf = controls(f.stage, { data, fields, presets }, s, {
    set: (patch) => set(patch),
    rate: (value) => {
      const [{ now, settings }] = lanes;
      if (!(now?.t > 0) || now.done || settings.method === "local") return false;
      faster(value);
      return true;
    },
    rival: (name) => {
      rival = name;
      begin();
    },
    go: () => {
      if (panelOf.go() === "Pause") { // a new network trains all the same
        all({ do: "pause" });
        return panelOf.go("Train");
      }
      auto = true;
      return lanes[0].now?.done || lanes[0].broken ? begin() : run();
    },
    step: () => all({ do: "step" }),
    over: () => begin(true, false),
    pace: (value) => {
      slowed = false;
      hurry(value);
    },
    forget: () => {
      curves.forget();
      curves.draw();
    },
  });
  const warn = h("p", { class: "lbl-error", role: "alert" });
  warn.hidden = true;
  f.controls.replaceWith(warn);

  // ---- pictures ---------------------------------------------------------------------------------
  const screen = h("div", { class: "lbl-play" }), left = h("div", { class: "lbl-play-left" });
  const middle = h("div", { class: "lbl-play-middle" }), right = h("div");
  screen.append(left, middle, right);
  f.stage.append(screen);
  const on = {
    heard: () => {
      if (rival) lanes.forEach((one, k) => one.wait(lanes[1 - k]));
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        draw();
      });
    },
    watch: (one, stage) => {
      watched = [lanes.indexOf(one), stage];
      lanes.forEach((l, k) => l.post({ watch: k === watched[0] ? stage : null }));
    },
    freeze: (one, stage) => {
      one.byHand.add(stage);
      one.post({ freeze: stage });
    },
    broken: (text) => f.say(text),
  };
  const tall = () => rival ? (small ? 104 : 128) : small ? 128 : 258;
  const sight = sightOf(middle);
  const lanes = [lane(middle, "", tall, on), lane(middle, " of the rival", tall, on)];
  const running = () => lanes.slice(0, rival ? 2 : 1);
  const all = (message) => running().forEach((one) => one.post(message));
  const shown = h("div"),
    pictures = lanes.map((one, k) =>
      canvas(shown, {
        height: (w) => Math.min(w, rival ? (small ? 116 : 150) : small ? 150 : 232),
        label: "What the network answers",
        draw: (c, w, high) => one.now && answers(c, f.stage, data[s.set], one.now, w, high),
      })
    );
  left.append(shown);
  const pen = writing(left, () => {
    all({ digit: pen.digit });
    shown.hidden = pen.open;
    draw();
  });
  const named = () => rival ? sides(s, rival) : ["as trained"];
  const curves = curvesOf(right, small ? 170 : 222, running, named);

  // ---- what stands below ------------------------------------------------------------------------
  const note = h("p", { class: "lbl-note" }), apart = h("p", { class: "lbl-note lbl-apart" });
  const rest = h("div", { class: "lbl-stage" });
  below.after(apart, note, rest);
  const challenge = h("p", { class: "lbl-strip lbl-taken", role: "status" }); // that is on
  below.after(challenge);
  const touched = panel(rest), marks = marksOf(rest);
  const share = sharing(rest, {
    near: f.stage,
    link: given.address &&
      (() => `${location.href.split(/[?#]/)[0]}#${toAddress(s, rival, found)}`),
    rows: () =>
      running().map((one, k) => ({
        head: one.title,
        parts: [
          pictures[k].node,
          one.view.node,
          ...(k ? [] : [curves.chart.chart.ctx.canvas]),
        ],
      })),
    lines: curves.lines,
    texts: () => [
      found && `“${found}”`,
      `${data[s.set].label}: ${
        relevant(s).slice(1).map((key) => `${fields[key].label} ${textOf(key)}`).join(", ")
      }.`,
      below.textContent,
      rival ? apart.textContent : note.textContent,
    ],
    found: (text) => {
      found = text;
      keep(false);
    },
  });
  const textOf = (key) =>
    fields[key].options.find(([v]) => String(v) === String(s[key]))?.[1] ?? s[key];
  const tasks = challenges(
    rest,
    records,
    (presets.find((p) => p.settings.set === "digits") ?? presets[0]).settings,
    (settings, name) => {
      rival = name;
      set(settings);
      el.scrollIntoView({ block: "start" });
    },
    challenge,
  );

  // ---- what happens -----------------------------------------------------------------------------
  function set(patch) {
    const { order } = s;
    s = changed(s, patch);
    if (s.order === HAND && order !== HAND && s.method.startsWith("stompp")) {
      rival ||= "forward"; // what it is scored against
      if (speed === 0) { // a hand needs time
        slowed = true;
        hurry("60");
      }
    }
    begin();
  }
  function hurry(value) {
    speed = Number(value);
    panelOf.pace(value);
    all({ speed });
  }
  function faster(rate) { // while it trains
    s = { ...s, rate };
    all({ rate });
    for (const { rates, settings } of running()) {
      if (settings.method !== "local" && rates.at(-1) !== rate) rates.push(rate);
    }
    keep();
    draw();
  }
  function keep(own = true) { // the address of the page tells what stands on it
    past?.keep(toAddress(s, rival, found), own);
  }
  function begin(address = true, go = auto && seen) {
    curves.keep(lanes[0]);
    curves.only(s.set);
    if (!rivalsOf(s).some(([name]) => name === rival)) rival = "";
    if (slowed && s.order !== HAND) {
      slowed = false;
      hurry("0");
    }
    panelOf.show(s, rival);
    panelOf.go("Train");
    ended = false;
    f.say("A new network is made.");
    pen.offer(data[s.set].inputs === 64);
    lanes[1].view.node.parentElement.parentElement.hidden = !rival;
    pictures[1].node.hidden = !rival;
    if (!rival) lanes[1].stop();
    watched = [rival ? watched[0] : 0, Math.max(watched[1], 0)];
    running().forEach((one, k) => {
      const q = k ? rivalOf(s, rival) : s,
        stages = q.method === "local" ? q.layers : 2 * q.blocks + 1;
      if (k === watched[0]) watched[1] = Math.min(watched[1], stages - 1);
      one.start(data[q.set], {
        ...q,
        batch: 32,
        turns: q.order === HAND ? null : orders[q.order][2 * q.blocks],
        grows: shapes[q.shape],
      }, {
        speed,
        watch: k === watched[0] ? watched[1] : null,
        digit: pen.digit,
        until: rival ? 0 : Infinity,
      });
      one.title = one.head.textContent = rival ? sides(s, rival)[k] : "";
      one.head.hidden = !rival;
    });
    for (const tell of [marks, sight]) tell(running().map(({ settings }) => settings.method));
    tasks.on(s.set);
    tellRecords();
    share.hush();
    if (address) keep();
    curves.draw();
    if (go) run();
  }
  function run() {
    all({ do: "go" });
    panelOf.go("Pause");
  }
  function tellRecords() { // what is recorded of the settings that stand on the page
    const [one, two] = lanes;
    note.textContent = recorded(records, one.settings, one.touched);
    apart.textContent = rival ? difference(given, one, two, rival) : "";
    note.hidden = Boolean(rival);
    apart.hidden = !rival;
  }
  function draw() {
    const [one] = lanes, { now } = one, two = rival ? lanes[1] : null;
    if (!now || (two && !two.now)) return;
    for (const l of running()) {
      l.paint();
      l.describe();
    }
    if (pen.open) pen.read(now.read?.logits ?? null);
    else pictures.forEach((p) => p.paint());
    if (running().some((l) => l.fresh)) curves.draw();
    f.say(status(one, two, rival) + (now.t || auto ? "" : " Press Train to start."));
    tellRecords();
    if (lanes[watched[0]].seen) touched.show(lanes[watched[0]], data[s.set]);
    for (const l of lanes) l.fresh = l.seen = false;
    const finished = running().every((l) => l.now.done || l.broken);
    if (finished || one.broken) panelOf.go(one.broken ? "Train" : "Train again");
    if (finished && !ended) {
      ended = true;
      if (!one.broken) tasks.judge(one, two);
    }
    pictures[0].describe(
      data[s.set].inputs === 2
        ? "What the network answers in the plane, with the training points."
        : "True digit against the network's answer, for the test images.",
    );
    f.data(() => [
      ["epoch", "test accuracy, %", "hardened, %"],
      ...one.curve.epoch.map((e, i) =>
        [e, one.curve.test[i], one.curve.hard[i]].map((x) => x.toFixed(1))
      ),
    ]);
    const [test, hard] = [one.curve.test.at(-1), one.curve.hard.at(-1)];
    tell(model, { ...s, rival, t: now.t, test, hard, done: now.done, speed: now.speed });
  }
  function visit() { // what the address asks for
    if (!past) return false;
    // a link of the page itself has its settings behind a ?: its theme takes what is behind a # for
    // the name of a section
    const [asked] = [location.hash, location.search, past.entry]
      .map((part) => fromAddress(part, usual, fields)).filter(Boolean);
    const name = location.hash.slice(1), place = name && document.getElementById(name);
    const lost = `This link names nothing on this page: “${
      name.slice(0, 40)
    }”. These are the usual settings.`;
    warn.textContent = asked?.said ?? (name && !place ? lost : "");
    warn.hidden = !warn.textContent;
    const before = toAddress(s, rival, found);
    if (asked) ({ settings: s, rival, found } = asked);
    share.set(found);
    return toAddress(s, rival, found) !== before; // to go to a section of the page changes nothing
  }
  const past = given.address
    ? remembering(() => visit() ? begin(false) : past.arrive(toAddress(s, rival, found)))
    : null;
  visit();
  past?.arrive(
    toAddress(s, rival, found),
    location.search && /[?#]v=/.test(location.href) && warn.hidden,
  );
  begin(false);
  const eye = new IntersectionObserver((entries) => {
    if (seen || !entries.some((e) => e.isIntersecting)) return;
    seen = true;
    if (auto) run();
  }, { threshold: 0.2 });
  eye.observe(screen);
  return () => {
    past?.stop();
    eye.disconnect();
    lanes.forEach((one) => one.stop());
  };
}
