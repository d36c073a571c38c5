import asyncio
import logging
import sys

from aiohttp import web

logging.basicConfig()


def fails(path):
    raise ValueError(path)


async def handle(request):
    path = request.path
    if path == "/ws":
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for _ in answer:
            break
        return answer
    if path == "/raise":
        fails(path)
    if path == "/slow":
        await asyncio.sleep(0.2)
    status = {"/none": 404, "/503": 503}.get(path, 200)
    answer = web.StreamResponse(status=status, headers={"X-B": "2", "X-A": "1"})
    answer.content_length = 4
    await answer.prepare(request)
    await answer.write(b"ok")
    if path == "/half":
        fails(path)
    if path == "/hang":
        await asyncio.sleep(60)
    await answer.write(b"ok")
    return answer


app = web.Application()
app.router.add_get("/{tail:.*}", handle)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
