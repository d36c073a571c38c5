import sys

import guest
from aiohttp import web


async def handle(request):
    return web.Response(body=guest.handle(request.path))


app = web.Application()
app.router.add_get("/{tail:.*}", handle)
web.run_app(app, port=int(sys.argv[1]), print=None)
