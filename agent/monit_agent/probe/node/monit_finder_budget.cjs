"use strict";
// When monit_block_finder.cjs may stop the main thread to read its stack, given what that costs.
//
// One reading that took long, as the first one does and any on a busy machine, must not be the
// last: its cost counts less and less with time.

const SHARE = 100; // at most 1/100 of the time is spent in reading, if one takes 100 ms at most:
const MOST_MS = 10000; // the next one is never further away than this
const STRETCH = 5; // a block is made longer by at most 1/5 of what it has lasted already
const HALF_LIFE_MS = 2000; // of a cost, in deciding that

class Budget {
  constructor() {
    this.cost = 0; // of the last reading, ms
    this.at = 0; // when that was, ms
  }

  // Note what a reading has cost.
  spend(cost, at) {
    this.cost = cost;
    this.at = at;
  }

  // Whether the first reading in a block may be made, at a time in ms.
  allowsFirst(at) {
    return at > this.at + Math.min(MOST_MS, SHARE * this.cost);
  }

  // Whether a block has lasted long enough, in ms, for what a reading is likely to cost.
  allowsIn(age, at) {
    return age > STRETCH * this.cost * 2 ** ((this.at - at) / HALF_LIFE_MS);
  }
}

module.exports = { Budget };
