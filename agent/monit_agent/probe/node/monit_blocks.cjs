"use strict";
// Starts and ends the thread that watches the event loop (monit_block_finder.cjs).
//
// It starts with the second block within five minutes, not counting those during the program's
// start, and ends after five minutes without a block: a program whose loop is never blocked pays
// nothing. MONIT_PROBE_BLOCKS=1: it starts with the program; 0: never.

const KEEP_MS = 5 * 60 * 1000;
const START_MS = 2000;

const { hrtime, env, pid } = process;
const clock = globalThis.performance.now.bind(globalThis.performance);
const [BEAT, PERIOD, LATE, BLOCKS, GC, CELLS] = [0, 1, 2, 3, 4, 5];

let cells = null;
let worker = null;
let failed = false;
let lastAt = -Infinity; // when the last block was
let gc = null; // the probe's count of collections, if it has one

// Note that the loop was blocked for `late` ms. Returns what must be called at each beat, if anything.
function noteBlock(late, state) {
  const again = clock() - lastAt < KEEP_MS;
  if (clock() > START_MS) lastAt = clock();
  if (cells) {
    cells[LATE] = late;
    cells[BLOCKS] += 1;
  } else if (again) {
    start(state);
  }
  return cells && beat;
}

function beat(period) {
  const [seconds, ns] = hrtime();
  cells[PERIOD] = period;
  cells[BEAT] = seconds * 1000 + ns / 1e6;
}

function start({ path, started, gc: ofProbe }) {
  if (failed || env.MONIT_PROBE_BLOCKS === "0" || process.execArgv.some((each) => /^--inspect/.test(each))) return;
  const { Worker } = require("worker_threads");
  const shared = new Float64Array(new SharedArrayBuffer(8 * CELLS));
  // without the program's own preloads, environment and output; if it cannot be started now, the
  // next block tries again
  worker = new Worker(require.resolve("./monit_block_finder.cjs"), {
    workerData: { path, process: { pid, started }, ours: `${__dirname}/`, cells: shared.buffer },
    execArgv: [], env: {}, stdin: false, stdout: true, stderr: true, trackUnmanagedFds: false,
    resourceLimits: { maxOldGenerationSizeMb: 32 },
  });
  cells = shared;
  beat(0);
  worker.unref();
  worker.on("error", () => { failed = true; }).on("exit", () => { cells = worker = null; });
  gc = ofProbe;
}

// Called once a second. Returns what must be called at each beat, if anything.
function stillNeeded(state) {
  if (!cells && env.MONIT_PROBE_BLOCKS === "1") start(state);
  if (cells && gc) cells[GC] = 1000 * (gc.minor[1] + gc.major[1]);
  if (cells && clock() - lastAt > KEEP_MS && env.MONIT_PROBE_BLOCKS !== "1") {
    worker.terminate();
    cells = worker = null;
  }
  return cells && beat;
}

module.exports = { noteBlock, stillNeeded };
