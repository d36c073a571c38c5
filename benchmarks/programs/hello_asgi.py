"""The cheapest ASGI app that there is: what is measured around it weighs most."""

from typing import Any

_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
_BODY = {"type": "http.response.body", "body": b"hello"}


async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
    """Answer every request with ``hello``."""
    if scope["type"] == "http":
        await send(_START)
        await send(_BODY)
