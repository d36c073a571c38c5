"use strict";
// Finds the function that blocks a Node program's event loop, from a second thread.
//
// monit_blocks.cjs starts this worker thread in programs whose loop was blocked, and ends it when
// that happens no more: it costs 8 MB and 0.5 % of a core. It watches the beat of the main thread.
// When the beat does not come, V8 stops the main thread for the 10 ms that it takes to read its
// stack. This thread reports to the agent itself, because the main thread cannot.

const { workerData } = require("worker_threads");
const { Session, url } = require("inspector");
const fs = require("fs");
const net = require("net");
const { Budget } = require("./monit_finder_budget.cjs");

const CHECK_MS = 30;
const SUSPECT_MS = 60; // the stack is read before it counts as a block: at 100 ms it may be over
const LASTS_MS = 1000; // from when on a block is reported before its end
const REPORT_MS = 1000;
const FRAMES = 30;
const TEXT = 200;
const PLACES = 64;

const { path, process: who, ours } = workerData;
const cells = new Float64Array(workerData.cells);
const [BEAT, PERIOD, LATE, BLOCKS, GC] = [0, 1, 2, 3, 4];

const now = () => {
  const [seconds, ns] = process.hrtime();
  return seconds * 1000 + ns / 1e6;
};

const places = new Map(); // what must be reported, by kind and stack
let lost = 0;
let blocksBefore = cells[BLOCKS];
let block = null; // the present one: when the last beat was, and the stacks seen in it
let ended = null; // the last one, whose garbage collections are still being counted
let session = null;
const budget = new Budget();
let reportedAt = 0;

function check() {
  const at = now();
  if (ended) settle();
  if (block && block.beat !== cells[BEAT]) {
    ended = cells[BLOCKS] !== blocksBefore ? { ...block, late: cells[LATE] } : null;
    block = null;
  }
  blocksBefore = cells[BLOCKS];
  const age = at - cells[BEAT] - cells[PERIOD];
  if (age > SUSPECT_MS && !block) {
    block = { beat: cells[BEAT], gc: cells[GC], waited: waited(), stacks: [], due: SUSPECT_MS };
  }
  if (block && !session && age > block.due && budget.allowsIn(age, at)) {
    if (block.stacks.length || budget.allowsFirst(at)) capture(block, age);
  }
  if (at - reportedAt > REPORT_MS && (places.size || (block && age > LASTS_MS))) report(at, age);
}

// Milliseconds that the main thread was ready to run and had no CPU; 0 where that is unknown.
function waited() {
  try {
    const figures = fs.readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1");
    return Number(figures.split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

// ------------------------------------------------------------ the stack of the main thread

function capture(of, age) {
  if (url()) return; // somebody debugs this program
  of.due = 2 * age;
  const files = new Map();
  let started = null;
  session = new Session();
  session.connectToMainThread();
  session.on("Debugger.scriptParsed", ({ params }) => {
    started = started || now();
    files.set(params.scriptId, params.url);
  });
  session.on("Debugger.paused", ({ params }) => {
    if (!session) return;
    const late = of !== block || of.beat !== cells[BEAT];
    session.post("Debugger.resume");
    session.post("Debugger.disable");
    session.disconnect();
    session = null;
    const at = now();
    budget.spend(at - (started || at), at);
    const stack = params.callFrames.map((frame) => framed(frame, files));
    if (!late && isBlock(stack)) of.stacks.push(stack.slice(0, FRAMES));
  });
  session.post("Debugger.enable");
  session.post("Debugger.pause");
}

function framed({ functionName, location }, files) {
  let file = files.get(location.scriptId) || "<anonymous>";
  if (file.startsWith("file://")) file = decodeURIComponent(new URL(file).pathname);
  return [file.slice(-TEXT), location.lineNumber + 1, (functionName || "(anonymous)").slice(0, TEXT)];
}

const isNodes = ([file]) => file.startsWith("node:");

// False if the reading came too late and shows what runs after a block: our beat, or Node's loop.
function isBlock(stack) {
  return !stack.every(isNodes) && !stack.some(([file]) => file.startsWith(ours));
}

// ------------------------------------------------------------ reports

function settle() {
  const { stacks, late, gc } = ended;
  const starved = waited() - ended.waited > late / 2;
  ended = null;
  if (!stacks.length || starved) return;
  const kind = cells[GC] - gc > late / 2 ? "gc" : kindOf(stacks);
  const key = JSON.stringify([kind, stacks[0]]);
  if (!places.has(key) && places.size >= PLACES) {
    lost += 1;
    return;
  }
  const place = places.get(key) || { kind, stack: stacks[0], count: 0, total: 0, max: 0, at: 0 };
  place.count += 1;
  place.total += late / 1000;
  place.max = Math.max(place.max, late / 1000);
  place.at = Date.now() / 1000;
  places.set(key, place);
}

// One callback that blocks the loop is above Node's frames in each reading; many are not the same.
function kindOf(stacks) {
  const callback = (stack) => {
    const [file, , name] = stack.filter((frame) => !isNodes(frame)).pop();
    return `${file} ${name}`;
  };
  return stacks.every((stack) => callback(stack) === callback(stacks[0])) ? "callback" : "saturated";
}

function report(at, age) {
  reportedAt = at;
  const blocked = [...places.values()];
  if (block && age > LASTS_MS && block.stacks.length) {
    const kind = kindOf(block.stacks);
    const since = (Date.now() - age) / 1000;
    blocked.push({ kind, stack: block.stacks[0], count: 0, total: 0, max: age / 1000, at: since });
  }
  if (!blocked.length) return;
  const message = { v: 2, rt: "node", ...who, seq: 0, mono: at / 1000, blocked, lost };
  const sent = new Map(places);
  places.clear();
  const stream = net.connect({ path }, () => stream.end(`${JSON.stringify(message)}\n`));
  stream.on("error", () => {
    for (const [key, place] of sent) if (!places.has(key)) places.set(key, place);
  });
}

process.removeAllListeners("warning"); // that would print
setInterval(() => {
  try {
    check();
  } catch {
    session = null; // no inspector in this Node, or no descriptors: the next check may succeed
  }
}, CHECK_MS);
