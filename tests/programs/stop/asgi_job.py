"""An ASGI app whose answer is the job."""

import asyncio

import job


async def app(scope, _receive, send):  # type: ignore[no-untyped-def]
    if scope["type"] != "http":
        return
    await asyncio.to_thread(job.run)
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"done"})
