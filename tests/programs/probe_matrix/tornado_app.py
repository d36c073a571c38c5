import asyncio
import sys

import guest
import tornado.web


class All(tornado.web.RequestHandler):
    def get(self):
        self.write(guest.handle(self.request.path))


async def main():
    tornado.web.Application([("/.*", All)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
