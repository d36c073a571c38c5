"use strict";
// What the HTTP servers of a program do: requests, errors, requests in flight, how long they took.
//
// Loaded by monit_probe.cjs at the first request. HTTP/1 and HTTPS tell of themselves over Node's
// diagnostics channels: nothing is patched. HTTP/2 does not, and is not counted. A request is over
// when its answer was handed to the kernel or its connection is gone; it is an error when the
// answer's status is 500 or above.

const { performance } = globalThis;
const clock = performance.now.bind(performance);

const BUCKETS = 40; // 0 is below 0.1 ms; i >= 1 ends at 0.1 ms x 2 ** (i / 2); the last is open
const OPEN = Symbol("monit.open");
const NONE = -1;

const counts = new Array(BUCKETS).fill(0);
let requests = 0;
let errors = 0;
let inFlight = 0;
let longest = 0;

function over(since, status) {
  const took = clock() - since;
  const bucket = took < 0.1 ? 0 : Math.min(BUCKETS - 1, Math.floor(2 * Math.log2(took * 10)) + 1);
  counts[bucket] += 1;
  requests += 1;
  inFlight -= 1;
  if (status >= 500) errors += 1;
  if (took > longest) longest = took;
}

// Of a connection: when its request came, and those of requests that did not wait for the answer
// (pipelining). Answers leave in the order of the requests.
function adopt(socket) {
  const open = { since: NONE, later: [] };
  Object.defineProperty(socket, OPEN, { value: open });
  socket.on("close", gone);
  return open;
}

function gone() {
  const open = this[OPEN];
  while (open.since !== NONE) next(open, 0);
}

function next(open, status) {
  const since = open.since;
  if (since === NONE) return;
  open.since = open.later.length ? open.later.shift() : NONE;
  over(since, status);
}

function began({ socket }) {
  const open = socket[OPEN] || adopt(socket);
  if (open.since === NONE) open.since = clock();
  else open.later.push(clock());
  inFlight += 1;
}

function finished({ response, socket }) {
  const open = socket && socket[OPEN];
  if (open) next(open, response.statusCode);
}

function words() {
  const hist = [];
  counts.forEach((count, bucket) => count && hist.push([bucket, count]));
  return { requests, errors, now: inFlight, hist, max: longest / 1000 };
}

function sent() {
  longest = 0;
}

module.exports = { began, finished, words, sent };
