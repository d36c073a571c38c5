// A client of `monit bridge --json`, written from docs/api.md alone: no package, no code of monit's.
//
//   node bridge.mjs list [TARGET...]        every instance, one a line
//   node bridge.mjs follow APP COUNT        the next COUNT lines that it prints
//   node bridge.mjs restart APP             restart it, and what happened meanwhile
//
// $MONIT_BRIDGE is the command to start, "monit bridge --json" by default.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

class Bridge {
  constructor(command) {
    this.process = spawn("sh", ["-c", `exec ${command}`], { stdio: ["pipe", "pipe", "inherit"] });
    this.requests = new Map();
    this.last = 0;
    this.hello = new Promise((resolve, reject) => {
      this.process.on("exit", (code) => reject(new Error(`the bridge ended with ${code}`)));
      createInterface({ input: this.process.stdout }).on("line", (line) => {
        const message = parsed(line);
        if (message?.type === "hello") resolve(message);
        else if (message !== null) this.handle(message);
      });
    });
  }

  handle(message) {
    const request = this.requests.get(message.id);
    if (request === undefined) return;
    if (message.ok === undefined) {
      request.item(message);
      return;
    }
    this.requests.delete(message.id);
    if (message.ok) request.resolve(message);
    else request.reject(new Error(`${message.kind}: ${message.message}`));
  }

  // Returns the answer; `item` gets what comes before it, and the request's id.
  async request(fields, item = () => {}) {
    const hello = await this.hello;
    if (hello.v !== 1) throw new Error(`the bridge speaks version ${hello.v}`);
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.requests.set(id, { item: (message) => item(message, id), resolve, reject });
      this.process.stdin.write(JSON.stringify({ id, ...fields }) + "\n");
    });
  }

  close() {
    this.process.stdin.end();
  }
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null; // what a shell prints
  }
}

const [verb, ...words] = process.argv.slice(2);
const bridge = new Bridge(process.env.MONIT_BRIDGE ?? "monit bridge --json");
const verbs = {
  async list() {
    const targets = words.length ? words : ["all"];
    const { instances } = await bridge.request({ do: "list", targets });
    for (const each of instances) {
      console.log(`${each.app}/${each.instance} ${each.status} ${each.pid} ${each.restarts}`);
    }
  },

  async follow() {
    const [app, count] = words;
    let left = Number(count);
    const request = { do: "logs", targets: [app], lines: 0, follow: true };
    await bridge.request(request, (message, id) => {
      if (message.type !== "log" || left-- <= 0) return;
      console.log(`${message.offset} ${message.line}`);
      if (left === 0) bridge.request({ do: "cancel", request: id });
    });
  },

  async restart() {
    const [app] = words;
    const watched = bridge.request({ do: "watch", targets: [app], samples: false }, (message) => {
      if (message.type === "event_added") console.log(message.event.kind);
    });
    const answer = await bridge.request({ do: "restart", targets: [app] });
    for (const each of answer.apps) console.log(`restarted ${each.app} ${each.done}`);
    bridge.close();
    await watched;
  },
};

try {
  await verbs[verb]();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
bridge.close();
