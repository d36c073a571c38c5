import asyncio


def fails(path):
    raise ValueError(path)


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/raise":
        fails(path)
    if path == "/slow":
        await asyncio.sleep(0.2)
    status = {"/none": 404, "/503": 503}.get(path, 200)
    headers = [(b"x-b", b"2"), (b"content-length", b"4"), (b"x-a", b"1")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok", "more_body": True})
    if path == "/half":
        fails(path)
    if path == "/hang":
        await asyncio.sleep(60)
    await send({"type": "http.response.body", "body": b"ok"})
