"use strict";
// Profiles of a Node program, made by V8's own profiler through an inspector session inside the
// process: no port is opened, and a debugger that is attached (--inspect) is not disturbed.
//
// `cpu` samples the main thread each 2 ms, `memory` each 512 kB that is allocated and not freed.
// Starting blocks the loop for some 30 ms, and writing the profile as text for as long if it is large;
// that is not counted as a block of the program.

const fs = require("fs");

const INTERVAL_US = 2000;
const ALLOCATED_BYTES = 512 * 1024;
const SECONDS = 60;

const { setTimeout } = globalThis;
const clock = globalThis.performance.now.bind(globalThis.performance);
const KINDS = {
  cpu: {
    start: [["Profiler.enable"], ["Profiler.setSamplingInterval", { interval: INTERVAL_US }], ["Profiler.start"]],
    stop: "Profiler.stop",
    disable: "Profiler.disable",
  },
  memory: {
    start: [["HeapProfiler.startSampling", { samplingInterval: ALLOCATED_BYTES }]],
    stop: "HeapProfiler.stopSampling",
    disable: "HeapProfiler.disable",
  },
};

let running = null; // the profile that is being made: who requested it, and its session

// `done(ok, value)` is called once; `forgive(ms)` with each time that was taken from the loop. A
// profile that another `agent` requested is given up: that agent is gone, and nobody waits for it.
module.exports = ([kind, seconds, path], agent, forgive, done) => {
  const how = KINDS[kind];
  if (!how) return done(false, `this probe makes no ${kind} profile`);
  if (running && running.agent === agent) return done(false, "a profile of this process is being made already");
  if (running) running.session.disconnect();
  const { Session } = require("inspector");
  const session = new Session();
  const began = clock();
  const post = (method, params) => {
    let result;
    session.post(method, params, (error, value) => {
      if (error) throw new Error(`${method}: ${error.message}`);
      result = value;
    });
    return result;
  };
  const end = (ok, value) => {
    if (own === running) running = null;
    session.disconnect();
    done(ok, value);
  };
  const attempt = (does) => {
    const from = clock();
    let failure = null;
    try {
      does();
    } catch (error) {
      failure = error;
    }
    forgive(clock() - from); // before the end is reported, which looks how late the loop is
    if (failure) end(false, String(failure));
  };
  const own = (running = { agent, session });
  attempt(() => {
    session.connect();
    for (const [method, params] of how.start) post(method, params);
    setTimeout(() => own === running && attempt(stop), 1000 * Math.min(seconds, SECONDS)).unref();
  });
  function stop() {
    const { profile } = post(how.stop);
    post(how.disable);
    const text = JSON.stringify({ kind, seconds: (clock() - began) / 1000, profile });
    fs.writeFile(`${path}.part`, text, { mode: 0o600, flag: "wx" }, (error) => {
      if (error) return end(false, String(error));
      fs.rename(`${path}.part`, path, (failed) => end(!failed, failed ? String(failed) : { bytes: text.length }));
    });
  }
};
