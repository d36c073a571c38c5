// Answers each request with its path, after a moment of work.
const { createServer } = require('http');
const { appendFileSync } = require('fs');
const { CHAOS_APP, CHAOS_RECORDS, MONIT_INSTANCE, PORT } = process.env;

const run = `${process.pid}.${process.hrtime.bigint()}`;
appendFileSync(`${CHAOS_RECORDS}/runs`, `${CHAOS_APP} ${MONIT_INSTANCE} ${run}\n`);
createServer((request, response) => {
  setTimeout(() => response.end(request.url), 2);
}).listen(Number(PORT), '127.0.0.1');
