"""The web server of the screen: one page, one websocket, and a process for each open screen."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import textual_serve
from aiohttp import WSCloseCode, WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from monit_tui import terminal
from monit_tui.web.access import AccessRules
from monit_tui.web.page import SCRIPT, page_text, security_headers

SCREENS = 8
"""Most screens that are open at once: each is a process of about 60 MB."""

MESSAGE_BYTES = 256 * 1024
"""Largest message of a browser: text that somebody pastes."""

HEARTBEAT_S = 15.0

STOP_S = 3.0
"""How long a screen may take to close; then its input ends, after which it exits by itself."""

STATICS = {"xterm.css": "css/xterm.css", "textual.js": "js/textual.js"}

MOST_COLUMNS, MOST_ROWS = 500, 200
"""Largest terminal that a browser may ask for: a screen of 4K with small letters."""

_NOT_FOR_SCREENS = ("TMUX", "STY", "SSH_CONNECTION", "SSH_TTY", "MOSH_CONNECTION", "COLORFGBG")
"""They are about the terminal in which the server was started."""


class WebScreenOptions(NamedTuple):
    """What the pages show, and who may open them."""

    session: dict[str, Any]
    """The argument of ``web/session.py``."""
    rules: AccessRules
    title: str = "monit"


class CannotListenError(Exception):
    """The address cannot be listened on; the message says why."""


class ScreenProcess(AppService):
    """The process of one screen, which closes the socket of its page when it ends."""

    def __init__(self, command: str, socket: web.WebSocketResponse) -> None:
        super().__init__(
            command,
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=lambda: _close(socket),  # the user quits
            download_manager=DownloadManager(),
        )
        self._socket = socket

    async def run(self) -> None:
        """Pass its output on until it ends, for whatever reason; tell the page why."""
        try:
            await super().run()
        finally:
            if not self._socket.closed:
                why = f"Its process has ended: {await self._how_it_ended()}."
                await self._socket.close(code=WSCloseCode.INTERNAL_ERROR, message=why.encode())

    async def _how_it_ended(self) -> str:
        if self._process is None:
            return "it was not started"
        try:
            code = await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            return "it has closed its output"
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


class ScreenServer:
    """Serves the screen to who knows the token."""

    def __init__(self, options: WebScreenOptions) -> None:
        self._options = options
        command = [sys.executable, "-P", "-m", "monit_tui.web.session"]
        unset = [word for name in _NOT_FOR_SCREENS for word in ("-u", name)]
        argument = json.dumps(options.session)
        self._command = "exec " + shlex.join(["env", *unset, *command, argument])
        self._open: set[web.WebSocketResponse] = set()

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        app = web.Application(middlewares=[self._check])
        app.add_routes([
            web.get("/{token}/", self._page),
            web.get("/{token}/ws", self._screen),
            web.get("/{token}/static/{name}", self._static),
        ])  # fmt: skip
        app.on_shutdown.append(self._close_all)
        return app

    # ------------------------------------------------------------ requests

    @web.middleware
    async def _check(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        headers = security_headers(request.host)
        _, _, rest = request.path.partition("/")  # the target of OPTIONS may be *
        token, host = rest.partition("/")[0], request.headers.get("Host")
        why = self._options.rules.why_refused(token, host, request.headers.get("Origin"))
        if why:
            return web.Response(text=f"monit: {why}\n", status=403, headers=headers)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(headers)
            raise
        if not response.prepared:
            response.headers.update(headers)
        return response

    async def _page(self, request: web.Request) -> web.Response:
        text = page_text(self._options.title, request.query.get("fontsize", ""))
        return web.Response(text=text, content_type="text/html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["name"] == "page.js":
            return web.Response(text=SCRIPT, content_type="text/javascript")
        name = STATICS.get(request.match_info["name"])
        if name is None:
            raise web.HTTPNotFound
        return web.FileResponse(Path(textual_serve.__file__).parent / "static" / name)

    async def _screen(self, request: web.Request) -> web.WebSocketResponse:
        if len(self._open) >= SCREENS:
            text = f"monit: {SCREENS} screens are open already; close one of them\n"
            raise web.HTTPServiceUnavailable(text=text)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES)
        self._open.add(socket)
        try:
            await socket.prepare(request)
            width = _size(request.query.get("width"), 80, MOST_COLUMNS)
            await self._serve(socket, width, _size(request.query.get("height"), 24, MOST_ROWS))
        finally:
            self._open.discard(socket)
            await socket.close()
        return socket

    async def _serve(self, socket: web.WebSocketResponse, width: int, height: int) -> None:
        """Run the process of one screen until one side ends."""
        screen = ScreenProcess(self._command, socket)
        try:
            await screen.start(width, height)
        except OSError as error:
            terminal.print_line(f"monit: cannot start a screen: {error}")
            why = f"It cannot be started: {error.strerror}."
            await socket.close(code=WSCloseCode.INTERNAL_ERROR, message=why.encode())
            return
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await _pass_on(message.data, screen, socket)
        finally:
            with contextlib.suppress(TimeoutError, ConnectionError):
                await asyncio.wait_for(screen.stop(), STOP_S)
            screen.stdin.close()

    async def _close_all(self, _app: web.Application) -> None:
        for socket in list(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY)


async def _close(socket: web.WebSocketResponse) -> None:
    await socket.close()


async def _pass_on(text: str, screen: AppService, socket: web.WebSocketResponse) -> None:
    """Pass a message of the page on to the screen; what is none is ignored."""
    try:
        message: object = json.loads(text)
    except (ValueError, RecursionError):
        return
    match message:
        case ["stdin", str(data)]:
            await screen.send_bytes(data.encode("utf-8", "replace"))
        case ["resize", {"width": int(width), "height": int(height)}]:
            await screen.set_terminal_size(
                max(1, min(width, MOST_COLUMNS)), max(1, min(height, MOST_ROWS))
            )
        case ["ping", str(data)]:
            await socket.send_json(["pong", data])
        case ["focus"]:
            await screen.focus()
        case ["blur"]:
            await screen.blur()
        case _:
            return


def _size(text: str | None, otherwise: int, most: int) -> int:
    if text is None or not (text.isascii() and text.isdecimal()) or len(text) > 6:
        return otherwise
    return max(1, min(int(text), most))


# ------------------------------------------------------------ running it


def serve_screen(
    options: WebScreenOptions, address: tuple[str, int], announce: Callable[[str, int], None]
) -> None:
    """Serve until SIGTERM or SIGINT; ``announce`` gets host and port that are listened on. Raise
    `CannotListenError`."""
    asyncio.run(_serve_until_signal(options, address, announce))


async def _serve_until_signal(
    options: WebScreenOptions, address: tuple[str, int], announce: Callable[[str, int], None]
) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    application = ScreenServer(options).application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_S + 1.0)
    await runner.setup()
    try:
        host, port = address
        try:
            await web.TCPSite(runner, host or None, port).start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise CannotListenError(f"cannot listen on {host}:{port}: {why}") from error
        announce(host, runner.addresses[0][1])
        await stopped.wait()
    finally:
        await runner.cleanup()
