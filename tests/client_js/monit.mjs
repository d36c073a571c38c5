// A client of monit's agents, written from agent/PROTOCOL.md alone: no package, no code of monit's.
//
//   node monit.mjs list                      every instance, one a line
//   node monit.mjs follow APP INSTANCE       what it prints, from its first line on, without a gap
//   node monit.mjs restart APP               restart all instances, wait until all are online
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

// ---------------------------------------------------------------- ZeroMQ (ZMTP 3.0)

const [MORE, LONG, COMMAND] = [1, 2, 4];

function frame(flags, body) {
  if (body.length < 256) return Buffer.concat([Buffer.from([flags, body.length]), body]);
  const head = Buffer.alloc(9);
  head[0] = flags | LONG;
  head.writeBigUInt64BE(BigInt(body.length), 1);
  return Buffer.concat([head, body]);
}

class ZeroMQ {
  constructor(file, type, received) {
    this.raw = Buffer.alloc(0);
    this.frames = [];
    this.greeted = false;
    this.received = received;
    this.socket = net.connect(file);
    this.socket.on("error", (error) => fail(`${file}: ${error.message}`));
    this.socket.on("data", (data) => this.add(data));
    const greeting = Buffer.alloc(64);
    Buffer.from("ff00000000000000017f0300", "hex").copy(greeting);
    greeting.write("NULL", 12);
    this.socket.write(greeting);
    const size = Buffer.alloc(4);
    size.writeUInt32BE(type.length);
    const property = Buffer.concat([Buffer.from("\x0bSocket-Type"), size, Buffer.from(type)]);
    this.socket.write(frame(COMMAND, Buffer.concat([Buffer.from("\x05READY"), property])));
  }

  send(...frames) {
    frames.forEach((body, at) => this.socket.write(frame(at < frames.length - 1 ? MORE : 0, body)));
  }

  add(data) {
    this.raw = Buffer.concat([this.raw, data]);
    if (!this.greeted) {
      if (this.raw.length < 64) return;
      this.raw = this.raw.subarray(64);
      this.greeted = true;
    }
    for (;;) {
      const start = this.raw[0] & LONG ? 9 : 2;
      if (this.raw.length < start) return;
      const size = start === 9 ? Number(this.raw.readBigUInt64BE(1)) : this.raw[1];
      if (this.raw.length < start + size) return;
      const flags = this.raw[0];
      const body = Buffer.from(this.raw.subarray(start, start + size));
      this.raw = this.raw.subarray(start + size);
      if (flags & COMMAND) continue;
      this.frames.push(body);
      if (flags & MORE) continue;
      const message = this.frames;
      this.frames = [];
      this.received(message);
    }
  }
}

// ---------------------------------------------------------------- msgpack

function pack(value) {
  if (value === null) return Buffer.from([0xc0]);
  if (typeof value === "boolean") return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === "number") {
    const number = Buffer.alloc(9, 0xd3);
    number.writeBigInt64BE(BigInt(value), 1);
    return number;
  }
  if (typeof value === "string") {
    const text = Buffer.from(value);
    const size = Buffer.alloc(5, 0xdb);
    size.writeUInt32BE(text.length, 1);
    return Buffer.concat([size, text]);
  }
  const head = Buffer.alloc(5);
  const list = Array.isArray(value);
  const parts = list ? value : Object.entries(value).flat();
  head[0] = list ? 0xdd : 0xdf;
  head.writeUInt32BE(list ? parts.length : parts.length / 2, 1);
  return Buffer.concat([head, ...parts.map(pack)]);
}

function unpack(raw) {
  let at = 0;
  const take = (size) => raw.subarray(at, (at += size));
  const unsigned = (size) => (size === 8 ? Number(take(8).readBigUInt64BE()) : take(size).readUIntBE(0, size));
  const signed = (size) => (size === 8 ? Number(take(8).readBigInt64BE()) : take(size).readIntBE(0, size));
  const list = (size) => Array.from({ length: size }, read);
  const map = (size) => Object.fromEntries(Array.from({ length: size }, () => [read(), read()]));
  function read() {
    const kind = unsigned(1);
    if (kind < 0x80) return kind;
    if (kind < 0x90) return map(kind & 15);
    if (kind < 0xa0) return list(kind & 15);
    if (kind < 0xc0) return take(kind & 31).toString();
    if (kind >= 0xe0) return kind - 256;
    if (kind === 0xc0) return null;
    if (kind <= 0xc3) return kind === 0xc3;
    if (kind <= 0xc6) return take(unsigned(1 << (kind - 0xc4)));
    if (kind === 0xca) return take(4).readFloatBE();
    if (kind === 0xcb) return take(8).readDoubleBE();
    if (kind <= 0xcf) return unsigned(1 << (kind - 0xcc));
    if (kind <= 0xd3) return signed(1 << (kind - 0xd0));
    if (kind <= 0xdb) return take(unsigned(1 << (kind - 0xd9))).toString();
    if (kind <= 0xdd) return list(unsigned(2 << (kind - 0xdc)));
    return map(unsigned(2 << (kind - 0xde)));
  }
  return read();
}

// ---------------------------------------------------------------- agents

const state = process.env.XDG_STATE_HOME || path.join(os.homedir(), ".local/state");
const apps = path.join(process.env.MONIT_HOME || path.join(state, "monit"), "apps");

function fail(text) {
  console.error(text);
  process.exit(1);
}

class Agent {
  constructor(app) {
    this.app = app;
    this.number = 0;
    this.waiting = new Map();
    this.control = new ZeroMQ(path.join(apps, app, "ctl.sock"), "DEALER", ([id, body]) => {
      this.waiting.get(id.toString())(unpack(body));
    });
  }

  request(fields) {
    const id = String(++this.number);
    this.control.send(Buffer.from(id), pack(fields));
    return new Promise((resolve) => this.waiting.set(id, resolve)).then((answer) =>
      answer.type === "refused" ? fail(`${this.app}: ${answer.message}`) : answer,
    );
  }

  subscribe(topics, received) {
    const publisher = new ZeroMQ(path.join(apps, this.app, "pub.sock"), "SUB", ([topic, header, payload]) =>
      received(topic.toString(), unpack(header), payload),
    );
    topics.forEach((topic) => publisher.send(Buffer.concat([Buffer.from([1]), Buffer.from(topic)])));
  }
}

async function list() {
  for (const app of fs.readdirSync(apps).sort()) {
    if (!fs.existsSync(path.join(apps, app, "state.json"))) continue;
    const snapshot = await new Agent(app).request({ type: "snapshot" });
    for (const { instance, status, pid, restarts } of snapshot.instances)
      console.log(`${app}/${instance} ${status} ${pid ?? "-"} ${restarts}`);
  }
  process.exit(0);
}

async function follow(app, number) {
  const agent = new Agent(app);
  const instance = Number(number);
  let next = 0;
  let queue = Promise.resolve();
  const fetchUpTo = async (end) => {
    while (next < end) {
      const part = await agent.request({ type: "log_range", instance, stream: "out", start: next });
      if (!part.data.length) return;
      process.stdout.write(part.data);
      next = part.offset + part.data.length;
    }
  };
  const received = async (header, payload) => {
    if (header.offset > next) await fetchUpTo(header.offset);
    if (header.offset + payload.length <= next) return;
    process.stdout.write(payload.subarray(next - header.offset));
    next = header.offset + payload.length;
  };
  agent.subscribe([`log.${app}.${instance}.out`], (_topic, header, payload) => {
    queue = queue.then(() => received(header, payload));
  });
  const snapshot = await agent.request({ type: "snapshot" });
  const log = snapshot.logs.find((each) => each.instance === instance && each.stream === "out");
  if (!log) fail(`${app} has no instance ${instance}`);
  queue = queue.then(() => fetchUpTo(log.end));
}

async function restart(app) {
  const agent = new Agent(app);
  const pids = new Map();
  const started = new Map();
  let concerned = null;
  const look = () => {
    if (concerned?.every((each) => started.has(each) && started.get(each) !== pids.get(each))) {
      console.log(`restarted ${concerned.join(" ")}`);
      process.exit(0);
    }
  };
  agent.subscribe([`event.${app}`], (_topic, _header, payload) => {
    const update = unpack(payload);
    if (update.type !== "instance_changed") return;
    const { instance, status, pid } = update.instance;
    if (status === "errored") fail(`${app}/${instance}: ${update.instance.reason}`);
    if (status === "online") started.set(instance, pid);
    look();
  });
  for (const each of (await agent.request({ type: "snapshot" })).instances) pids.set(each.instance, each.pid);
  concerned = (await agent.request({ type: "restart" })).instances;
  look();
}

const verbs = { list, follow, restart };
const [verb, ...words] = process.argv.slice(2);
if (!verbs[verb]) fail(`usage: monit.mjs ${Object.keys(verbs).join("|")} [APP [INSTANCE]]`);
verbs[verb](...words);
