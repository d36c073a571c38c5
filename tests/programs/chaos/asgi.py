"""Answers each request with its path, after a moment of work, and prints a line for it."""

import asyncio

from record import Printer, begin

out = Printer(1, "out")
begin()


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await asyncio.sleep(0.002)
    out.print_line()
    body = scope["path"].encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
