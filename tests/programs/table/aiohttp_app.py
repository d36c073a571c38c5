"""An aiohttp server."""

import asyncio
import os

import hold
from aiohttp import web

hold.importing()


async def _quick(_request):
    return web.Response(text="ok")


async def _slow(_request):
    await asyncio.to_thread(hold.working)
    return web.Response(text="ok")


app = web.Application()
app.add_routes([web.get("/", _quick), web.get("/slow", _slow)])
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)
