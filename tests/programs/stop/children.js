// A Node program with a pool of child processes, which it lets finish at SIGTERM.
const { fork } = require("node:child_process");
const fs = require("node:fs");

if (process.argv[2] === "child") {
  fs.writeFileSync("begun", "");
  const timer = setInterval(() => {
    if (!fs.existsSync("released")) return;
    fs.writeFileSync("finished", "");
    clearInterval(timer);
  }, 20);
} else {
  const child = fork(__filename, ["child"]);
  const idle = setInterval(() => {}, 1000);
  const stop = () => clearInterval(idle);
  process.on("SIGTERM", () => {
    if (child.exitCode === null) child.once("exit", stop);
    else stop();
  });
}
