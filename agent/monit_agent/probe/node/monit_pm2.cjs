"use strict";
// Reads what a program sends to pm2 with @pm2/io (formerly pmx), as pm2 does.
//
// The messages: `axm:monitor` has all metrics, once a second; `axm:action` offers an action, which
// is called by a message with its name; `axm:reply` has the action's result. Left out is what
// @pm2/io measures by itself (ids "internal/..."): monit measures it more exactly.

const ACTIONS = 50;
const METRICS = 100;
const NAME = 80;
const TEXT = 200;
const PENDING = 50; // actions that were called and have not answered
const AGGREGATES = ["avg", "sum", "max", "min"];
const NUMBER_AND_UNIT = /^\s*([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*([a-z%\u00b5\u03bc/$\u20ac][^\d]{0,15})?\s*$/i;
const OWN_NAMES = new Set(["Active handles", "Active requests"]); // ids were not always there
const IO = Symbol.for("@pm2/io");

module.exports = () => {
  let metrics = new Map();
  const actions = new Map();
  const pending = []; // [name, done]

  const handlers = {
    "axm:monitor": (data) => {
      const known = kinds();
      const own = Object.entries(data).filter(([name, each]) => isAppMetric(name, each));
      metrics = new Map(
        own.slice(0, METRICS).map(([name, each]) => [name, metric(each, known.get(name))])
      );
    },
    "axm:action": ({ action_name: name, action_type: type, opts }) => {
      if (typeof name !== "string" || !name || name.length > NAME || actions.size >= ACTIONS) return;
      if (type === "internal" || type === "scoped" || /^(km|internal):/.test(name)) return;
      actions.set(name, { help: String((opts && opts.comment) || "").slice(0, TEXT) });
    },
    "axm:reply": ({ action_name: name, return: value }) => {
      const at = pending.findIndex(([called]) => called === name);
      if (at >= 0) pending.splice(at, 1)[0][1](true, value);
    },
  };

  function trigger(name, args, done) {
    if (pending.length >= PENDING) pending.shift()[1](false, "it has not answered");
    const call = [name, done];
    pending.push(call);
    try {
      const opts = args.length > 1 ? args : args[0];
      process.emit("message", args.length ? { msg: name, opts } : name, undefined);
    } catch (error) {
      const at = pending.indexOf(call);
      if (at >= 0) pending.splice(at, 1);
      done(false, String(error));
    }
  }

  return {
    receive({ type, data }) {
      if (handlers[type] && data && typeof data === "object") handlers[type](data);
    },
    metrics: () => metrics,
    actions: () => actions,
    offers: (name) => actions.has(name),
    trigger,
  };
};

function isAppMetric(name, each) {
  if (!name || name.length > NAME || !each || typeof each !== "object") return false;
  return !String(each.type || "").startsWith("internal/") && !OWN_NAMES.has(name);
}

// What @pm2/io knows of a metric and does not send. Its counters go up and down, so they are gauges
// here; but they are added up over several processes, instead of averaged.
function kinds() {
  const service = globalThis[IO] && globalThis[IO].metricService;
  const known = service && service.metrics instanceof Map ? [...service.metrics] : [];
  return new Map(known.map(([name, each]) => [name, each && each.type]));
}

function metric({ value, unit, agg_type: given }, kind) {
  const summed = kind === "counter" || kind === "meter" ? "sum" : "avg";
  const agg = AGGREGATES.includes(given) ? given : summed;
  const own = typeof unit === "string" ? unit.slice(0, TEXT) : "";
  if (typeof value === "number" && Number.isFinite(value)) {
    return { kind: "gauge", value, unit: own, agg };
  }
  const [, number, unitInText] = NUMBER_AND_UNIT.exec(value) || [];
  if (typeof value === "string" && number !== undefined) {
    return { kind: "gauge", value: Number(number), unit: own || (unitInText || "").trim(), agg };
  }
  return { kind: "text", value: null, text: String(value).slice(0, TEXT), unit: own };
}
