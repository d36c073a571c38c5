// An Express app with a function that takes the CPU and one that leaks.
const express = require(`${process.env.MODULES}/express`);

const app = express();
const seen = [];

function crunch(rounds) {
  let total = 0;
  for (let number = 0; number < rounds; number += 1) total += (number * number) % 7;
  return total;
}

function remember(count) {
  for (let number = 0; number < count; number += 1) seen.push({ number, text: `request ${number}` });
}

app.get("/hog", (request, response) => response.send(String(crunch(3_000_000))));
app.get("/leak", (request, response) => {
  remember(5_000);
  response.send(String(seen.length));
});
app.listen(Number(process.env.PORT), "127.0.0.1");
