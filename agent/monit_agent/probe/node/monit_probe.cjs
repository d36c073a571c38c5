"use strict";
// What happens inside a running Node program, told to monit's agent once a second.
//
// Preloaded by NODE_OPTIONS=--require into programs of both kinds, CommonJS and ESM. Never throws
// into the program, never prints, and holds nothing that keeps it alive: every timer and socket is
// unref'ed. The report's fields are those of the Python probe (see probe/README.md).

const BEAT_MS = 20;
const BEAT_IDLE_MS = 45; // in a loop used less than 2 %: half the cost, and blocks are read a bit low
const IDLE = 0.02;
const BUCKETS = 40; // 0 is below 0.1 ms; i >= 1 ends at 0.1 ms x 2 ** (i / 2); the last is open
const BLOCK_MS = 100;
const REPORT_MS = 1000;
const FIRST_MS = 300;
const RETRY_MS = 1000;
const UNSENT_BYTES = 65536; // more than that waiting means an agent that does not read

function install() {
  const path = process.env.MONIT_PROBE_NODE_SOCK;
  if (!path || process.env.MONIT_PROBE === "0") return;
  const threads = require("worker_threads");
  const mark = Symbol.for("monit.probe");
  if (!threads.isMainThread || globalThis[mark]) return;
  Object.defineProperty(globalThis, mark, { value: true });

  // what else is needed is required later: a program that ends at once must not load it
  const { performance } = globalThis;
  const clock = performance.now.bind(performance); // fake timers of tests replace the name
  const { setInterval, clearInterval, setTimeout } = globalThis;

  const born = Date.now() * 1e6;
  const gc = { minor: [0, 0, 0], major: [0, 0, 0] };
  const gcWanted = process.env.MONIT_PROBE_GC === "1";
  if (gcWanted) watchGc(require("perf_hooks").PerformanceObserver, gc);

  // A beat instead of Node's own histogram (monitorEventLoopDelay), because that counts a block
  // of one second as one late sample among fifty, and a reset throws away the sample under way.
  const lag = { numbers: new Array(BUCKETS).fill(0), sums: new Array(BUCKETS).fill(0),
                idle: 0, longest: 0, stuck: 0, last: clock(), period: BEAT_MS };
  let beating = null;
  let before = performance.eventLoopUtilization();

  function beat() {
    const now = clock();
    const late = now - lag.last - lag.period;
    lag.last = now;
    lag.idle += lag.period + Math.min(late, 2);
    if (late <= 2) return; // timers of Node are that exact
    const bucket = Math.min(BUCKETS - 1, Math.floor(2 * Math.log2(late * 10)) + 1);
    lag.numbers[bucket] += 1;
    lag.sums[bucket] += late;
    lag.longest = Math.max(lag.longest, late);
    if (late >= BLOCK_MS) lag.stuck += 1;
  }

  let seq = 0;
  let socket = null;
  let retryAt = 0;

  function connect() {
    if (socket || clock() < retryAt) return;
    const mine = require("net").connect({ path });
    const gone = () => {
      mine.destroy();
      if (socket === mine) socket = null;
      retryAt = clock() + RETRY_MS;
    };
    mine.unref().resume().on("error", gone).on("close", gone);
    socket = mine;
  }

  function gather() {
    const heap = require("v8").getHeapStatistics();
    const use = performance.eventLoopUtilization();
    return {
      v: 1,
      rt: "node",
      pid: process.pid,
      born,
      seq: ++seq,
      mono: clock() / 1000,
      hello: { version: process.versions.node, implementation: "v8", ppid: process.ppid },
      heap: { src: "v8", size: heap.total_heap_size, used: heap.used_heap_size },
      gc: gcWanted ? [gc.minor, gc.major] : [],
      handles: process.getActiveResourcesInfo ? process.getActiveResourcesInfo().length : null,
      loops: [{ id: 1, type: "node", running: true, busy: use.active / 1000,
                wall: (use.active + use.idle) / 1000, idle: lag.idle / 1000, lag: masses(lag),
                max: lag.longest / 1000, now: 0, stuck: lag.stuck }],
    };
  }

  function tick() {
    try {
      connect();
      if (!socket || socket.writableLength > UNSENT_BYTES) return;
      beatIfLate();
      pace();
      socket.write(JSON.stringify(gather()) + "\n");
      lag.longest = 0;
      gc.minor[2] = gc.major[2] = 0;
    } catch {
      // nothing of ours may reach the program, and there is nobody to tell
    }
  }

  // when the program's own timer has blocked the loop and ours comes next, the beat is yet to come
  const beatIfLate = () => clock() - lag.last > lag.period + BEAT_MS && beat();

  function pace() {
    const now = performance.eventLoopUtilization();
    const idle = performance.eventLoopUtilization(now, before).utilization < IDLE;
    before = now;
    const period = idle ? BEAT_IDLE_MS : BEAT_MS;
    if (beating && period === lag.period) return;
    clearInterval(beating);
    lag.period = period;
    beating = setInterval(beat, period).unref();
  }

  pace();
  setInterval(tick, REPORT_MS).unref();
  setTimeout(tick, FIRST_MS).unref();
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

function watchGc(PerformanceObserver, gc) {
  const MINOR = 1;
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
}

try {
  install();
} catch {
  // an old Node, or one with parts left out: then there is no probe
}
