"use strict";
// A link to monit's keeper for a Node program that a wrapper (npm, tsx, nodemon) runs.
//
// Over it the program requests the listening sockets that it shares with the other instances of its
// app, is told to drain, and reports that it has: the messages of Node's cluster, one JSON line
// each, sockets beside them. It connects to the keeper's share.sock when the program first listens,
// and again when the keeper was replaced; what listens already keeps doing so meanwhile. Where the
// keeper refuses, or does not answer in time, the program opens its port itself. Only Node's own
// handles can receive a socket, and only here: net.connect() cannot. Never throws into the program,
// never prints.

const AGAIN_MS = 500;
const KEEPER_MS = 30000; // a keeper that was killed is replaced within less, on a busy machine too

// install(link, shares) is called in the main thread, unless the program is a worker of a cluster
// of its own: those request their sockets from its primary.
function installLink(path, install) {
  if (!require("worker_threads").isMainThread || require("cluster").isWorker) return;
  install(new Link(path), true);
}

class Link {
  constructor(path) {
    this.path = path;
    this.pipe = null;
    this.rest = "";
    this.answered = false; // whether the keeper that is connected has answered anything
    this.shared = false; // whether any keeper has
    this.refused = false;
    this.handlers = [];
    this.holders = new Set();
    this.waiting = new Map(); // requests without an answer, by their number
    this.listening = new Map(); // announced again to the next keeper, by port and address
    this.hold = this.hold.bind(this);
    this.release = this.release.bind(this);
  }

  isOpen() {
    return !this.refused && (Boolean(this.pipe) || this.connect());
  }

  receive(handle) {
    this.handlers.push(handle);
  }

  send(message) {
    if (message.act === "queryServer") {
      this.waiting.set(message.seq, message);
      this.hold(message.seq);
      setTimeout(() => guarded(() => this.giveUp([message.seq])), KEEPER_MS).unref();
    }
    if (message.act === "listening") this.listening.set(`${message.port} ${message.address}`, message);
    if (this.pipe) this.write(`${JSON.stringify(message)}\n`);
  }

  hold(what) {
    this.holders.add(what);
    if (this.pipe) this.pipe.ref();
  }

  release(what) {
    this.holders.delete(what);
    if (this.pipe && this.holders.size === 0) this.pipe.unref();
  }

  // Returns whether the keeper is there. Connecting to a socket of this machine needs no waiting.
  connect() {
    const { Pipe, PipeConnectWrap, constants } = handles("pipe_wrap");
    const pipe = new Pipe(constants.IPC);
    const request = new PipeConnectWrap();
    request.oncomplete = (status) =>
      guarded(() => (status < 0 ? this.closed(pipe, false) : pipe.readStart()));
    if (pipe.connect(request, this.path) < 0) {
      pipe.close();
      return false;
    }
    pipe.pendingHandle = null;
    pipe.onread = (data) => {
      const handle = pipe.pendingHandle;
      pipe.pendingHandle = null;
      guarded(() => (data ? this.read(data, handle) : this.closed(pipe, !this.answered)));
    };
    this.pipe = pipe;
    this.rest = "";
    this.answered = false;
    if (this.holders.size === 0) pipe.unref();
    const known = [...this.listening.values(), ...this.waiting.values()];
    this.write(["channel", ...known.map((each) => JSON.stringify(each)), ""].join("\n"));
    return true;
  }

  write(text) {
    const { WriteWrap } = handles("stream_wrap");
    const request = new WriteWrap();
    request.oncomplete = () => {};
    this.pipe.writeUtf8String(request, text);
  }

  read(data, handle) {
    const lines = (this.rest + Buffer.from(data).toString()).split("\n");
    this.rest = lines.pop();
    for (const line of lines) {
      const message = JSON.parse(line);
      this.answered = this.shared = true;
      if (message.cmd === "NODE_HANDLE") this.pass(message.msg, handle);
      else this.pass(message);
    }
  }

  pass(message, handle) {
    if (message.ack && !this.waiting.delete(message.ack)) {
      if (handle) handle.close(); // it comes too late
      return;
    }
    for (const handler of this.handlers) handler(message, handle);
    this.release(message.ack);
  }

  // refused: the keeper was there, and closed the connection without an answer
  closed(pipe, refused) {
    if (this.pipe !== pipe) return;
    pipe.close();
    this.pipe = null;
    if (refused) this.giveUp([...this.waiting.keys()]);
    this.refused = refused && !this.shared;
    if (!this.refused) this.reconnect();
  }

  // Lets the program open these ports itself.
  giveUp(requests) {
    for (const ack of requests) if (this.waiting.has(ack)) this.pass({ ack });
  }

  reconnect() {
    const timer = setTimeout(() => guarded(() => this.isOpen() || this.reconnect()), AGAIN_MS);
    if (this.holders.size === 0) timer.unref();
  }
}

// Node's own handles. Their only way in is deprecated, and Node may be told to print that.
function handles(name) {
  const before = process.noDeprecation;
  process.noDeprecation = true;
  try {
    return process.binding(name);
  } finally {
    process.noDeprecation = before;
  }
}

function guarded(does) {
  try {
    does();
  } catch {
    // the next keeper gets another chance
  }
}

module.exports = { install: installLink };
