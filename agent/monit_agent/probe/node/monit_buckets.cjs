"use strict";
// Histograms with logarithmic buckets: 32 for each power of two, so a bucket is at most 3.1 % wide.
//
// A value m * 2 ** e with 1/2 <= m < 1 is in bucket 32 e + floor(64 m) + 2048. Those are bits of the
// number as it is stored: no logarithm is computed and nothing is rounded. 0 is what is nearly zero,
// and values below zero have the negative number of their opposite. The Python probe has the same.
//
// In a report a histogram is one list, [bucket, number, step, number, step, number ...]: the first
// bucket, and how far the next one that is not empty is from the one before.

const TINY = 2 ** -63; // what is smaller counts as 0
const LAST = 4127; // has everything from nearly 2 ** 63 on

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
double[0] = 1;
const HIGH = words[1] === 0 ? 0 : 1; // which word has sign, exponent and first bits of the fraction

// Returns the bucket of any number.
function bucketOf(value) {
  const size = Math.abs(value);
  if (size < TINY) return 0;
  double[0] = size;
  const bucket = Math.min((words[HIGH] >>> 15) - 30624, LAST);
  return value < 0 ? -bucket : bucket;
}

// Returns a histogram (a Map) as it is in a report. `columns` returns what stands behind a bucket.
function pack(counts, columns = (number) => [number]) {
  const packed = [];
  let before = 0;
  for (const bucket of [...counts.keys()].sort((a, b) => a - b)) {
    packed.push(bucket - before, ...columns(counts.get(bucket)));
    before = bucket;
  }
  return packed;
}

module.exports = { bucketOf, pack };
