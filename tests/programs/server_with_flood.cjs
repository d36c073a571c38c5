// As server_with_flood.py, for Node.
const fs = require('node:fs');
const http = require('node:http');

const end = process.argv[2];
let number = 0;

function flood() {
  let text = '';
  for (let n = 0; n < 200; n += 1) {
    number += 1;
    text += `${String(number).padStart(8, '0')} a line of a flood\n`;
  }
  process.stdout.write(text, () => {
    if (fs.existsSync(end)) process.stdout.write(`${number} lines\n`);
    else setTimeout(flood, 2);
  });
}

http.createServer((_, answer) => answer.end(String(process.pid)))
  .listen(Number(process.env.PORT), '127.0.0.1', flood);
