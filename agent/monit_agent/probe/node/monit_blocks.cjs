"use strict";
// When the watch over a program's event loop begins and ends (monit_watch.cjs).
//
// It begins with the second block within five minutes, not counting those of the program's start,
// and ends when there was none for as long: a program whose loop is never held up pays nothing.
// MONIT_PROBE_BLOCKS=1: it begins with the program; 0: never.

const KEEP_MS = 5 * 60 * 1000;
const START_MS = 2000;

const { hrtime, env, pid } = process;
const clock = globalThis.performance.now.bind(globalThis.performance);
const [BEAT, PERIOD, LATE, BLOCKS, GC, CELLS] = [0, 1, 2, 3, 4, 5];

let cells = null;
let worker = null;
let broken = false;
let before = -Infinity; // when the last block was

// The loop was held up for `late` ms. Gives what is to be called at each beat, if anything.
function happened(late, state) {
  const again = clock() - before < KEEP_MS;
  if (clock() > START_MS) before = clock();
  if (cells) {
    cells[LATE] = late;
    cells[BLOCKS] += 1;
  } else if (again) {
    begin(state);
  }
  return cells && beat;
}

function beat(period) {
  const [seconds, ns] = hrtime();
  cells[PERIOD] = period;
  cells[BEAT] = seconds * 1000 + ns / 1e6;
}

function begin({ path, born, gc }) {
  if (broken || env.MONIT_PROBE_BLOCKS === "0" || process.execArgv.some((each) => /^--inspect/.test(each))) return;
  const { Worker } = require("worker_threads");
  const shared = new Float64Array(new SharedArrayBuffer(8 * CELLS));
  // without the program's own preloads, environment and output; where none can be started now,
  // the next block tries again
  worker = new Worker(require.resolve("./monit_watch.cjs"), {
    workerData: { path, process: { pid, born }, ours: `${__dirname}/`, cells: shared.buffer },
    execArgv: [], env: {}, stdin: false, stdout: true, stderr: true, trackUnmanagedFds: false,
    resourceLimits: { maxOldGenerationSizeMb: 32 },
  });
  cells = shared;
  beat(0);
  worker.unref();
  worker.on("error", () => { broken = true; }).on("exit", () => { cells = worker = null; });
  watchedGc = gc;
}

let watchedGc = null;

// Called once a second; gives what is to be called at each beat, if anything.
function stillNeeded(state) {
  if (!cells && env.MONIT_PROBE_BLOCKS === "1") begin(state);
  if (cells && watchedGc) cells[GC] = 1000 * (watchedGc.minor[1] + watchedGc.major[1]);
  if (cells && clock() - before > KEEP_MS && env.MONIT_PROBE_BLOCKS !== "1") {
    worker.terminate();
    cells = worker = null;
  }
  return cells && beat;
}

module.exports = { happened, stillNeeded };
