"""One HTTP/1.1 request of the agent's loop: is there an answer, and with which status?

Own code, because what there is for this (http.client) waits. The status decides: 200 to 399 is
good. The rest of the answer is read for a moment and thrown away, so that the server can finish it.
"""

import errno
import os
import socket
from collections.abc import Callable

from monit_agent import __version__
from monit_agent.observe.loop import READ, WRITE, Loop
from monit_agent.wire.checkurl import Place

Done = Callable[[bool, str], None]

HEAD_BYTES = 8192
"""A status line is looked for in as much."""

REST_BYTES = 1024 * 1024
REST_S = 1.0
"""How much of an answer is read, and how long, after its status is known."""


class HttpCheck:
    """Asks ``place`` at one of ``addresses`` (tried in order) and calls ``done(ok, text)`` once,
    unless it is cancelled before."""

    def __init__(self, loop: Loop, place: Place, addresses: list[str], done: Done) -> None:
        self._loop = loop
        self._place = place
        self._addresses = addresses
        self._done: Done | None = done
        self._socket: socket.socket | None = None
        self._out = b""
        self._head = bytearray()
        self._read = 0
        self._next("no address")

    def cancel(self) -> None:
        """Give up; ``done`` is not called any more."""
        self._done = None
        self._close()

    # ------------------------------------------------------------ connecting

    def _next(self, why: str) -> None:
        """Connect to the next address; when there is none left, that was it."""
        self._close()
        if not self._addresses:
            self._tell(False, why)
            return
        address, *self._addresses = self._addresses
        try:
            self._connect(address)
        except OSError as error:
            self._next(_reason(error.errno) if error.errno else str(error))

    def _connect(self, address: str) -> None:
        place = self._place
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if place.socket is not None:
            family = socket.AF_UNIX
        sock = self._socket = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        self._loop.watch(sock.fileno(), self._ready, WRITE)
        target = place.socket if place.socket is not None else (address, place.port)
        problem = sock.connect_ex(target)
        if problem not in (0, errno.EINPROGRESS):
            raise OSError(problem, os.strerror(problem))
        self._out = (
            f"GET {place.path} HTTP/1.1\r\nHost: {place.authority}\r\n"
            f"User-Agent: monit/{__version__}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        ).encode("ascii", "replace")

    # ------------------------------------------------------------ asking

    def _ready(self, _events: int) -> None:
        if self._socket is None:
            return
        try:
            if self._out:
                self._write(self._socket)
            else:
                self._take(self._socket)
        except BlockingIOError:
            return
        except OSError as error:
            self._next(_reason(error.errno))

    def _write(self, sock: socket.socket) -> None:
        problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if problem:
            raise OSError(problem, os.strerror(problem))
        self._out = self._out[sock.send(self._out) :]
        if not self._out:
            self._loop.watch(sock.fileno(), self._ready, READ)

    def _take(self, sock: socket.socket) -> None:
        part = sock.recv(65536)
        self._read += len(part)
        if self._done is not None:
            self._head += part
            self._judge(ended=not part)
        if not part or self._read > REST_BYTES:
            self._close()

    def _judge(self, *, ended: bool) -> None:
        """Read the status line; after 100 Continue and its like comes another one."""
        head = bytes(self._head)
        while head.startswith(b"HTTP/1.") and head[9:10] == b"1" and b"\r\n\r\n" in head:
            head = head.partition(b"\r\n\r\n")[2]
        line, newline, _ = head.partition(b"\n")
        code = line[9:12]
        if newline and line.startswith(b"HTTP/1.") and code.isdigit():
            if code[:1] != b"1":
                self._tell(200 <= int(code) < 400, f"status {int(code)}")
        elif newline or len(head) > HEAD_BYTES:
            self._tell(False, "an answer that is not HTTP")
        if ended and self._done is not None:
            self._tell(False, "the connection was closed without an answer")

    def _tell(self, ok: bool, text: str) -> None:
        done, self._done = self._done, None
        if self._socket is not None:
            self._loop.after(REST_S, self._close)
        if done is not None:
            done(ok, text)

    def _close(self) -> None:
        if self._socket is not None:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()
            self._socket = None


def _reason(number: int | None) -> str:
    """Give an error of the system as it reads in a sentence: ``connection refused``."""
    text = os.strerror(number or errno.EIO)
    return text[:1].lower() + text[1:]
