import asyncio
import os

from aiohttp import web


async def at_once(request):
    return web.Response(text=str(os.getpid()))


async def slow(request):
    await asyncio.sleep(1)
    return web.Response(text=str(os.getpid()))


app = web.Application()
app.add_routes([web.get("/", at_once), web.get("/slow", slow)])
web.run_app(app, host="127.0.0.1", port=int(os.environ["TEST_PORT"]), print=None)
