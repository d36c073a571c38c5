"use strict";
// HTTP requests of a program's servers: how many, how many failed, how long they took, how many
// are open.
//
// Loaded by monit_probe.cjs at the first request. Node announces requests of HTTP/1 and HTTPS on
// its diagnostics channels: nothing is patched. HTTP/2 is not announced, and not counted. A request
// ends when its answer was handed to the kernel or its connection is closed. It is an error when
// the status of the answer is 500 or above.

const { bucketOf, pack } = require("./monit_buckets.cjs");

const { performance } = globalThis;
const clock = performance.now.bind(performance);

const OPEN = Symbol("monit.open");
const NONE = -1;

const counts = new Map(); // since the last report, by bucket of seconds
let requests = 0;
let errors = 0;
let inFlight = 0;
let longest = 0;

function count(since, status) {
  const took = clock() - since;
  const bucket = bucketOf(took / 1000);
  counts.set(bucket, (counts.get(bucket) || 0) + 1);
  requests += 1;
  inFlight -= 1;
  if (status >= 500) errors += 1;
  if (took > longest) longest = took;
}

// Of a connection: when its request came, and when those came that did not wait for the answer
// (pipelining). Answers are sent in the order of the requests.
function watch(socket) {
  const open = { since: NONE, later: [] };
  Object.defineProperty(socket, OPEN, { value: open });
  socket.on("close", closed);
  return open;
}

function closed() {
  const open = this[OPEN];
  while (open.since !== NONE) endFirst(open, 0);
}

function endFirst(open, status) {
  const since = open.since;
  if (since === NONE) return;
  open.since = open.later.length ? open.later.shift() : NONE;
  count(since, status);
}

function started({ socket }) {
  const open = socket[OPEN] || watch(socket);
  if (open.since === NONE) open.since = clock();
  else open.later.push(clock());
  inFlight += 1;
}

function finished({ response, socket }) {
  const open = socket && socket[OPEN];
  if (open) endFirst(open, response.statusCode);
}

function report() {
  return { requests, errors, now: inFlight, hist: pack(counts), max: longest / 1000 };
}

// Start durations from nothing, as the report was sent.
function sent() {
  longest = 0;
  counts.clear();
}

module.exports = { started, finished, report, sent };
