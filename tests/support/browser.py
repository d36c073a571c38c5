"""A headless Chromium, driven over its own protocol (CDP)."""

import base64
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from support.waiting import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DEADLINE_S = 60
MESSAGE_BYTES = 64 * 1024 * 1024
"""Pictures come in one message."""


class Browser:
    """One page of the browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async for message in self._socket:
            answer = message.json()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
        raise AssertionError(f"the browser closed before it answered {method}")

    async def value(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return result["result"].get("value")

    async def until(self, script: str, holds: Callable[[Any], object], what: str) -> None:
        """Evaluate the expression until its value is as wanted."""
        await self._until(lambda: self.value(script), holds, what)

    async def until_picture(self, holds: Callable[[bytes], object], what: str) -> None:
        """Take pictures until one is as wanted."""
        await self._until(self._picture, holds, what)

    async def _until(
        self, look: Callable[[], Awaitable[Any]], holds: Callable[[Any], object], what: str
    ) -> None:
        value: Any = None
        end = time.monotonic() + DEADLINE_S
        while not holds(value := await look()):
            assert time.monotonic() < end, (
                f"not within {DEADLINE_S} s: {what}; last: {value!r:.200}"
            )

    async def press(self, key: str) -> None:
        """Press a key that prints a character."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def _picture(self) -> bytes:
        """Return what is shown as PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])


@contextmanager
def _running(folder: Path, size: tuple[int, int]) -> Iterator[int]:
    """Run a browser whose files are in ``folder``; return the port of its protocol."""
    assert CHROMIUM is not None
    words = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}",
        "--remote-debugging-port=0", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        place = folder / "DevToolsActivePort"
        wait_until(lambda: place.exists() and place.read_text().count("\n"), what="a port")
        yield int(place.read_text().split()[0])
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@asynccontextmanager
async def browsing(
    url: str, folder: Path, size: tuple[int, int] = (1200, 760)
) -> AsyncIterator[Browser]:
    """Open a page in a browser of its own."""
    with _running(folder, size) as port:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (page,) = [each for each in await answer.json() if each["type"] == "page"]
            address = page["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=MESSAGE_BYTES) as socket:
                browser = Browser(socket)
                await browser.call("Page.navigate", url=url)
                yield browser
