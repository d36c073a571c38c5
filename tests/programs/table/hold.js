// Lets a test decide how long a program imports, and when it answers a slow request.
const fs = require("fs");

exports.importing = () => {
  fs.writeFileSync(`importing-${process.pid}`, "");
  while (fs.existsSync("hold")) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
};

exports.working = (done) => {
  fs.writeFileSync(`working-${process.pid}`, "");
  const wait = () => (fs.existsSync("work") ? setTimeout(wait, 10) : done());
  wait();
};
