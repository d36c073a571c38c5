"use strict";
// Names the function that holds up a Node program's event loop, from a second thread.
//
// A worker thread that monit_probe.cjs starts in programs whose loop was held up, and ends when
// that does not happen any more: it costs 8 MB and 0.5 % of a core. It looks at the beat of the main
// thread; when that does not come it lets V8 stop the main thread for the 10 ms that it takes to
// say where it is, and tells the agent itself, because the main thread cannot.

const { workerData } = require("worker_threads");
const { Session, url } = require("inspector");
const fs = require("fs");
const net = require("net");
const { Budget } = require("./monit_budget.cjs");

const LOOK_MS = 30;
const SUSPECT_MS = 60; // a block is looked at before it is one: at 100 ms it may be over
const GOING_ON_MS = 1000;
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

const places = new Map(); // what is to be told, by kind and stack
let lost = 0;
let known = cells[BLOCKS];
let block = null; // the one under way: when the last beat was, and the stacks seen in it
let ended = null; // the last one, whose garbage collections are being counted still
let session = null;
const budget = new Budget();
let toldAt = 0;

function look() {
  const at = now();
  if (ended) settle();
  if (block && block.beat !== cells[BEAT]) {
    ended = cells[BLOCKS] !== known ? { ...block, late: cells[LATE] } : null;
    block = null;
  }
  known = cells[BLOCKS];
  const age = at - cells[BEAT] - cells[PERIOD];
  if (age > SUSPECT_MS && !block) {
    block = { beat: cells[BEAT], gc: cells[GC], waited: waited(), stacks: [], due: SUSPECT_MS };
  }
  if (block && !session && age > block.due && budget.worth(age, at)) {
    if (block.stacks.length || budget.begins(at)) capture(block, age);
  }
  if (at - toldAt > REPORT_MS && (places.size || (block && age > GOING_ON_MS))) tell(at, age);
}

// Milliseconds that the main thread was ready to run and had no CPU; 0 where that is not told.
function waited() {
  try {
    const said = fs.readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1");
    return Number(said.split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

// ------------------------------------------------------------ the stack of the main thread

function capture(of, age) {
  if (url()) return; // somebody debugs this program: it is theirs to stop
  of.due = 2 * age;
  const files = new Map();
  let begun = null;
  session = new Session();
  session.connectToMainThread();
  session.on("Debugger.scriptParsed", ({ params }) => {
    begun = begun || now();
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
    budget.spent(at - (begun || at), at);
    const stack = params.callFrames.map((frame) => framed(frame, files));
    if (!late && blames(stack)) of.stacks.push(stack.slice(0, FRAMES));
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

// The look came too late when it shows what runs after a block: our beat, or Node's own loop.
function blames(stack) {
  return !stack.every(isNodes) && !stack.some(([file]) => file.startsWith(ours));
}

// ------------------------------------------------------------ what is told

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

// One callback that holds the loop is on top of Node's frames in each look; many are not the same.
function kindOf(stacks) {
  const callback = (stack) => {
    const [file, , name] = stack.filter((frame) => !isNodes(frame)).pop();
    return `${file} ${name}`;
  };
  return stacks.every((stack) => callback(stack) === callback(stacks[0])) ? "culprit" : "saturated";
}

function tell(at, age) {
  toldAt = at;
  const blocked = [...places.values()];
  if (block && age > GOING_ON_MS && block.stacks.length) {
    const kind = kindOf(block.stacks);
    const begun = (Date.now() - age) / 1000;
    blocked.push({ kind, stack: block.stacks[0], count: 0, total: 0, max: age / 1000, at: begun });
  }
  if (!blocked.length) return;
  const report = { v: 1, rt: "node", ...who, seq: 0, mono: at / 1000, blocked, lost };
  const told = new Map(places);
  places.clear();
  const stream = net.connect({ path }, () => stream.end(`${JSON.stringify(report)}\n`));
  stream.on("error", () => {
    for (const [key, place] of told) if (!places.has(key)) places.set(key, place);
  });
}

process.removeAllListeners("warning"); // that would print
setInterval(() => {
  try {
    look();
  } catch {
    session = null; // no inspector in this Node, or no descriptors: the next look may do better
  }
}, LOOK_MS);
