"use strict";
// When monit_watch.cjs may stop the main thread to look at its stack, for what that has cost.
//
// One look that took long, as the first one does or any on a busy machine, must not be the last:
// what is remembered of it fades.

const SHARE = 100; // of the time at most 1/100 is spent in looking, while a look takes 100 ms at most:
const MOST_MS = 10000; // no longer than that is the next one waited for
const STRETCH = 5; // a block is not made longer by more than 1/5 of what it lasts already
const HALF_LIFE_MS = 2000; // of what is remembered for that

class Budget {
  constructor() {
    this.cost = 0; // of the last look, ms
    this.at = 0; // when that was, ms
  }

  spent(cost, at) {
    this.cost = cost;
    this.at = at;
  }

  // Whether a first look at a block may be taken, at a time in ms.
  begins(at) {
    return at > this.at + Math.min(MOST_MS, SHARE * this.cost);
  }

  // Whether a block has lasted long enough, ms, for what a look is likely to cost.
  worth(age, at) {
    return age > STRETCH * this.cost * 2 ** ((this.at - at) / HALF_LIFE_MS);
  }
}

module.exports = { Budget };
