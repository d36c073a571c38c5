"""Node's channel between a primary and a worker: a socket pair with a line of JSON a message."""

import _socket as socket
from collections import deque
from collections.abc import Callable

from monit_agent.keep import jsonline
from monit_agent.keep.listeners import hand_over
from monit_agent.keep.loop import READ, WRITE, Loop
from monit_agent.supervise.typed import Any

LINE_BYTES = 1 << 20
"""A longer message is passed over: ours are short, and what apps say to pm2 is not for us."""
BEHIND_MESSAGES = 256
_READ_BYTES = 65536


class Channel:
    """The keeper's end. ``heard(message)`` for each message, ``closed()`` when the worker closed
    its end. A worker that does not read loses what piles up beyond `BEHIND_MESSAGES`."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        heard: Callable[[Any], None],
        closed: Callable[[], None],
    ) -> None:
        self.sock = sock
        self._loop = loop
        self._heard = heard
        self._closed = closed
        self._in = bytearray()
        self._skipping = False
        self._out: deque[tuple[bytes, int]] = deque()
        sock.setblocking(False)
        loop.watch(sock.fileno(), self._serve)

    def send(self, message: Any, fd: int = -1) -> None:
        """Send a message, and a descriptor with it. The descriptor must stay open."""
        if self.sock.fileno() < 0 or len(self._out) >= BEHIND_MESSAGES:
            return
        self._out.append((jsonline.dump(message) + b"\n", fd))
        self._write()

    def close(self) -> None:
        """Close this end; nothing is called any more."""
        if self.sock.fileno() >= 0:
            self._loop.forget(self.sock.fileno())
            self.sock.close()

    def _serve(self, events: int) -> None:
        if events & WRITE:
            self._write()
        if events & ~WRITE and self.sock.fileno() >= 0:
            self._read()

    def _write(self) -> None:
        while self._out:
            data, fd = self._out[0]
            try:
                sent = self.sock.send(data) if fd < 0 else hand_over(self.sock, data, fd)
            except BlockingIOError:
                break
            except OSError:
                self._out.clear()  # the reading side notices that it is gone
                break
            self._out.popleft()
            if sent < len(data):
                self._out.appendleft((data[sent:], -1))
        if self.sock.fileno() >= 0:
            mask = READ | WRITE if self._out else READ
            self._loop.watch(self.sock.fileno(), self._serve, mask)

    def _read(self) -> None:
        try:
            data = self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._closed()
            return
        *lines, rest = (self._in + data).split(b"\n")
        if lines and self._skipping:
            self._skipping = False
            del lines[0]
        self._in = bytearray() if self._skipping else bytearray(rest)
        if len(self._in) > LINE_BYTES:
            self._in.clear()
            self._skipping = True
        for line in lines:
            self._take(line)

    def _take(self, line: bytes | bytearray) -> None:
        try:
            message = jsonline.load(line)
        except (ValueError, RecursionError):
            return  # the first line after a keeper's death may have lost its beginning
        self._heard(message)
