"use strict";
// What a program counts by prom-client, read without calling anything of it.
//
// Only its default registry, where the numbers lie: counters, gauges and histograms, label sets of
// one family added up. Left out: what prom-client tells of the process itself, metrics whose value
// comes from the program's `collect`, large families.

const VALUES = 50;
const CHILDREN = 100;
const NAME = 80;
const LOOKS = 60; // for how many reports a program may take to load it
const OURS_TOO = /^(process_|nodejs_)/;
const FILE = /[\\/]prom-client[\\/]index\.js$/;

let looked = 0;
let modules = 0;
let registry = null;

// Tells whether the program has prom-client; cheap, because it is asked once a second.
function found() {
  if (registry || looked >= LOOKS) return registry !== null;
  looked += 1;
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
  const told = [];
  if (!found()) return told;
  for (const family of registry.getMetricsAsArray()) {
    const { name, collect } = family;
    if (told.length >= VALUES) break;
    if (typeof name !== "string" || name.length > NAME || OURS_TOO.test(name) || collect) continue;
    const words = wordsOf(family);
    if (words) told.push([name, words]);
  }
  return told;
}

function wordsOf(family) {
  const kind = family.type || String(family.constructor.name).toLowerCase();
  const { hashMap } = family;
  const sets = hashMap instanceof Map ? [...hashMap.values()] : Object.values(hashMap || {});
  if (!sets.length || sets.length > CHILDREN) return null;
  if (kind === "histogram") return spread(sets);
  if (kind !== "counter" && kind !== "gauge") return null;
  const value = sum(sets.map((each) => each.value));
  const agg = { avg: "avg", average: "avg", min: "min", max: "max" }[family.aggregator] || "sum";
  return kind === "counter" ? { kind, value, unit: "" } : { kind, value, unit: "", agg };
}

// The values of one of its buckets count as its upper bound, those above all as a bit more.
function spread(sets) {
  const counts = new Map();
  let count = 0;
  for (const each of sets) {
    let most = -128;
    let rest = each.count;
    for (const [bound, n] of Object.entries(each.bucketValues)) {
      most = Math.max(most, bucketOf(Number(bound)));
      rest -= n;
      if (n) counts.set(bucketOf(Number(bound)), (counts.get(bucketOf(Number(bound))) || 0) + n);
    }
    if (rest > 0) counts.set(Math.min(120, most + 1), (counts.get(Math.min(120, most + 1)) || 0) + rest);
    count += each.count;
  }
  const buckets = [...counts].sort(([a], [b]) => a - b);
  return { kind: "histogram", value: null, unit: "", count, sum: sum(sets.map((e) => e.sum)) || 0, buckets };
}

function bucketOf(bound) {
  return bound > 0 ? Math.max(-120, Math.min(120, Math.ceil(4 * Math.log2(bound)))) : -128;
}

function sum(values) {
  const total = values.reduce((all, each) => all + each, 0);
  return Number.isFinite(total) ? total : null;
}

module.exports = () => {
  try {
    return read();
  } catch {
    return []; // another prom-client than those that this was written for
  }
};
module.exports.found = found;
