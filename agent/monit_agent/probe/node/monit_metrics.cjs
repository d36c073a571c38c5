"use strict";
// A program's own metrics and actions, for monit to show and to trigger.
//
//     const monit = globalThis[Symbol.for("monit")]; // undefined where there is no monit
//
//     const orders = monit?.counter("orders");                   // orders?.inc()
//     const queue = monit?.gauge("queue", () => waiting.length); // or queue?.set(12)
//     const baking = monit?.histogram("baking", { unit: "ms" }); // baking?.observe(3.2)
//     monit?.action("clear", (...words) => cache.clear(), { help: "Empty the cache." });
//
// Nothing of it throws: what cannot be is counted as a fault, which `monit describe` shows. A text
// as the value of a gauge is shown as it is. `agg` of a gauge says how the processes of one instance
// combine: avg sum max min. What an action returns, or what its promise comes to, is shown as JSON.

const METRICS = 100;
const ACTIONS = 50;
const WAITING = 64; // answers that may wait to be sent
const VALUE = 30000; // characters of one answer, and of all in one report
const NAME = 80;
const TEXT = 200;
const LARGEST = 1e300;
const SLOW_MS = 5; // a gauge's function that takes longer is asked every tenth time only
const AGGREGATES = ["avg", "sum", "max", "min"];
const PER_MS = { s: 1e-3, ms: 1, us: 1e3, "\u00b5s": 1e3, ns: 1e6 };

const clock = globalThis.performance.now.bind(globalThis.performance);

module.exports = (fail) => {
  const metrics = new Map();
  const actions = new Map();
  const answers = [];
  let sending = 0; // of the answers, those in the report under way
  const pm2 = require("./monit_pm2.cjs")();
  const prometheus = require("./monit_prometheus.cjs");

  const builtIn = () =>
    typeof globalThis.gc === "function" ? [["gc", { help: "Collect garbage.", run: collect }]] : [];

  function define(Kind, name, options) {
    const given = options && typeof options === "object" ? options : {};
    const made = new Kind(fail, String(name), given);
    const found = metrics.get(made.name);
    if (found instanceof Kind) return found;
    const wrong = problem(made.name, metrics, METRICS);
    if (wrong) fail(new TypeError(`metric ${made.name.slice(0, NAME)}: ${wrong}`));
    else metrics.set(made.name, made);
    return made;
  }

  const api = Object.freeze({
    counter: (name, options) => define(Counter, name, options),
    histogram: (name, options) => define(Histogram, name, options),
    gauge(name, value, options) {
      const gauge = define(Gauge, name, options);
      if (value !== undefined) gauge.set(value);
      return gauge;
    },
    action(name, run, options) {
      const wrong = typeof run === "function" ? problem(String(name), actions, ACTIONS) : "no function";
      const help = String((options && options.help) || "").slice(0, TEXT);
      if (wrong && !(actions.has(name) && typeof run === "function")) fail(new TypeError(`action: ${wrong}`));
      else actions.set(String(name), { help, run });
    },
  });

  function answer(id, ok, value) {
    if (answers.length >= WAITING) fail(new Error("answers were lost: too many wait to be sent"));
    else answers.push({ id, ok, value: ok ? json(value) : String(value).slice(0, VALUE) });
  }

  function words() {
    const offered = new Map([...builtIn(), ...pm2.actions(), ...actions]);
    const told = new Map();
    for (const [name, metric] of metrics) told.set(name, metric.words());
    for (const source of [pm2.metrics(), prometheus()]) {
      for (const [name, each] of source) {
        if (told.size < METRICS && !told.has(name)) told.set(name, each);
      }
    }
    sending = 0;
    for (let size = 0; sending < answers.length; sending += 1) {
      size += answers[sending].value.length;
      if (sending && size > VALUE) break;
    }
    return {
      metrics: Object.fromEntries(told),
      actions: [...offered].slice(0, ACTIONS).map(([name, { help }]) => ({ name, help })),
      answers: answers.slice(0, sending),
    };
  }

  // `line` is what the agent asks; `report` is called when there is an answer
  function asked(line, report) {
    const { ask, id, name, args } = JSON.parse(line);
    if (ask !== "action" || !Array.isArray(args)) return;
    const done = (ok, value) => {
      answer(id, ok, value);
      report();
    };
    const own = actions.get(name) || new Map(builtIn()).get(name);
    if (own) {
      const running = (async () => own.run(...args))();
      running.then((value) => done(true, value), (error) => done(false, errorText(error)));
    } else if (pm2.offers(name)) {
      pm2.trigger(name, args, done);
    } else {
      done(false, `this process has no action called ${name}`);
    }
  }

  return {
    api,
    asked,
    words,
    sent: () => answers.splice(0, sending),
    pm2: (message) => pm2.heard(message),
  };
};

function problem(name, known, most) {
  if (!name || name.length > NAME) return `a name has 1 to ${NAME} characters`;
  if (known.has(name)) return "another kind of that name is there already";
  return known.size < most ? "" : `there are ${most} already`;
}

function errorText(error) {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function json(value) {
  let text;
  try {
    text = JSON.stringify(value === undefined ? null : value) || "null";
  } catch (error) {
    text = JSON.stringify(String(error));
  }
  return text.length <= VALUE ? text : JSON.stringify(`${text.slice(0, VALUE / 2)} ... (cut)`);
}

function collect() {
  const begun = clock();
  globalThis.gc();
  return { ms: Math.round(10 * (clock() - begun)) / 10 };
}

// ------------------------------------------------------------ the kinds

class Metric {
  constructor(fail, name, { unit }) {
    this.name = name;
    this.unit = String(unit || "").slice(0, TEXT);
    Object.defineProperty(this, "fail", { value: fail });
  }

  // gives `value` as a number that can be told; null, and counts a fault, if it is none
  number(value, least = -LARGEST) {
    const number = typeof value === "bigint" ? Number(value) : value;
    if (typeof number === "number" && number >= least && number < LARGEST) return number;
    this.fail(new TypeError(`metric ${this.name}: ${typeof value} cannot be counted`));
    return null;
  }
}

class Counter extends Metric {
  constructor(...given) {
    super(...given);
    this.value = 0;
  }

  inc(n = 1) {
    this.value += this.number(n, 0) || 0;
  }

  words() {
    return { kind: "counter", value: this.value, unit: this.unit };
  }
}

class Gauge extends Metric {
  constructor(fail, name, options) {
    super(fail, name, options);
    this.agg = AGGREGATES.includes(options.agg) ? options.agg : "avg";
    this.value = null;
    this.read = null;
    this.rest = 0;
  }

  set(value) {
    this.read = typeof value === "function" ? value : null;
    this.value = this.read ? null : this.shown(value);
  }

  inc(n = 1) {
    this.value = (Number(this.value) || 0) + (this.number(n) || 0);
  }

  dec(n = 1) {
    this.inc(-n);
  }

  shown(value) {
    if (value === null || value === undefined) return null;
    return typeof value === "string" ? value.slice(0, TEXT) : this.number(value);
  }

  ask() {
    this.rest -= 1;
    if (this.rest > 0) return;
    const begun = clock();
    try {
      this.value = this.shown(this.read());
    } catch (error) {
      this.value = null;
      this.fail(error);
    }
    this.rest = clock() - begun > SLOW_MS ? 10 : 0;
  }

  words() {
    if (this.read) this.ask();
    const { value, unit, agg } = this;
    return typeof value === "string" ? { kind: "text", value: null, text: value, unit }
                                     : { kind: "gauge", value, unit, agg };
  }
}

class Histogram extends Metric {
  constructor(...given) {
    super(...given);
    this.counts = new Map();
    this.sum = 0;
  }

  observe(value) {
    const number = this.number(value);
    if (number === null) return;
    const bucket =
      number > 0 ? Math.max(-120, Math.min(120, Math.floor(4 * Math.log2(number)) + 1)) : -128;
    this.counts.set(bucket, (this.counts.get(bucket) || 0) + 1);
    this.sum += number;
  }

  // gives a function that observes how long ago this was, in the unit (ms where there is none)
  time() {
    this.unit = this.unit || "ms";
    const begun = clock();
    return () => this.observe((clock() - begun) * (PER_MS[this.unit] || 1));
  }

  words() {
    const buckets = [...this.counts].sort(([a], [b]) => a - b);
    const count = buckets.reduce((all, [, n]) => all + n, 0);
    return { kind: "histogram", value: null, unit: this.unit, count, sum: this.sum, buckets };
  }
}
