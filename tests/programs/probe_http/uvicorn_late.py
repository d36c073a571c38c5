import asyncio
import importlib
import inspect
import sys

import uvicorn

name = "uvicorn.protocols.http." + sys.argv[2] + "_impl"
sys.meta_path[:] = [each for each in sys.meta_path if type(each).__module__ != "_monit_probe.hooks"]
hidden = importlib.import_module(name)
del sys.modules[name]
protocol = {"h11": "H11Protocol", "httptools": "HttpToolsProtocol"}[sys.argv[2]]
protocol = getattr(hidden, protocol)


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if name not in sys.modules:
        sys.modules[name] = hidden
        while inspect.isfunction(protocol.__dict__["connection_lost"]):  # noqa: ASYNC110 (nothing tells it)
            await asyncio.sleep(0.01)
    status = 503 if scope["path"] == "/503" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


uvicorn.run(app, port=int(sys.argv[1]), http=protocol, access_log=False)
