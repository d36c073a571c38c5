// A Node server that finishes its requests at SIGTERM.
const http = require("http");
const hold = require("./hold.js");

hold.importing();
const server = http.createServer((request, response) => {
  const answer = () => response.end("ok");
  if (request.url === "/slow") hold.working(answer);
  else answer();
});
server.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGTERM", () => server.close());
