const app = require('express')();
app.get('/', (_, response) => response.send(String(process.pid)));
app.get('/slow', (_, response) => setTimeout(() => response.send(String(process.pid)), 1000));
app.listen(Number(process.env.TEST_PORT), '127.0.0.1');
