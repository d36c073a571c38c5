"use strict";
// Lets a Node program share its ports with others of its app, end by itself, and drain.
//
// Preloaded by NODE_OPTIONS=--require. A worker has a channel to monit's keeper since its start. A
// program that npm or another wrapper runs has none, because Node passes no descriptors on, so it
// connects to the keeper when it first listens (monit_link.cjs). Neither keeps the program alive,
// except while an answer is waited for.
//
// When the keeper requests it, over the channel on which it acts as the primary of Node's cluster,
// all servers accept no new connections, answer what was requested, and tell keep-alive clients to
// connect again. The keeper is notified when no connection is left. Then the program lives until
// the stop signal, so that its handler of that signal runs. Never throws into the program, never
// prints.

const IDLE_AFTER_MS = 500; // a busy client sends a request within this, and is told "close"
const CHECK_MS = 50;
const ANSWERED = new Set(["queryServer", "exitedAfterDisconnect"]);
const shared = new WeakMap(); // servers to the listening sockets that they got from the keeper

// shares: whether the program requests its listening sockets over the link itself. The workers of
// the keeper's cluster do not: Node does it for them.
function install(link, shares) {
  const net = require("net");
  const servers = new Set();
  if (shares) process.env.MONIT_OWN_CLUSTER = "1"; // for what it forks
  const listen = net.Server.prototype.listen;
  const place = shares ? shareOnListen(net, listen, link) : listen;

  net.Server.prototype.listen = function monitListen(...args) {
    if (!servers.has(this)) {
      servers.add(this);
      this.once("close", () => servers.delete(this));
    }
    return Reflect.apply(place, this, args);
  };

  link.receive((message) => {
    if (message && message.cmd === "NODE_MONIT" && message.act === "quiesce") {
      const drained = () => link.send({ cmd: "NODE_MONIT", act: "drained" });
      try {
        holdUntilSignal(link);
        quiesce(net, servers, drained);
      } catch {
        drained(); // the keeper continues with the signal
      }
    }
  });
}

// The channel that the process was started with, as a link. ``holding`` is how it keeps the process
// alive.
function channelLink(holding) {
  return {
    isOpen: () => process.connected,
    send: (message) => process.connected && process.send(message, () => {}),
    receive: (handle) => process.on("internalMessage", handle),
    ...holding,
  };
}

// A worker of the program's own cluster lives as long as its primary wants.
const NOT_HELD = { hold() {}, release() {} };

// Node keeps a worker of its cluster alive as long as it has a channel, and any program that
// listens for messages. Here nothing comes over the channel that would be worth that. Only what
// waits for an answer does: the socket to listen on, the end of cluster.worker.disconnect().
function releaseChannel() {
  const waiting = new Set();
  const { send } = process;

  const hold = (what) => {
    waiting.add(what);
    if (process.channel) process.channel.ref();
  };
  const release = (what) => {
    waiting.delete(what);
    if (waiting.size === 0 && process.channel) process.channel.unref();
  };

  process.send = function monitSend(message, ...rest) {
    if (message && message.cmd === "NODE_CLUSTER" && ANSWERED.has(message.act)) hold(message.seq);
    return Reflect.apply(send, this, [message, ...rest]);
  };
  process.on("internalMessage", (message) => {
    if (message && waiting.has(message.ack)) release(message.ack);
  });
  release();
  return { hold, release };
}

// A single worker is no member of the keeper's cluster, because the program may be the primary of
// a cluster of its own. So it requests its listening sockets itself, in the same words. Returns
// what to call instead of Node's own listen().
function shareOnListen(net, listen, link) {
  const send = (message) => link.send({ cmd: "NODE_CLUSTER", ...message });
  const answers = new Map();
  const indexes = new Map();
  let seq = 0;

  link.receive((message, handle) => {
    const answered = message && answers.get(message.ack);
    answers.delete(message && message.ack);
    if (answered) answered(handle, message.key);
  });

  const request = (server, options, address, addressType) => {
    const { port, backlog, ipv6Only } = options;
    const key = [address, port, addressType].join(" ");
    const index = indexes.get(key) || 0;
    const place = { address, port: Number(port), addressType, flags: ipv6Only ? 1 : 0 };
    let closed = false;
    server.once("close", () => (closed = true));
    seq += 1;
    answers.set(seq, (handle, held) => {
      const leave = () => send({ act: "close", key: held });
      if (closed && handle) {
        handle.close();
        leave();
      }
      if (closed) return;
      // without a handle the port is in use, and Node says so in its own words
      Reflect.apply(listen, server, handle ? [handle, backlog] : [options]);
      if (!handle) return;
      shared.set(server, handle);
      indexes.set(key, index + 1);
      server.once("close", () => indexes.set(key, index));
      server.once("close", leave);
      server.once("listening", () => send({ act: "listening", ...place }));
    });
    send({ act: "queryServer", seq, index, backlog, data: null, ...place });
  };

  return function shareListen(...args) {
    const [options, done] = canShare(this, net, args) || [];
    if (!options || !link.isOpen()) return Reflect.apply(listen, this, args);
    if (done) this.once("listening", done);
    if (!options.host) {
      request(this, options, null, 4);
      return this;
    }
    require("dns").lookup(options.host, (error, address, family) => {
      if (error) Reflect.apply(listen, this, [options]);
      else request(this, options, address, family);
    });
    return this;
  };
}

// Returns [options, callback] of a call of listen() for a port that can be shared, or null.
function canShare(server, net, args) {
  const [options, done] = net._normalizeArgs(args);
  const { port, path, fd, exclusive, reusePort, signal } = options;
  const named = Number(port) >= 1 && Number(port) < 65536;
  const other = path || fd >= 0 || exclusive || reusePort || signal || server._handle;
  const handle = options._handle || options.handle || (args[0] && args[0]._handle);
  return named && !other && !handle ? [options, done] : null;
}

// A drained program has nothing more to do, and would end before its handler of the stop signal ran.
function holdUntilSignal(link) {
  const handled = Object.keys(require("os").constants.signals);
  for (const name of handled.filter((each) => process.listenerCount(each) > 0)) {
    link.hold(name);
    process.prependOnceListener(name, () => handled.forEach(link.release));
  }
}

function quiesce(net, servers, drained) {
  const since = Date.now();
  for (const server of [...servers]) {
    server.prependListener("request", (_request, response) => {
      response.shouldKeepAlive = false;
    });
    // not the server's own close(): that of HTTP closes connections whose request is on its way
    if (server.listening) net.Server.prototype.close.call(server);
    // the primary of the program's own cluster took its socket and accepts by itself
    else if (!server._connections) {
      servers.delete(server);
      if (shared.has(server)) shared.get(server).close();
    }
  }
  let busy = true;
  require("./monit_own_cluster.cjs").drainWorkers(() => (busy = false));
  const timer = setInterval(() => {
    const idle = Date.now() - since > IDLE_AFTER_MS;
    for (const server of servers) {
      if (idle && server.closeIdleConnections) server.closeIdleConnections();
    }
    if (servers.size === 0 && !busy) {
      clearInterval(timer);
      drained();
    }
  }, CHECK_MS);
  timer.unref();
}

try {
  require("./monit_children.cjs");
  const { MONIT_CHANNEL: channel, MONIT_ALONE: alone, MONIT_SHARE: share } = process.env;
  // the channel was opened when the process started, and its children have another one or none
  delete process.env.MONIT_CHANNEL;
  delete process.env.MONIT_ALONE;
  const forked = process.env.MONIT_OWN_CLUSTER && process.channel && require("cluster").isWorker;
  if (channel && process.channel) install(channelLink(releaseChannel()), Boolean(alone));
  else if (forked) install(channelLink(NOT_HELD), false);
  else if (share) require("./monit_link.cjs").install(share, install);
} catch {
  // without it the program is stopped like any other
}
