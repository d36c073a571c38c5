// Blocks its event loop for 150 ms out of every 550, and writes when to FOLDER/blocks: `blocked.js FOLDER`.
const fs = require('fs');
const path = require('path');

const blocks = path.join(process.argv[2], 'blocks');

function block() {
  const began = Date.now();
  while (Date.now() < began + 150);
  fs.appendFileSync(blocks, `${began} ${Date.now()}\n`);
  setTimeout(block, 400);
}

block();
