import asyncio
import logging
import sys

import tornado.web
import tornado.websocket

logging.basicConfig(level=logging.ERROR)


def fails(path):
    raise ValueError(path)


class Handler(tornado.web.RequestHandler):
    async def get(self):
        path = self.request.path
        if path == "/raise":
            fails(path)
        if path == "/slow":
            await asyncio.sleep(0.2)
        self.set_status({"/none": 404, "/503": 503}.get(path, 200))
        self.set_header("X-B", "2"), self.set_header("Content-Length", "4")
        self.set_header("X-A", "1")
        self.write("ok")
        await self.flush()
        if path == "/half":
            fails(path)
        if path == "/hang":
            await asyncio.sleep(60)
        self.write("ok")


class Socket(tornado.websocket.WebSocketHandler):
    pass


async def main():
    rules = [("/ws", Socket), (".*", Handler)]
    tornado.web.Application(rules).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
