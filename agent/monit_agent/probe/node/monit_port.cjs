"use strict";
// Lets a Node program that shares its ports go without losing a request.
//
// Preloaded by NODE_OPTIONS=--require. When monit's keeper says so, over the channel on which it
// plays the primary of Node's cluster, all servers take no new connections, answer what was asked,
// tell keep-alive clients to connect anew, and the keeper hears when no connection is left.
// Never throws into the program, never prints.

const IDLE_AFTER_MS = 500; // a client that is busy asks again within this and is told "close"
const LOOK_MS = 50;

function install() {
  const net = require("net");
  const servers = new Set();
  const listen = net.Server.prototype.listen;

  net.Server.prototype.listen = function monitListen(...args) {
    if (!servers.has(this)) {
      servers.add(this);
      this.once("close", () => servers.delete(this));
    }
    return Reflect.apply(listen, this, args);
  };

  process.on("internalMessage", (message) => {
    if (message && message.cmd === "NODE_MONIT" && message.act === "quiesce") {
      try {
        quiesce(net, servers);
      } catch {
        drained(); // the keeper goes on with the signal
      }
    }
  });
}

function quiesce(net, servers) {
  const since = Date.now();
  for (const server of [...servers]) {
    server.prependListener("request", (_request, response) => {
      response.shouldKeepAlive = false;
    });
    // not the server's own close(): that of HTTP cuts connections whose request is on its way
    if (server.listening) net.Server.prototype.close.call(server);
  }
  const timer = setInterval(() => {
    const idle = Date.now() - since > IDLE_AFTER_MS;
    for (const server of servers) {
      if (idle && server.closeIdleConnections) server.closeIdleConnections();
    }
    if (servers.size === 0) {
      clearInterval(timer);
      drained();
    }
  }, LOOK_MS);
  timer.unref();
}

function drained() {
  if (process.connected) process.send({ cmd: "NODE_MONIT", act: "drained" }, () => {});
}

try {
  // children of the program inherit the option, and have no part in this
  if (process.env.MONIT_PID === String(process.pid) && process.channel) install();
} catch {
  // without it the program is told to stop like any other
}
