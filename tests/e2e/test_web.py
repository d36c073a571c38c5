"""`monit web`: the screen in a browser, for who has the token."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

aiohttp = pytest.importorskip("aiohttp")
pytest.importorskip("textual_serve")
pyte = pytest.importorskip("pyte")

import psutil  # noqa: E402 - after the skips

from monit_agent.cli.verbs import web as verb  # noqa: E402
from support.browser import CHROMIUM, browsing  # noqa: E402
from support.command_line import MONIT, command, monit, monit_error, row, script  # noqa: E402
from support.ports import free_port  # noqa: E402
from support.waiting import wait_until  # noqa: E402

pytestmark = pytest.mark.usefixtures("home")
DEADLINE_S = 60


class Served:
    """A running `monit web`."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process, self.url = process, url

    @property
    def root(self) -> str:
        return self.url.rsplit("/", 2)[0]

    def screens(self) -> list[psutil.Process]:
        """Return the processes of the open screens, which are all that it starts."""
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def _served(*words: str, cwd: Path | None = None) -> Iterator[Served]:
    listen = ("--listen", str(free_port()))
    process = subprocess.Popen(
        [*MONIT, "web", *listen, *words], stdout=subprocess.PIPE, text=True, cwd=cwd
    )
    try:
        assert process.stdout is not None
        yield Served(process, process.stdout.readline().strip())
    finally:
        process.terminate()
        process.communicate()


def _run(play: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            await play(session)

    asyncio.run(run())


class Page:
    """What a browser does with the websocket, without one."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self._screen)

    async def send(self, *message: object) -> None:
        await self._socket.send_str(json.dumps(message))

    async def until(self, text: str) -> None:
        """Read until the screen shows a text."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not any(text in line for line in self._screen.display):
                    message = await self._socket.receive()
                    assert message.type is aiohttp.WSMsgType.BINARY, (message, self._screen.display)
                    self._stream.feed(message.data)
        except TimeoutError:
            raise AssertionError(f"no {text!r} on\n" + "\n".join(self._screen.display)) from None

    async def until_closed(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            async for _ in self._socket:
                pass

    async def why_closed(self) -> str:
        """Return the reason that the server gives, as the page's script gets it."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self._socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return message.extra or ""
                assert message.type is aiohttp.WSMsgType.BINARY, message


def _socket_of(session: aiohttp.ClientSession, served: Served, **headers: str):
    return session.ws_connect(f"{served.url}ws?width=100&height=30", headers=headers)


@pytest.fixture(name="app")
def _app(home: Path, tmp_path: Path) -> str:
    assert home.exists()
    monit("start", str(script(tmp_path)), "--name", "app")
    return "app"


def test_the_screen_is_shown_and_its_keys_work(app: str) -> None:
    """The page loads nothing from elsewhere; the websocket shows the rows and takes keys and sizes;
    q ends it and its process."""

    async def play(session: aiohttp.ClientSession) -> None:
        async with session.get(served.url) as answer:
            text = await answer.text()
            assert answer.status == 200
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "https://" not in text
        for name in ("textual.js", "xterm.css", "page.js"):
            async with session.get(f"{served.url}static/{name}") as answer:
                assert answer.status == 200, name
        async with _socket_of(session, served) as socket:
            page = Page(socket)
            await page.until("online")
            await page.until("read-only")
            await page.send("stdin", "?")
            await page.until("Process list")
            await page.send("stdin", "q")
            await page.send("resize", {"width": 90, "height": 28})
            await page.until("1 Processes")
            await page.send("stdin", "q")
            await page.until_closed()

    with _served() as served:
        _run(play)
        wait_until(lambda: not served.screens(), what="its process has ended")
    assert row(app)["status"] == "online"


def test_it_is_read_only_unless_write_is_said(app: str) -> None:
    """Key x does nothing by default; with --write it asks and stops the app."""

    async def looks(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            page = Page(socket)
            await page.until("online")
            await page.send("stdin", "xP")
            await page.send("stdin", "?")
            await page.until("Process list")

    async def stops(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            page = Page(socket)
            await page.until("online")
            await page.send("stdin", "x")
            await page.until("Stop app?")
            await page.send("stdin", "y")
            await page.until("stopped")

    with _served() as served:
        _run(looks)
    assert row(app)["status"] == "online"
    with _served("--write") as served:
        _run(stops)
    wait_until(lambda: row(app)["status"] == "stopped", what="the app is stopped")


def test_without_write_nothing_is_saved(app: str, tmp_path: Path) -> None:
    """Ctrl+s writes a file only with --write; the help lists it only then."""
    folder = tmp_path / "server"
    folder.mkdir()

    def saved() -> list[Path]:
        return list(folder.glob("*.log"))

    async def press(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            page = Page(socket)
            await page.until("online")
            await page.send("stdin", "2")
            await page.send("stdin", "\x13")
            await page.send("stdin", ":logs.save\r")
            if "--write" in words:
                await asyncio.to_thread(wait_until, saved, what="the log is saved")
            else:
                await page.until("no command")

    for words in ((), ("--write",)):
        with _served(*words, cwd=folder) as served:
            _run(press)
        assert bool(saved()) == ("--write" in words), (app, saved())


def test_without_token_or_from_elsewhere_there_is_nothing(app: str) -> None:
    """No token, another name or another page: no page, no script, no websocket, no process."""
    assert app

    async def play(session: aiohttp.ClientSession) -> None:
        for path in ("/", "/x/", "/x/ws", "/x/static/textual.js", "/static/textual.js", "/ws"):
            async with session.get(served.root + path) as answer:
                assert answer.status == 403, path
                assert "token" in await answer.text()
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            for path in ("", "ws", "static/textual.js"):
                async with session.get(served.url + path, headers=headers) as answer:
                    assert answer.status == 403, (headers, path)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await _socket_of(session, served, **headers)
        async with session.get(f"{served.url}static/..%2f..%2fserver.py") as answer:
            assert answer.status == 404
        async with session.post(served.url) as answer:
            assert answer.status == 405
        async with session.get(served.url, headers={"Host": "monit.example.com"}) as answer:
            assert answer.status == 200

    with _served("--allow-host", "monit.example.com") as served:
        _run(play)
        assert served.screens() == []


def test_what_is_no_message_is_ignored(app: str) -> None:
    """The screen stays, whatever a client sends; sizes have limits."""
    assert app

    async def play(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            page = Page(socket)
            await page.until("online")
            for text in (
                "",
                "{}",
                "[]",
                "[1]",
                '["stdin", 7]',
                '["resize", {"width": "a"}]',
                "[" * 9999,
            ):
                await socket.send_str(text)
            await socket.send_bytes(b"\xff")
            await page.send("resize", {"width": 10**9, "height": -5})
            await page.send("resize", {"width": 100, "height": 30})
            await page.send("stdin", "?")
            await page.until("Process list")

    with _served() as served:
        _run(play)


def test_screens_end_with_their_browser_and_with_the_server(app: str) -> None:
    """A closed page ends its process; a killed server ends all of them."""
    assert app

    async def closes(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            await Page(socket).until("online")
            assert len(served.screens()) == 1

    async def is_killed(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            await Page(socket).until("online")
            screens = served.screens()
            served.process.send_signal(signal.SIGKILL)
            gone, alive = psutil.wait_procs(screens, timeout=DEADLINE_S)
            assert gone
            assert not alive

    with _served() as served:
        _run(closes)
        wait_until(lambda: not served.screens(), what="its process has ended")
        _run(is_killed)


def test_sigterm_ends_it_and_its_screens(app: str) -> None:
    """The exit code is 0, and no screen is left."""
    assert app

    async def play(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            page = Page(socket)
            await page.until("online")
            screens = served.screens()
            served.process.terminate()
            await page.until_closed()
            assert not psutil.wait_procs(screens, timeout=DEADLINE_S)[1]

    with _served() as served:
        _run(play)
        assert served.process.wait(DEADLINE_S) == 0


def test_a_dead_screen_closes_its_page(app: str) -> None:
    """The page learns why at once, and its place is free for another one."""
    assert app

    async def play(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            page = Page(socket)
            await page.until("online")
            (screen,) = served.screens()
            screen.kill()
            assert "killed by signal 9" in await page.why_closed()
        async with _socket_of(session, served) as socket:
            await Page(socket).until("online")

    with _served() as served:
        _run(play)


def test_a_screen_that_does_not_start_closes_its_page(
    app: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page learns the exit code."""
    assert app
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'monit_tui.web.session' in sys.orig_argv:\n    os._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def play(session: aiohttp.ClientSession) -> None:
        async with _socket_of(session, served) as socket:
            assert "exit code 3" in await Page(socket).why_closed()

    with _served() as served:
        _run(play)


def test_a_request_without_a_path_is_refused() -> None:
    """OPTIONS * names no page, and so no token."""
    with _served() as served:
        address = served.root.removeprefix("http://").split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=DEADLINE_S) as line:
            line.sendall(b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            answer = b""
            while part := line.recv(4096):
                answer += part
        assert answer.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("--listen", "0.0.0.0:9210"), 2, "--expose"),
        (("--listen", ":9210"), 2, "every address can be reached"),
        (("--listen", "[::]:9210"), 2, "other machines"),
        (("--listen", "unix:/tmp/web.sock"), 2, "no Unix socket"),
        (("--listen", "192.0.2.1:9210", "--expose"), 1, "cannot listen on 192.0.2.1:9210"),
    ],
)
def test_bad_words_are_refused(words: tuple[str, ...], code: int, why: str) -> None:
    """What would open the screen to the world, or cannot be done, is an error that says so."""
    assert why in monit_error("web", *words, code=code)


def test_without_textual_serve_it_says_what_to_install(tmp_path: Path) -> None:
    """An installation without the extra gets the command of pip."""
    hidden = tmp_path / "hide.py"
    hidden.write_text(
        "import sys\n"
        "sys.modules['textual_serve'] = None\n"
        "sys.argv = ['monit', 'web']\n"
        "import runpy\n"
        "runpy.run_module('monit_agent', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, str(hidden)], capture_output=True, text=True, env=os.environ, timeout=60
    )
    assert done.returncode == 1
    assert "pipx install --force '.[web]'" in done.stderr
    assert verb.NEEDED[0] == "textual_serve"
    assert "--write" in command("web", "--help").stdout


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_real_browser_shows_it(app: str, tmp_path: Path) -> None:
    """Chromium opens the page without an error, and a pressed q closes the screen."""
    assert app

    async def play() -> None:
        async with browsing(served.url, tmp_path / "profile") as browser:
            await browser.until(
                "document.body && document.body.className",
                lambda name: name and "-first-byte" in name,
                "the screen is painted",
            )
            size = await browser.value("document.querySelector('.xterm-screen').clientWidth")
            assert size > 800
            await browser.until_picture(lambda png: len(png) > 8_000, "rows and panes are painted")
            await browser.press("q")
            await browser.until(
                "document.body.className", lambda name: "-closed" in name, "it is closed"
            )

    with _served() as served:
        asyncio.run(play())
