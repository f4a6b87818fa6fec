// The playground's worker: trains while the page stays free. Messages: start, go, pause, step.
let run = null, going = false, told = { loss: [], at: 0 }, since = 0, steps = 0;

onmessage = ({ data: m }) => {
  if (m.do === "start") {
    const local = m.settings.method === "local";
    run = new (local ? $local.LocalRun : $engine.Run)(m.data, m.settings);
    going = false;
    told = { loss: [], at: 0 };
    report(true);
  }
  if (m.do === "step" && run && !run.done) advance(1);
  if (m.do === "pause") going = false;
  if (m.do === "go" && run && !going) {
    going = true;
    since = performance.now();
    steps = 0;
    slice();
  }
};

function advance(count) {
  for (let k = 0; k < count && !run.done; k++) {
    told.loss.push(run.step());
    if (run.t % run.perEpoch === 0 || run.done) report(true);
  }
  report(false);
}

function slice() { // a few steps at a time, so that a pause is heard
  if (!going) return;
  const end = performance.now() + 30;
  let loss = 0;
  while (performance.now() < end && !run.done) {
    told.loss.push(loss = run.step());
    steps++;
    if (run.t % run.perEpoch === 0 || run.done) report(true);
    if (!Number.isFinite(loss)) going = false;
  }
  if (run.done) going = false;
  report(false);
  if (going) setTimeout(slice, 0);
}

function report(whole) { // whole: also what is measured once an epoch
  const { net, data } = run, now = performance.now();
  const message = {
    t: run.t,
    steps: run.steps,
    perEpoch: run.perEpoch,
    loss: told.loss,
    done: run.done,
    going,
    speed: going && now > since ? (1000 * steps) / (now - since) : 0,
    ...run.state(),
  };
  told.loss = [];
  if (whole) {
    const N = data.y.length - data.train, I = data.inputs;
    const x = data.x.subarray ? data.x.subarray(data.train * I) : data.x.slice(data.train * I),
      y = data.y.slice(data.train);
    const counts = confusion(x, y, N, data.classes);
    message.test = (100 * counts.reduce((s, v, k) => s + (k % (data.classes + 1) ? 0 : v), 0)) / N;
    // a network of signs is as hard as it will be
    message.hard = net.accuracy ? net.accuracy(x, y, N, true) : message.test;
    if (I === 2) {
      if (now - told.at > 300 || run.done || run.t === 0) {
        message.field = field();
        told.at = now;
      }
    } else message.confusion = counts;
  }
  postMessage(message);
}

/** What the network answers on a square of 36 by 36 points: its margin for class 1, in [-1, 1]. */
function field() {
  const G = 36, x = new Float64Array(2 * G * G);
  for (let r = 0; r < G; r++) {
    for (let c = 0; c < G; c++) {
      x[2 * (r * G + c)] = -1.15 + (2.3 * (c + 0.5)) / G;
      x[2 * (r * G + c) + 1] = 1.15 - (2.3 * (r + 0.5)) / G;
    }
  }
  const logits = run.logits(x, G * G);
  return Array.from(
    { length: G * G },
    (_, k) => Math.tanh((logits[2 * k + 1] - logits[2 * k]) / 2),
  );
}

/** Counts [true class][answer], row by row. */
function confusion(x, y, N, C) {
  const logits = run.logits(x, N), counts = new Array(C * C).fill(0);
  for (let n = 0; n < N; n++) counts[y[n] * C + run.net.top(logits, n * C)]++;
  return counts;
}
