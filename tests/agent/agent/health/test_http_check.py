"""HTTP checks, against servers that behave and those that do not."""

import asyncio
import contextlib
import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from monit_agent.agent.health.http_check import Answerer, CheckResult, HttpChecker
from monit_agent.wire.checkurl import CheckAddress, read_url

DEADLINE_S = 10.0
US = Answerer(os.getpid(), DEADLINE_S)
"""The servers of these tests run in this process."""


def _check(
    place: CheckAddress, addresses: Sequence[str] | None = None, by: Answerer = US
) -> CheckResult:
    """Check once; at ``addresses`` instead of those that the place leads to."""

    async def check() -> CheckResult:
        checker = HttpChecker()
        async with asyncio.timeout(DEADLINE_S):
            if addresses is None:
                result = await checker.check(place, by)
            else:
                result = await checker.check_at(place, addresses, by)
        checker.close()
        await asyncio.sleep(0)
        return result

    return asyncio.run(check())


class _Server:
    """Takes one connection, reads a request, answers in the given parts, and goes."""

    def __init__(self, *parts: bytes, family: int = socket.AF_INET, at: object = None) -> None:
        self.request = b""
        self.sent_all = False
        self._parts = parts
        self._listener = socket.socket(family)
        self._listener.bind(at or ("127.0.0.1", 0))
        self._listener.listen()
        self._listener.settimeout(DEADLINE_S)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/health?a=1"

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, self._listener:
            connection.settimeout(DEADLINE_S)
            while b"\r\n\r\n" not in self.request:
                self.request += connection.recv(4096)
            with contextlib.suppress(ConnectionError):  # a check that has its verdict may leave
                for part in self._parts:
                    connection.sendall(part)
                self.sent_all = True

    def join(self) -> None:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

ANSWERS: dict[str, tuple[tuple[bytes, ...], bool, str]] = {
    "200": ((OK,), True, "status 200"),
    "204 of HTTP/1.0": ((b"HTTP/1.0 204 No Content\r\n\r\n",), True, "status 204"),
    "302": ((b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n",), True, "status 302"),
    "404": ((b"HTTP/1.1 404 Not Found\r\n\r\nno",), False, "status 404"),
    "503": ((b"HTTP/1.1 503 Service Unavailable\r\n\r\n",), False, "status 503"),
    "byte by byte": (tuple(OK[i : i + 1] for i in range(len(OK))), True, "status 200"),
    "after 103": ((b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK), True, "status 200"),
    "no HTTP": ((b"+PONG\r\n",), False, "an answer that is not HTTP"),
    "endless line": ((b"x" * 20_000,), False, "an answer that is not HTTP"),
    "nothing": ((), False, "the connection was closed without an answer"),
    "half a line": ((b"HTTP/1.1 2",), False, "the connection was closed without an answer"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_status_decides(name: str) -> None:
    """200 to 399 is good; whatever else comes is bad, and named."""
    parts, ok, text = ANSWERS[name]
    server = _Server(*parts)
    place = read_url(server.url)
    assert _check(place) == (ok, text)
    server.join()
    head, *lines = server.request.split(b"\r\n")
    assert head == b"GET /health?a=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{place.port}".encode() in lines
    assert b"Connection: close" in lines


def test_a_long_answer_can_be_finished() -> None:
    """The server is not cut off while it writes, so that it has no error to log."""
    server = _Server(OK, *[b"x" * 10_000] * 20)

    async def check() -> CheckResult:
        checker = HttpChecker()
        result = await checker.check(read_url(server.url), US)
        await asyncio.to_thread(server.join)
        checker.close()
        await asyncio.sleep(0)
        return result

    assert asyncio.run(check()).text == "status 200"
    assert server.sent_all


def test_a_refusal_reads_as_the_system_says_it() -> None:
    """And of several addresses the next one is tried."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        refused = _check(CheckAddress("h", port, "/"), ["127.0.0.1", "127.0.0.2"])
        server = _Server(OK, at=("127.0.0.3", port))
        reached = _check(CheckAddress("h", port, "/"), ["127.0.0.1", "127.0.0.3"])
        server.join()
    assert refused == (False, "connection refused")
    assert reached == (True, "status 200")


def test_a_unix_socket_is_checked_too(tmp_path: Path) -> None:
    """Also one that is not there, and one whose path is longer than the kernel takes."""
    path = os.path.relpath(tmp_path / "a.sock")
    server = _Server(OK, family=socket.AF_UNIX, at=path)
    assert _check(read_url(f"unix:{path}:/up")) == (True, "status 200")
    server.join()
    assert server.request.startswith(b"GET /up HTTP/1.1\r\nHost: localhost\r\n")
    none = tmp_path / "none.sock"
    assert _check(CheckAddress("", 0, "/", str(none))) == (False, "no such file or directory")
    assert _check(CheckAddress("", 0, "/", "/" + "x" * 200)) == (False, "AF_UNIX path too long")


def test_a_silent_server_can_be_given_up() -> None:
    """A server that accepts and says nothing: a cancelled check closes its connection."""

    async def give_up(place: CheckAddress, listener: socket.socket) -> bytes:
        task = asyncio.create_task(HttpChecker().check(place, US))
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(listener)
        with connection:
            request = await loop.sock_recv(connection, 4096)
            assert request.startswith(b"GET / ")
            assert not task.done()
            task.cancel()
            with contextlib.suppress(ConnectionResetError):
                return await loop.sock_recv(connection, 4096)
        return b""

    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        mute.setblocking(False)
        place = CheckAddress("127.0.0.1", mute.getsockname()[1], "/")
        assert asyncio.run(give_up(place, mute)) == b""


def test_a_host_name_without_an_address_is_the_reason() -> None:
    """A name is looked up; where nobody knows it, the failure names it."""
    result = _check(CheckAddress("no-such-host.invalid", 80, "/"))
    assert not result.ok
    assert result.text.startswith("no-such-host.invalid: ")


def test_localhost_needs_no_name_server() -> None:
    """In whatever case it is written."""
    server = _Server(OK)
    place = read_url(server.url)
    assert _check(place._replace(host="LocalHost")) == (True, "status 200")
    server.join()


def test_the_answer_of_another_process_does_not_count() -> None:
    """A server outside the worker's process tree gets no request, and the result says so."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        subprocess.Popen(["sleep", "60"]) as stranger,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = CheckAddress("127.0.0.1", server.server_port, "/")
        theirs = _check(place, by=Answerer(stranger.pid, 0.1))
        before = list(paths)
        ours = _check(place)
        stranger.kill()
        server.shutdown()
    assert (theirs, before) == ((False, "another process answers there"), [])
    assert (ours, paths) == ((True, "status 200"), ["/"])
