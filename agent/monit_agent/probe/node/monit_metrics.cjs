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
// Nothing of it throws: what is wrong is counted as a fault, which `monit describe` shows. A text
// as the value of a gauge is shown as it is. `agg` of a gauge says how the values of the processes
// of one instance combine: avg sum max min. The result of an action, or of its promise, is shown as
// JSON.

const METRICS = 100;
const ACTIONS = 50;
const WAITING = 64; // answers that may wait to be sent
const VALUE = 30000; // characters of one answer, and of all in one report
const NAME = 80;
const TEXT = 200;
const LARGEST = 1e300;
const SLOW_MS = 5; // a gauge's function that takes longer is called every tenth time only
const AGGREGATES = ["avg", "sum", "max", "min"];
const PER_MS = { s: 1e-3, ms: 1, us: 1e3, "\u00b5s": 1e3, ns: 1e6 };

const BUCKETS = 6000; // in one report, of all histograms: what is more has its turn in the next
const { bucketOf, pack } = require("./monit_buckets.cjs");

const clock = globalThis.performance.now.bind(globalThis.performance);

module.exports = (fail) => {
  const metrics = new Map();
  const actions = new Map();
  const answers = [];
  let sending = 0; // how many of the answers are in the present report
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

  function report() {
    const offered = new Map([...builtIn(), ...pm2.actions(), ...actions]);
    const reported = new Map();
    const histograms = [...metrics.values()].filter((each) => each instanceof Histogram);
    const most = Math.max(50, Math.floor(BUCKETS / Math.max(1, histograms.length)));
    for (const [name, metric] of metrics) reported.set(name, metric.report(most));
    for (const source of [pm2.metrics(), prometheus()]) {
      for (const [name, each] of source) {
        if (reported.size < METRICS && !reported.has(name)) reported.set(name, each);
      }
    }
    sending = 0;
    for (let size = 0; sending < answers.length; sending += 1) {
      size += answers[sending].value.length;
      if (sending && size > VALUE) break;
    }
    return {
      metrics: Object.fromEntries(reported),
      actions: [...offered].slice(0, ACTIONS).map(([name, { help }]) => ({ name, help })),
      answers: answers.slice(0, sending),
    };
  }

  // `line` is a request of the agent; `probe.report` is called when there is an answer
  function start(line, probe) {
    const { request, id, name, args } = JSON.parse(line);
    if (!Array.isArray(args)) return;
    const done = (ok, value) => {
      answer(id, ok, value);
      probe.report();
    };
    if (request === "profile") require("./monit_profile.cjs")(args, String(id).replace(/\.[^.]*$/, ""), probe.forgive, done);
    if (request !== "action") return;
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
    start,
    report,
    sent() {
      answers.splice(0, sending);
      for (const metric of metrics.values()) if (metric instanceof Histogram) metric.sent();
      prometheus.sent();
    },
    pm2: (message) => pm2.receive(message),
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
  const started = clock();
  globalThis.gc();
  return { ms: Math.round(10 * (clock() - started)) / 10 };
}

// ------------------------------------------------------------ the kinds

class Metric {
  constructor(fail, name, { unit }) {
    this.name = name;
    this.unit = String(unit || "").slice(0, TEXT);
    Object.defineProperty(this, "fail", { value: fail });
  }

  // returns `value` as a number that JSON can express; null, and counts a fault, if it is not one
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

  report() {
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

  call() {
    this.rest -= 1;
    if (this.rest > 0) return;
    const started = clock();
    try {
      this.value = this.shown(this.read());
    } catch (error) {
      this.value = null;
      this.fail(error);
    }
    this.rest = clock() - started > SLOW_MS ? 10 : 0;
  }

  report() {
    if (this.read) this.call();
    const { value, unit, agg } = this;
    return typeof value === "string" ? { kind: "text", value: null, text: value, unit }
                                     : { kind: "gauge", value, unit, agg };
  }
}

class Histogram extends Metric {
  constructor(...given) {
    super(...given);
    this.counts = new Map(); // by bucket, of what no report had yet
    this.reported = []; // buckets of the present report
    this.last = 0; // the last one of the report before, where not all had room
    this.count = 0;
    this.sum = 0;
  }

  observe(value) {
    const number = this.number(value);
    if (number === null) return;
    const bucket = bucketOf(number);
    this.counts.set(bucket, (this.counts.get(bucket) || 0) + 1);
    this.count += 1;
    this.sum += number;
  }

  // returns a function that observes how long ago this was, in the unit (ms if there is none)
  time() {
    this.unit = this.unit || "ms";
    const started = clock();
    return () => this.observe((clock() - started) * (PER_MS[this.unit] || 1));
  }

  report(most) {
    this.reported = [...this.counts.keys()];
    if (this.reported.length > most) {
      const ordered = this.reported.sort((a, b) => a - b);
      const next = ordered.filter((bucket) => bucket > this.last);
      this.reported = [...next, ...ordered].slice(0, most);
      this.last = this.reported[most - 1];
    }
    const buckets = pack(new Map(this.reported.map((bucket) => [bucket, this.counts.get(bucket)])));
    const { unit, count, sum } = this;
    return { kind: "histogram", value: null, unit, count, sum, buckets };
  }

  sent() {
    for (const bucket of this.reported) this.counts.delete(bucket);
    this.reported = [];
  }
}
