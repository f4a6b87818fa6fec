// The playground's worker: trains while the page stays free. Messages: {do: "start", data,
// settings, speed, watch, digit}, "go", "pause", "step", {speed} in steps a second (0: as fast as
// it can), {until: the step where it waits for a rival}, {rate}, {freeze: stage}, {watch: stage},
// {digit: 64 numbers, or null}.
const COARSE = 18, SHARP = 58, SMALL = 12; // points along a side of a field
const BREATH = 90; // milliseconds of training between two pictures: to draw one takes time as well
let run = null, going = false, speed = 0, losses = [], since = 0, steps = 0, every = 1;
let until = Infinity,
  waits = false,
  watched = null,
  digit = null,
  due = 0,
  tests = null,
  breath = BREATH;

onmessage = ({ data: m }) => {
  if (m.do === "start") {
    const local = m.settings.method === "local", { data } = m;
    run = new (local ? $local.LocalRun : $engine.Run)(data, m.settings);
    every = Math.ceil(m.settings.epochs / 30); // what is measured costs as much as a few steps
    const from = data.train * data.inputs, count = data.y.length - data.train;
    tests = { x: data.x.slice(from), y: data.y.slice(data.train), count };
    [going, losses, speed, until] = [false, [], m.speed, m.until];
    [watched, digit] = [m.watch, m.digit];
    report(true);
  }
  if (!run) return;
  if (m.do === "step" && !run.done) {
    losses.push(run.step());
    report(true);
  }
  if (m.do === "pause" && going) {
    going = false;
    report(true);
  }
  if (m.do === "go" && !going && !run.done) {
    [going, waits] = [true, false];
    breath = BREATH / 3; // the first change is soon to be seen
    again();
    slice();
  }
  if ("speed" in m && m.do !== "start") {
    speed = m.speed;
    again();
  }
  if ("rate" in m && run.optimizer) run.optimizer.rate = m.rate;
  if ("freeze" in m) run.freeze?.(m.freeze);
  if (m.do !== "start" && "watch" in m) watched = m.watch;
  if (m.do !== "start" && "digit" in m) digit = m.digit;
  if ("until" in m && m.do !== "start") {
    until = m.until;
    if (going && waits && run.t < until) {
      waits = false;
      again();
      slice();
    }
    return;
  }
  if (!going && !m.do) report("freeze" in m);
};

function again() { // speed is counted from here
  since = performance.now();
  steps = 0;
}

function slice() { // a few steps at a time, so that a pause is heard
  if (!going) return;
  waits = run.t >= until;
  if (waits) return; // it goes on when its rival has come as far
  const start = performance.now(), before = run.t;
  let whole = false;
  while (performance.now() < start + breath && !run.done && !whole && run.t < until) {
    if (speed && steps > (speed * (performance.now() - since)) / 1000) break;
    const loss = run.step();
    losses.push(loss);
    steps++;
    whole = run.t % (every * run.perEpoch) === 0 || run.t === run.perEpoch;
    if (!Number.isFinite(loss)) {
      going = false;
      break;
    }
  }
  breath = BREATH;
  if (run.done) going = false;
  if (run.t > before || !going) report(whole || !going);
  if (going) setTimeout(slice, speed ? 40 : 0);
}

function report(whole) { // whole: also what is measured now and then
  const { data } = run, now = performance.now(), plane = data.inputs === 2;
  const message = {
    t: run.t,
    steps: run.steps,
    perEpoch: run.perEpoch,
    losses,
    done: run.done,
    going,
    speed: going && now > since ? (1000 * steps) / (now - since) : 0,
    ...run.state(),
  };
  losses = [];
  if (whole) {
    const counts = confusion(data.classes), { x, y, count } = tests;
    const right = counts.reduce((s, v, k) => s + (k % (data.classes + 1) ? 0 : v), 0);
    message.test = (100 * right) / count;
    message.hard = run.mixed ? run.net.accuracy(x, y, count, true) : message.test;
    if (!plane) message.confusion = counts;
  }
  if (!going || now > due) { // pictures take at most a fifth of the time, however slow a machine is
    if (plane) message.field = field(going || run.t === 0 ? COARSE : SHARP);
    if (watched !== null) message.watch = watch(plane);
    const end = performance.now();
    due = end + Math.max(2 * BREATH, 4 * (end - now));
  }
  if (digit) {
    const { logits, made } = run.seen(digit, 1);
    message.read = { logits: Array.from(logits), made };
  }
  postMessage(message);
}

/** Points of a square grid over the plane, from the upper left corner. */
function grid(G) {
  const x = new Float64Array(2 * G * G);
  for (let r = 0; r < G; r++) {
    for (let c = 0; c < G; c++) {
      x[2 * (r * G + c)] = -1.15 + (2.3 * (c + 0.5)) / G;
      x[2 * (r * G + c) + 1] = 1.15 - (2.3 * (r + 0.5)) / G;
    }
  }
  return x;
}

/** What the network answers on a grid: its margin for class 1, in [-1, 1]. */
function field(G) {
  const logits = run.logits(grid(G), G * G);
  return Float32Array.from(
    { length: G * G },
    (_, k) => Math.tanh((logits[2 * k + 1] - logits[2 * k]) / 2),
  );
}

/** The matrix of the stage that the reader looks at, and a field of each of its neurons: its value
 * on a grid of the plane, or its mean over the test images of each digit. */
function watch(plane) {
  const { x, y, count } = tests, C = run.data.classes;
  const points = plane ? SMALL * SMALL : C;
  const made = (plane ? run.seen(grid(SMALL), points) : run.seen(x, count)).made[watched];
  const neurons = made.length / (plane ? points : count);
  let fields = made;
  if (!plane) {
    const seen = new Float64Array(C);
    fields = new Float32Array(C * neurons);
    for (let n = 0; n < count; n++) {
      seen[y[n]]++;
      for (let k = 0; k < neurons; k++) fields[y[n] * neurons + k] += made[n * neurons + k];
    }
    for (let k = 0; k < fields.length; k++) fields[k] /= seen[Math.floor(k / neurons)];
  }
  return { stage: watched, matrix: run.matrix(watched), fields, neurons, points };
}

/** Counts [true class][answer], row by row. */
function confusion(C) {
  const { x, y, count } = tests, logits = run.logits(x, count), counts = new Array(C * C).fill(0);
  for (let n = 0; n < count; n++) counts[y[n] * C + run.net.top(logits, n * C)]++;
  return counts;
}
