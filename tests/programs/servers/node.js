const { createServer } = require('http');
createServer((request, response) => {
  setTimeout(() => response.end(String(process.pid)), request.url === '/slow' ? 1000 : 0);
}).listen(Number(process.env.TEST_PORT), '127.0.0.1');
