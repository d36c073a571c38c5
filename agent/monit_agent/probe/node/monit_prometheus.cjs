"use strict";
// Reads what a program counts with prom-client, without calling any of its code.
//
// Only its default registry: counters, gauges and histograms, label sets of one family added up.
// Left out: what prom-client measures of the process itself, metrics whose value comes from the
// program's `collect`, large families.

const { bucketOf, pack } = require("./monit_buckets.cjs");

const VALUES = 50;
const CHILDREN = 100;
const NAME = 80;
const SEARCHES = 60; // the program must have loaded it when so many reports were made
const MEASURED_BY_MONIT = /^(process_|nodejs_)/;
const FILE = /[\\/]prom-client[\\/]index\.js$/;

let searches = 0;
let modules = 0;
let registry = null;
const received = new Map(); // the counts of each histogram by bucket that the agent knows
const reported = new Map();

// Tells whether the program has prom-client; cheap, because it is called once a second.
function found() {
  if (registry || searches >= SEARCHES) return registry !== null;
  searches += 1;
  const files = Object.keys(require.cache);
  if (files.length === modules) return false;
  modules = files.length;
  const file = files.find((each) => FILE.test(each));
  const client = file && require.cache[file];
  if (client && client.loaded && client.exports.register) registry = client.exports.register;
  else if (client) modules = 0; // it is being loaded
  return registry !== null;
}

function read() {
  const metrics = [];
  if (!found()) return metrics;
  for (const family of registry.getMetricsAsArray()) {
    const { name, collect } = family;
    if (metrics.length >= VALUES) break;
    if (typeof name !== "string" || name.length > NAME || MEASURED_BY_MONIT.test(name) || collect) continue;
    const metric = readFamily(family);
    if (metric) metrics.push([name, metric]);
  }
  return metrics;
}

function readFamily(family) {
  const kind = family.type || String(family.constructor.name).toLowerCase();
  const { hashMap } = family;
  const sets = hashMap instanceof Map ? [...hashMap.values()] : Object.values(hashMap || {});
  if (!sets.length || sets.length > CHILDREN) return null;
  if (kind === "histogram") return readHistogram(family.name, sets);
  if (kind !== "counter" && kind !== "gauge") return null;
  const value = sum(sets.map((each) => each.value));
  const agg = { avg: "avg", average: "avg", min: "min", max: "max" }[family.aggregator] || "sum";
  return kind === "counter" ? { kind, value, unit: "" } : { kind, value, unit: "", agg };
}

// The values in one of its buckets count as its upper bound, those above all bounds as a bit more.
function readHistogram(name, sets) {
  const counts = new Map();
  let count = 0;
  for (const each of sets) {
    let most = 0;
    let rest = each.count;
    for (const [bound, n] of Object.entries(each.bucketValues)) {
      most = Math.max(most, bucketOf(Number(bound)));
      rest -= n;
      if (n) counts.set(bucketOf(Number(bound)), (counts.get(bucketOf(Number(bound))) || 0) + n);
    }
    if (rest > 0) counts.set(most + 1, (counts.get(most + 1) || 0) + rest);
    count += each.count;
  }
  const before = received.get(name) || new Map();
  reported.set(name, counts);
  const gains = [...counts].map(([bucket, n]) => [bucket, n - (before.get(bucket) || 0)]);
  const buckets = pack(new Map(gains.filter(([, gain]) => gain > 0)));
  return { kind: "histogram", value: null, unit: "", count, sum: sum(sets.map((e) => e.sum)) || 0, buckets };
}

function sum(values) {
  const total = values.reduce((all, each) => all + each, 0);
  return Number.isFinite(total) ? total : null;
}

module.exports = () => {
  try {
    return read();
  } catch {
    return []; // a version of prom-client that stores its numbers elsewhere
  }
};
module.exports.found = found;
module.exports.sent = () => reported.forEach((counts, name) => received.set(name, counts));
