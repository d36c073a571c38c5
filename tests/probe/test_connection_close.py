"""Servers whose worker goes: the last answer on each kept connection says that it is the last."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support import servers
from support.ports import free_port, is_listening
from support.probe import INJECT, each_version, python
from support.waiting import wait_until

GO = signal.SIGRTMAX - 6
AT_A_SIGNAL = f"""
import signal, sys
sys.path.insert(0, {str(INJECT)!r})
import _monit_connection_close
signal.signal({int(GO)}, lambda *_: _monit_connection_close.announce())
"""
WEBSOCKETS = {
    "tornado": """
import asyncio, os, tornado.web, tornado.websocket
class AtOnce(tornado.web.RequestHandler):
    def get(self):
        self.write(str(os.getpid()))
class Socket(tornado.websocket.WebSocketHandler):
    pass
async def main():
    app = tornado.web.Application([("/", AtOnce), ("/socket", Socket)])
    app.listen(int(os.environ["TEST_PORT"]), "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
""",
    "aiohttp": """
import os
from aiohttp import web
async def at_once(request):
    return web.Response(text=str(os.getpid()))
async def socket(request):
    answer = web.WebSocketResponse()
    await answer.prepare(request)
    async for _ in answer:
        pass
    return answer
app = web.Application()
app.add_routes([web.get("/", at_once), web.get("/socket", socket)])
web.run_app(app, host="127.0.0.1", port=int(os.environ["TEST_PORT"]), print=None)
""",
}
HANDSHAKE = (
    b"GET /socket HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
KEPT = [
    "http.server 1.1", "tornado", "aiohttp", "uvicorn asyncio", "uvicorn uvloop", "uvicorn h11",
    "hypercorn", "gunicorn asgi",
]  # fmt: skip


class Answer(NamedTuple):
    """What was answered; ``connection`` are its headers of that name."""

    body: bytes
    connection: list[str]


@contextlib.contextmanager
def served(
    kind: str, folder: Path, code: str = "", interpreter: str = sys.executable
) -> Iterator[int]:
    """Run a server without monit, for which `GO` stands for the worker's going; return its port."""
    h11 = kind == "uvicorn h11"
    server = servers.SERVERS["uvicorn asyncio" if h11 else kind]
    (folder / "web.py").write_text(code or server.code)
    (folder / "sitecustomize.py").write_text(AT_A_SIGNAL)
    port = free_port()
    words = [word.format(bin=servers.BIN, port=port) for word in server.words]
    extra = dict(each.split("=", 1) for each in server.env)
    process = subprocess.Popen(
        [*(words or [interpreter, "web.py"]), *(["--http", "h11"] if h11 else [])],
        cwd=folder, start_new_session=True,
        env={**os.environ, **extra, "PYTHONPATH": str(folder), "TEST_PORT": str(port)},
    )  # fmt: skip
    try:
        wait_until(lambda: is_listening(port), what=f"{kind} listens", deadline_s=40)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def asked(sock: socket.socket) -> Answer:
    """Ask on a connection; return the answer, whose body is the pid of who answers."""
    sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    connection = answer.headers.get_all("Connection") or []
    return Answer(answer.read(), [each.lower() for each in connection])


def called(port: int) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def gone(port: int) -> None:
    """Have the worker go, and see that it does."""
    with called(port) as sock:
        first = asked(sock)
        assert "close" not in first.connection
        os.kill(int(first.body), GO)
        wait_until(
            lambda: "close" in asked(sock).connection, what="an answer says that it is the last"
        )
        assert sock.recv(1) == b"", "and it is"


@pytest.mark.parametrize("kind", KEPT)
def test_the_last_answer_says_that_it_is_the_last(kind: str, tmp_path: Path) -> None:
    """On connections that were open before, used or not, and on new ones."""
    with served(kind, tmp_path) as port, called(port) as used, called(port) as unused:
        asked(used)
        gone(port)
        with called(port) as new:
            for sock in (used, unused, new):
                assert asked(sock).connection == ["close"]
                assert sock.recv(1) == b""


@each_version
def test_every_python_says_it(version: str, tmp_path: Path) -> None:
    """The server that comes with Python, from the oldest to the newest."""
    with (
        served("http.server 1.1", tmp_path, interpreter=python(version)) as port,
        called(port) as sock,
    ):
        gone(port)
        assert asked(sock).connection == ["close"]
        assert sock.recv(1) == b""


@pytest.mark.parametrize("kind", WEBSOCKETS)
def test_a_websocket_can_still_be_opened(kind: str, tmp_path: Path) -> None:
    """An answer about another protocol has only that in its header."""
    with served(kind, tmp_path, WEBSOCKETS[kind]) as port, called(port) as sock:
        gone(port)
        sock.sendall(HANDSHAKE)
        head = sock.recv(4096).lower()
        assert head.startswith(b"http/1.1 101")
        assert b"connection: upgrade\r\n" in head
        assert b"close" not in head


def test_continue_is_not_the_last_answer(tmp_path: Path) -> None:
    """A client that asks whether it may send its body gets 100; the last answer comes after."""
    with served("http.server 1.1", tmp_path) as port, called(port) as sock:
        gone(port)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\n\r\n")
        answers = sock.makefile("rb").read()
    first, last = answers.split(b"\r\n\r\n")[:2]
    assert first == b"HTTP/1.1 100 Continue"
    assert b"Connection: close" in last
