// Writes what it was started with to a file of $REPORTS, tells its manager that it is ready, and
// serves its $PORT, if it has one.
const cluster = require("cluster");
const fs = require("fs");
const path = require("path");

const report = {
  pid: process.pid,
  program: __filename,
  args: process.argv.slice(2),
  interpreter_args: process.execArgv,
  cwd: process.cwd(),
  cluster: cluster.isWorker,
  env: process.env,
};
const file = path.join(process.env.REPORTS, `${process.pid}.json`);
fs.writeFileSync(`${file}.part`, JSON.stringify(report));
fs.renameSync(`${file}.part`, file);

if (process.send) process.send("ready");
if (process.env.PORT) require("http").createServer().listen(Number(process.env.PORT), "127.0.0.1");
else setInterval(() => {}, 1 << 30);
