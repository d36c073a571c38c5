"""One HTTP request of the agent's loop, against servers that behave and those that do not."""

import contextlib
import os
import socket
import threading
from pathlib import Path

import pytest

from monit_agent.observe.httpcheck import HttpCheck
from monit_agent.observe.lookup import Lookup
from monit_agent.observe.loop import Loop
from monit_agent.wire.checkurl import Place, read_url

DEADLINE_S = 10.0


def _ask(place: Place, addresses: list[str], deadline_s: float = DEADLINE_S) -> tuple[bool, str]:
    """Run a loop until the check has its verdict; give that."""
    loop, said, checks = Loop(), list[tuple[bool, str]](), list[HttpCheck]()

    def done(ok: bool, text: str) -> None:
        said.append((ok, text))
        loop.stop()

    loop.after(0.0, lambda: checks.append(HttpCheck(loop, place, addresses, done)))
    loop.after(deadline_s, loop.stop)
    loop.run()
    checks[0].cancel()
    assert len(said) <= 1
    return said[0] if said else (False, "silence")


class _Server:
    """Takes one connection, reads a request, answers in the given parts, and goes."""

    def __init__(self, *parts: bytes, family: int = socket.AF_INET, at: object = None) -> None:
        self.request = b""
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
    """200 to 399 is good; whatever else comes is bad, and said."""
    parts, ok, text = ANSWERS[name]
    server = _Server(*parts)
    place = read_url(server.url)
    assert _ask(place, ["127.0.0.1"]) == (ok, text)
    server.join()
    head, *lines = server.request.split(b"\r\n")
    assert head == b"GET /health?a=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{place.port}".encode() in lines
    assert b"Connection: close" in lines


def test_a_long_answer_can_be_finished() -> None:
    """The server is not cut off while it writes, so that it has no error to log."""
    server = _Server(OK, *[b"x" * 10_000] * 20)
    loop, said = Loop(), list[str]()
    place = read_url(server.url)
    loop.after(
        0.0, lambda: HttpCheck(loop, place, ["127.0.0.1"], lambda _, t: said.append(t)) and None
    )
    loop.every(0.05, lambda: None if server._thread.is_alive() else loop.stop())
    loop.after(DEADLINE_S, loop.stop)
    loop.run()
    assert said == ["status 200"]
    server.join()


def test_nobody_there_is_said_as_the_system_says_it() -> None:
    """And of several addresses the next one is tried."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        refused = _ask(Place("h", port, "/"), ["127.0.0.1", "127.0.0.2"])
        server = _Server(OK, at=("127.0.0.3", port))
        reached = _ask(Place("h", port, "/"), ["127.0.0.1", "127.0.0.3"])
        server.join()
    assert refused == (False, "connection refused")
    assert reached == (True, "status 200")


def test_a_unix_socket_is_asked_too(tmp_path: Path) -> None:
    """Also one that is not there, and one whose path is longer than the kernel takes."""
    path = os.path.relpath(tmp_path / "a.sock")
    server = _Server(OK, family=socket.AF_UNIX, at=path)
    place = read_url(f"unix:{path}:/up")
    assert _ask(place, [path]) == (True, "status 200")
    server.join()
    assert server.request.startswith(b"GET /up HTTP/1.1\r\nHost: localhost\r\n")
    none = tmp_path / "none.sock"
    assert _ask(Place("", 0, "/", str(none)), [""]) == (False, "no such file or directory")
    assert _ask(Place("", 0, "/", "/" + "x" * 200), [""]) == (False, "AF_UNIX path too long")


def test_silence_is_no_verdict_and_can_be_given_up() -> None:
    """A server that accepts and says nothing: nothing comes, and after cancel nothing ever will."""
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        loop, said = Loop(), list[str]()
        place = Place("127.0.0.1", mute.getsockname()[1], "/")
        checks: list[HttpCheck] = []

        def begin() -> None:
            checks.append(HttpCheck(loop, place, ["127.0.0.1"], lambda _, text: said.append(text)))

        def give_up() -> None:
            checks[0].cancel()
            mute.close()
            loop.after(0.1, loop.stop)

        loop.after(0.0, begin)
        loop.after(0.2, give_up)
        loop.run()
    assert said == []


def _found(host: str) -> list[tuple[list[str], str]]:
    loop, found = Loop(), list[tuple[list[str], str]]()
    lookup = Lookup(loop)

    def take(addresses: list[str], why: str) -> None:
        found.append((addresses, why))
        loop.stop()

    loop.after(0.0, lambda: lookup.find(host, take))
    loop.after(DEADLINE_S, loop.stop)
    loop.run()
    return found


def test_names_and_addresses_are_found() -> None:
    """An address is itself, localhost is known, another name is looked up or its failure told."""
    assert _found("127.0.0.9") == [(["127.0.0.9"], "")]
    assert _found("::1") == [(["::1"], "")]
    assert _found("LocalHost") == [(["127.0.0.1", "::1"], "")]
    ((addresses, why),) = _found("no-such-host.invalid")
    assert addresses == []
    assert why.startswith("no-such-host.invalid: ")
