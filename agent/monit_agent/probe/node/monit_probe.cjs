"use strict";
// What happens inside a running Node program, told to monit's agent once a second.
//
// Preloaded by NODE_OPTIONS=--require into programs of both kinds, CommonJS and ESM. Never throws
// into the program, never prints, and holds nothing that keeps it alive: every timer and socket is
// unref'ed. The report's fields are those of the Python probe (see probe/README.md).

const RESOLUTION_MS = 20;
const REPORT_MS = 1000;
const RETRY_MS = 1000;
const UNSENT_BYTES = 65536; // more than that waiting means an agent that does not read

function install() {
  const threads = require("worker_threads");
  const path = process.env.MONIT_PROBE_NODE_SOCK;
  if (!threads.isMainThread || !path || process.env.MONIT_PROBE === "0") return;
  if (globalThis[Symbol.for("monit.probe")]) return;
  globalThis[Symbol.for("monit.probe")] = true;

  const net = require("net");
  const v8 = require("v8");
  const { monitorEventLoopDelay, performance, PerformanceObserver } = require("perf_hooks");

  // Two histograms that are read and reset in turns, so that each report covers two seconds: a
  // reset throws away what has not been recorded yet, which after a block is the block.
  const delays = [0, 1].map(() => monitorEventLoopDelay({ resolution: RESOLUTION_MS }));
  for (const each of delays) each.enable();
  const born = String(Date.now()) + String(process.hrtime.bigint() % 1000000n).padStart(6, "0");
  const gc = { minor: [0, 0, 0], major: [0, 0, 0] };
  const gcWanted = process.env.MONIT_PROBE_GC === "1";
  if (gcWanted) watchGc(PerformanceObserver, gc);

  let seq = 0;
  let socket = null;
  let retryAt = 0;

  function connect() {
    if (socket || Date.now() < retryAt) return;
    socket = net.connect({ path });
    socket.unref();
    const gone = () => {
      if (socket) socket.destroy();
      socket = null;
      retryAt = Date.now() + RETRY_MS;
    };
    socket.on("error", gone);
    socket.on("close", gone);
    socket.resume();
  }

  // the histogram holds the time between two firings of a timer, the timer's own period included
  const ms = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);

  function gather(delay) {
    const heap = v8.getHeapStatistics();
    const loop = performance.eventLoopUtilization();
    const report = {
      v: 1,
      rt: "node",
      pid: process.pid,
      born: Number(born),
      seq: ++seq,
      mono: performance.now() / 1000,
      heap: { src: "v8", size: heap.total_heap_size, used: heap.used_heap_size,
              limit: heap.heap_size_limit },
      delay: { p50: ms(delay.percentile(50)), p95: ms(delay.percentile(95)),
               p99: ms(delay.percentile(99)), max: delay.max ? ms(delay.max) : 0 },
      busy: loop.active / 1000,
      wall: (loop.active + loop.idle) / 1000,
      handles: process.getActiveResourcesInfo ? process.getActiveResourcesInfo().length : null,
      hello: { version: process.versions.node, implementation: "v8", ppid: process.ppid },
    };
    if (gcWanted) report.gc = [gc.minor, gc.major];
    return report;
  }

  function tick() {
    try {
      connect();
      if (!socket || socket.writableLength > UNSENT_BYTES) return;
      const delay = delays[seq % 2];
      socket.write(JSON.stringify(gather(delay)) + "\n");
      delay.reset();
      gc.minor[2] = gc.major[2] = 0;
    } catch {
      // nothing of ours may reach the program, and there is nobody to tell
    }
  }

  connect();
  setInterval(tick, REPORT_MS).unref();
  setTimeout(tick, 300).unref();
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
