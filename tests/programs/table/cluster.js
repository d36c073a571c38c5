// A Node program that uses Node's own cluster: a primary with two workers.
const cluster = require("cluster");

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  cluster.on("exit", (_worker, code) => code && process.exit(code));
  process.on("SIGTERM", () => cluster.disconnect(() => process.exit(0)));
} else {
  require("./web.js");
}
