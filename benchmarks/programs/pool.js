// What `monit start pool.js -i 3` and `pm2 start pool.js -i 3` serve on one port, knowing nothing of it.
const { createServer } = require('http');

createServer((_, res) => {
  res.writeHead(200, { 'content-type': 'text/plain' });
  res.end(`This is a worker process ${process.pid}`);
}).listen(Number(process.env.BENCH_PORT), '127.0.0.1');
