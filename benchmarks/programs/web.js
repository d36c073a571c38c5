// One HTTP server that says in its log when it listens.
const { createServer } = require('http');

const server = createServer((_, res) => res.end('hello from node'));
server.listen(Number(process.env.BENCH_PORT), '127.0.0.1', () => {
  console.log(`listening on ${server.address().port}`);
});
