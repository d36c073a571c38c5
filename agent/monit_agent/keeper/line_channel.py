"""A connection over which lines of JSON go both ways; nobody waits for the other end."""

from collections.abc import Callable

from monit_agent.keeper.loop import READ, WRITE, Loop
from monit_agent.system import jsonline
from monit_agent.system.lines import LineBuffer
from monit_agent.system.sockets import socket
from monit_agent.typed import Any

LINE_BYTES = 64 << 20
"""The snapshot of a thousand instances has 2 MB."""
_READ_BYTES = 1 << 18


def connected(path: str) -> socket.socket | None:
    """Return a connection to the Unix socket ``path``; None when nothing answers there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.setblocking(False)
    try:
        sock.connect(path)
    except OSError:
        sock.close()
        return None
    return sock


class LineChannel:
    """Calls ``received(message)`` for each line, and ``lost()`` at the end of the connection."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        received: Callable[[dict[str, Any]], None],
        lost: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._received = received
        self._lost = lost
        self._inbox = LineBuffer(LINE_BYTES)
        self._outbox = bytearray()
        self._is_open = True
        loop.watch(sock.fileno(), self._serve)

    def send(self, message: dict[str, Any]) -> None:
        """Send a line, now or when the other end reads."""
        if self._is_open:
            self._outbox += jsonline.dump(message) + b"\n"
            self._flush()

    def close(self) -> None:
        """Close the connection; nothing is called any more."""
        if self._is_open:
            self._is_open = False
            self._loop.unwatch(self._sock.fileno())
            self._sock.close()

    def _serve(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & ~WRITE:
            self._read()

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        for line in self._inbox.add(data):
            if self._is_open:
                self._received(jsonline.load(line))
        if self._is_open and (not data or self._inbox.is_too_long):
            self.close()
            self._lost()

    def _flush(self) -> None:
        try:
            sent = self._sock.send(self._outbox)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the next read finds the end
        del self._outbox[:sent]
        mask = READ | WRITE if self._outbox else READ
        self._loop.watch(self._sock.fileno(), self._serve, mask)
