"use strict";
// Drains the workers of a program's own cluster, before the program is stopped with them.
//
// The primary has closed its listening sockets. Its workers close theirs when they are told to, in
// the words of the keeper, and report when no connection is left (monit_ports.cjs).

const HANDED_OUT_MS = 100; // what the primary accepted before is with a worker after that

function drainWorkers(drained) {
  const { workers } = require("cluster");
  const busy = new Set(Object.values(workers || {}).filter((worker) => worker.isConnected()));
  if (busy.size === 0) {
    drained();
    return;
  }
  const done = (worker) => {
    busy.delete(worker);
    if (busy.size === 0) drained();
  };
  const ask = (worker) => {
    worker.once("disconnect", () => done(worker));
    worker.process.on("internalMessage", (message) => {
      if (message && message.cmd === "NODE_MONIT" && message.act === "drained") done(worker);
    });
    worker.process.send({ cmd: "NODE_MONIT", act: "quiesce" }, (error) => error && done(worker));
  };
  setTimeout(() => [...busy].forEach(ask), HANDED_OUT_MS).unref();
}

module.exports = { drainWorkers };
