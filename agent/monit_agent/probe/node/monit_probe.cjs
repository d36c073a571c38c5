"use strict";
// What happens inside a running Node program, told to monit's agent once a second.
//
// Preloaded by NODE_OPTIONS=--require into programs of both kinds, CommonJS and ESM. Never throws
// into the program, never prints, and holds nothing that keeps it alive: every timer and socket is
// unref'ed. The report's fields are those of the Python probe (see probe/README.md). The files
// beside this one are loaded when a program first does what they are about.

const BEAT_MS = 20;
const BEAT_IDLE_MS = 45; // in a loop used less than 2 %: half the cost, and blocks are read a bit low
const IDLE = 0.02;
const BUCKETS = 40; // 0 is below 0.1 ms; i >= 1 ends at 0.1 ms x 2 ** (i / 2); the last is open
const BLOCK_MS = 100;
const REPORT_MS = 1000;
const FIRST_MS = 300;
const RETRY_MS = 1000;
const UNSENT_BYTES = 65536; // more than that waiting means an agent that does not read
const LINE_BYTES = 65536; // longest line that is taken from the agent
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
    born: Date.now() * 1e6,
    seq: 0,
    socket: null,
    retryAt: 0,
    faults: 0,
    fault: "",
    gc: env.MONIT_PROBE_GC === "1" ? watchGc() : null,
    blocks: lazily(() => require("./monit_blocks.cjs")),
    metrics: lazily(() => require("./monit_metrics.cjs")((error) => fail(state, error))),
    http: lazily(() => require("./monit_http.cjs")),
  };
  const late = new Lateness((ms) => guarded(state, () => state.blocks.load().happened(ms, state)));
  if (env.MONIT_PROBE_HTTP !== "0") guarded(state, () => watchHttp(state));
  if (env.MONIT_PROBE_BLOCKS === "1") guarded(state, () => state.blocks.load());
  Object.defineProperty(globalThis, MODULE, {
    configurable: true,
    get: () => state.metrics.load().api,
  });
  takeOver(state);
  const tick = () => guarded(state, () => report(state, late));
  state.report = tick;
  late.pace();
  setInterval(tick, REPORT_MS).unref();
  setTimeout(tick, FIRST_MS).unref();
}

// Gives {loaded, load()}: a program that never does what a file is about does not load it.
function lazily(bring) {
  const part = { loaded: null, load: () => part.loaded || (part.loaded = bring()) };
  return part;
}

// Nothing of ours may reach the program; that something failed is told in the next report.
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
// one second as one late sample among fifty, and a reset throws away the sample under way.
class Lateness {
  constructor(blocked) {
    this.blocked = blocked;
    this.numbers = new Array(BUCKETS).fill(0);
    this.sums = new Array(BUCKETS).fill(0);
    this.idle = this.longest = this.stuck = 0;
    this.last = clock();
    this.period = BEAT_MS;
    this.watched = null; // what beats are told to, see monit_blocks.cjs
    this.timer = null;
    this.before = performance.eventLoopUtilization();
    this.beat = this.beat.bind(this);
  }

  beat() {
    const now = clock();
    const late = now - this.last - this.period;
    this.last = now;
    this.idle += this.period + Math.min(late, 2);
    if (late > 2) this.count(late); // timers of Node are that exact
    if (this.watched) this.watched(this.period);
  }

  count(late) {
    const bucket = Math.min(BUCKETS - 1, Math.floor(2 * Math.log2(late * 10)) + 1);
    this.numbers[bucket] += 1;
    this.sums[bucket] += late;
    this.longest = Math.max(this.longest, late);
    if (late < BLOCK_MS) return;
    this.stuck += 1;
    this.watched = this.blocked(late) || null;
  }

  // when the program's own timer has blocked the loop and ours comes next, the beat is yet to come
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

  words() {
    const { active, idle } = performance.eventLoopUtilization();
    return { id: 1, type: "node", running: true, busy: active / 1000, wall: (active + idle) / 1000,
             idle: this.idle / 1000, lag: masses(this), max: this.longest / 1000, now: 0,
             stuck: this.stuck };
  }
}

// [bucket, seconds] of the waits: a loop held up for D makes what becomes due meanwhile wait
// between D and 0, evenly; so each such stretch fills all buckets below it
function masses(lag) {
  const out = [];
  let above = 0;
  for (let bucket = BUCKETS - 1; bucket >= 0; bucket -= 1) {
    const low = bucket ? 0.1 * 2 ** ((bucket - 1) / 2) : 0;
    const high = 0.1 * 2 ** (bucket / 2);
    const mass = lag.sums[bucket] - lag.numbers[bucket] * low + above * (high - low);
    above += lag.numbers[bucket];
    if (mass > 0) out.push([bucket, mass / 1000]);
  }
  return out;
}

// ------------------------------------------------------------ what is told

function report(state, late) {
  connect(state);
  const { socket } = state;
  if (!socket || socket.writableLength > UNSENT_BYTES) return;
  late.beatIfLate();
  late.pace();
  socket.write(`${JSON.stringify(gather(state, late))}\n`);
  late.longest = 0;
  for (const part of [state.http, state.metrics]) if (part.loaded) part.loaded.sent();
  if (state.gc) state.gc.minor[2] = state.gc.major[2] = 0;
  if (state.blocks.loaded) late.watched = state.blocks.loaded.stillNeeded(state) || null;
}

function gather(state, late) {
  const heap = require("v8").getHeapStatistics();
  const { gc, http } = state;
  state.seq += 1;
  return {
    v: 1,
    rt: "node",
    pid: process.pid,
    born: state.born,
    seq: state.seq,
    mono: clock() / 1000,
    hello: { version: process.versions.node, implementation: "v8", ppid: process.ppid },
    heap: { src: "v8", size: heap.total_heap_size, used: heap.used_heap_size },
    gc: gc ? [gc.minor, gc.major] : [],
    handles: process.getActiveResourcesInfo ? process.getActiveResourcesInfo().length : null,
    loops: [late.words()],
    http: http.loaded ? http.loaded.words() : null,
    ...own(state),
    faults: state.faults,
    fault: state.fault,
  };
}

// the program's own metrics and actions
function own({ metrics }) {
  const wanted = metrics.loaded || globalThis.gc || require("./monit_prometheus.cjs").found();
  return wanted ? metrics.load().words() : {};
}

function connect(state) {
  if (state.socket || clock() < state.retryAt) return;
  const mine = require("net").connect({ path: state.path });
  const gone = () => {
    mine.destroy();
    if (state.socket === mine) state.socket = null;
    state.retryAt = clock() + RETRY_MS;
  };
  let rest = "";
  mine.setEncoding("utf8").on("data", (part) => {
    const lines = (rest + part).split("\n");
    rest = lines.pop().slice(0, LINE_BYTES);
    for (const line of lines) guarded(state, () => state.metrics.load().asked(line, state.report));
  });
  mine.unref().on("error", gone).on("close", gone);
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
  const told = (name) => (message) => {
    try {
      state.http.load()[name](message);
    } catch {
      // a program's own idea of a request
    }
  };
  // kept, because Node before 18.7 forgets a channel, and who listens to it, that nobody holds
  state.channels = [channel("http.server.request.start"), channel("http.server.response.finish")];
  state.channels[0].subscribe(told("began"));
  state.channels[1].subscribe(told("finished"));
}

// What @pm2/io tells pm2 is for us: only of the worker itself, because the children of a program
// tell it to their parent.
function takeOver(state) {
  const { send } = process;
  if (typeof send !== "function" || env.MONIT_PID !== String(process.pid)) return;
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
  install();
} catch {
  // an old Node, or one with parts left out: then there is no probe
}
