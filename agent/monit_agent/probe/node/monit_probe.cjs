"use strict";
// The probe inside a Node program: it measures the program and reports to monit's agent.
//
// Preloaded by NODE_OPTIONS=--require into programs of both kinds, CommonJS and ESM. Never throws
// into the program, never prints, and never keeps it alive: every timer and socket is unref'ed. The
// report's fields are those of the Python probe (see probe/README.md). The other files of this
// folder are loaded when the program first does what they are about.

const BEAT_MS = 20;
const BEAT_IDLE_MS = 45; // in a loop that is busy less than 2 %: half the cost, but less exact
const IDLE = 0.02;
const BLOCK_MS = 100;
const REPORT_MS = 1000;
const FIRST_MS = 300;
const RETRY_MS = 1000;
const UNSENT_BYTES = 65536; // more than that means an agent that does not read
const LINE_BYTES = 65536; // longest line that is accepted from the agent
const MODULE = Symbol.for("monit"); // where programs find the interface of monit_metrics.cjs

const { setInterval, clearInterval, setTimeout } = globalThis; // fake timers of tests replace them
const { performance } = globalThis;
const clock = performance.now.bind(performance);
const { env } = process;

function install() {
  const path = env.MONIT_PROBE_NODE_SOCK;
  if (!path || env.MONIT_PROBE === "0") return;
  const threads = require("worker_threads");
  const mark = Symbol.for("monit.probe");
  if (!threads.isMainThread || globalThis[mark]) return;
  Object.defineProperty(globalThis, mark, { value: true });

  const state = {
    path,
    started: Date.now() * 1e6,
    seq: 0,
    socket: null,
    retryAt: 0,
    faults: 0,
    fault: "",
    gc: env.MONIT_PROBE_GC === "1" ? watchGc() : null,
    buckets: require("./monit_buckets.cjs"),
    blocks: lazily(() => require("./monit_blocks.cjs")),
    metrics: lazily(() => require("./monit_metrics.cjs")((error) => fail(state, error))),
    http: lazily(() => require("./monit_http.cjs")),
  };
  const late = new Lateness(state.buckets, (ms) => guarded(state, () => state.blocks.load().noteBlock(ms, state)));
  if (env.MONIT_PROBE_HTTP !== "0") guarded(state, () => watchHttp(state));
  if (env.MONIT_PROBE_BLOCKS === "1") guarded(state, () => state.blocks.load());
  Object.defineProperty(globalThis, MODULE, {
    configurable: true,
    get: () => state.metrics.load().api,
  });
  receiveForPm2(state);
  const tick = () => guarded(state, () => report(state, late));
  state.report = tick;
  state.forgive = (ms) => (late.last += ms);
  late.pace();
  setInterval(tick, REPORT_MS).unref();
  setTimeout(tick, FIRST_MS).unref();
}

// Returns {loaded, load()}: a program that never does what a file is about does not load it.
function lazily(bring) {
  const part = { loaded: null, load: () => part.loaded || (part.loaded = bring()) };
  return part;
}

// No error of ours may reach the program; it is counted in the next report.
function guarded(state, does) {
  try {
    return does();
  } catch (error) {
    fail(state, error);
    return undefined;
  }
}

function fail(state, error) {
  state.faults += 1;
  state.fault = String(error).slice(0, 200);
}

// ------------------------------------------------------------ how late things are

// A beat instead of Node's own histogram (monitorEventLoopDelay), because that counts a block of
// one second as one late sample among fifty, and a reset discards the present sample.
class Lateness {
  constructor(buckets, blocked) {
    this.buckets = buckets;
    this.blocked = blocked;
    this.stretches = new Map(); // since the last report, by bucket of seconds: number, milliseconds
    this.idle = this.longest = this.stuck = 0;
    this.last = clock();
    this.period = BEAT_MS;
    this.onBeat = null; // what must be called at each beat, see monit_blocks.cjs
    this.timer = null;
    this.before = performance.eventLoopUtilization();
    this.beat = this.beat.bind(this);
  }

  beat() {
    const now = clock();
    const late = now - this.last - this.period;
    this.last = now;
    this.idle += this.period + Math.min(late, 2);
    if (late > 2) this.count(late); // Node's timers are not more exact
    if (this.onBeat) this.onBeat(this.period);
  }

  count(late) {
    const bucket = this.buckets.bucketOf(late / 1000);
    const [number, ms] = this.stretches.get(bucket) || [0, 0];
    this.stretches.set(bucket, [number + 1, ms + late]);
    this.longest = Math.max(this.longest, late);
    if (late < BLOCK_MS) return;
    this.stuck += 1;
    this.onBeat = this.blocked(late) || null;
  }

  // when a timer of the program has blocked the loop and ours comes next, the beat comes later
  beatIfLate() {
    if (clock() - this.last > this.period + BEAT_MS) this.beat();
  }

  pace() {
    const now = performance.eventLoopUtilization();
    const use = performance.eventLoopUtilization(now, this.before).utilization;
    this.before = now;
    const period = use < IDLE ? BEAT_IDLE_MS : BEAT_MS;
    if (this.timer && period === this.period) return;
    clearInterval(this.timer);
    this.period = period;
    this.timer = setInterval(this.beat, period).unref();
  }

  // how long the loop was busy: what becomes due meanwhile waits between 0 and that long, evenly
  lag() {
    return this.buckets.pack(this.stretches, ([number, ms]) => [number, Math.round(ms * 1000)]);
  }

  sent() {
    this.longest = 0;
    this.stretches.clear();
  }

  report() {
    const { active, idle } = performance.eventLoopUtilization();
    return { id: 1, type: "node", running: true, busy: active / 1000, wall: (active + idle) / 1000,
             idle: this.idle / 1000, lag: this.lag(), max: this.longest / 1000, now: 0,
             stuck: this.stuck };
  }
}

// ------------------------------------------------------------ reports

function report(state, late) {
  connect(state);
  const { socket } = state;
  if (!socket || socket.writableLength > UNSENT_BYTES) return;
  late.beatIfLate();
  late.pace();
  socket.write(`${JSON.stringify(gather(state, late))}\n`);
  late.sent();
  for (const part of [state.http, state.metrics]) if (part.loaded) part.loaded.sent();
  if (state.gc) state.gc.minor[2] = state.gc.major[2] = 0;
  if (state.blocks.loaded) late.onBeat = state.blocks.loaded.stillNeeded(state) || null;
}

function gather(state, late) {
  const heap = require("v8").getHeapStatistics();
  const { gc, http } = state;
  state.seq += 1;
  return {
    v: 2,
    rt: "node",
    pid: process.pid,
    started: state.started,
    seq: state.seq,
    mono: clock() / 1000,
    hello: { version: process.versions.node, implementation: "v8", ppid: process.ppid },
    heap: { src: "v8", size: heap.total_heap_size, used: heap.used_heap_size,
            limit: heap.heap_size_limit },
    gc: gc ? [gc.minor, gc.major] : [],
    handles: process.getActiveResourcesInfo ? process.getActiveResourcesInfo().length : null,
    loops: [late.report()],
    http: http.loaded ? http.loaded.report() : null,
    ...ofApp(state),
    faults: state.faults,
    fault: state.fault,
  };
}

// The program's own metrics and actions.
function ofApp({ metrics }) {
  const has = metrics.loaded || globalThis.gc || require("./monit_prometheus.cjs").found();
  return has ? metrics.load().report() : {};
}

function connect(state) {
  if (state.socket || clock() < state.retryAt) return;
  const mine = require("net").connect({ path: state.path });
  const onClosed = () => {
    mine.destroy();
    if (state.socket === mine) state.socket = null;
    state.retryAt = clock() + RETRY_MS;
  };
  let rest = "";
  mine.setEncoding("utf8").on("data", (part) => {
    const lines = (rest + part).split("\n");
    rest = lines.pop().slice(0, LINE_BYTES);
    for (const line of lines) guarded(state, () => state.metrics.load().start(line, state));
  });
  mine.unref().on("error", onClosed).on("close", onClosed);
  state.socket = mine;
}

// ------------------------------------------------------------ what is watched

function watchGc() {
  const MINOR = 1;
  const gc = { minor: [0, 0, 0], major: [0, 0, 0] };
  const { PerformanceObserver } = require("perf_hooks");
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const into = (entry.detail ? entry.detail.kind : entry.kind) === MINOR ? gc.minor : gc.major;
      const seconds = entry.duration / 1000;
      into[0] += 1;
      into[1] += seconds;
      into[2] = Math.max(into[2], seconds);
    }
  });
  observer.observe({ entryTypes: ["gc"] });
  return gc;
}

function watchHttp(state) {
  const { channel } = require("diagnostics_channel");
  const handle = (name) => (message) => {
    try {
      state.http.load()[name](message);
    } catch {
      // an object of the program that is not a request as Node has it
    }
  };
  // kept, because Node before 18.7 drops a channel, and its subscribers, without a reference to it
  state.channels = [channel("http.server.request.start"), channel("http.server.response.finish")];
  state.channels[0].subscribe(handle("started"));
  state.channels[1].subscribe(handle("finished"));
}

// Receive what @pm2/io sends to pm2. Only where the channel is the keeper's, because the children of
// a program send it to their parent; monit_ports.cjs removes the variable.
function receiveForPm2(state) {
  const { send } = process;
  if (typeof send !== "function" || !env.MONIT_CHANNEL) return;
  process.send = function monitSend(message, ...rest) {
    const type = message && typeof message === "object" ? message.type : undefined;
    if (typeof type !== "string" || !/^(axm:|process:exception$|human:event$)/.test(type)) {
      return Reflect.apply(send, this, arguments);
    }
    guarded(state, () => state.metrics.load().pm2(message, state.report));
    const done = rest.reverse().find((each) => typeof each === "function");
    if (done) process.nextTick(done, null);
    return true;
  };
}

try {
  require("./monit_children.cjs");
  install();
} catch {
  // an old Node, or one without some modules: then there is no probe
}
