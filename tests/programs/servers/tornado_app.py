import asyncio
import os

import tornado.web


class AtOnce(tornado.web.RequestHandler):
    def get(self):
        self.write(str(os.getpid()))


class Slow(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(1)
        self.write(str(os.getpid()))


async def main():
    app = tornado.web.Application([("/", AtOnce), ("/slow", Slow)])
    app.listen(int(os.environ["TEST_PORT"]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
