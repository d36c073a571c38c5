"""A connection to one agent over a plain socket, without ZeroMQ's library: one request at a time.

For commands that end at once. Whatever goes wrong is an `OSError` or a `zmtp.ProtocolError`; what
to do then is known to ``client/live``.
"""

import select
import time

from monit_agent.system.sockets import is_own_user, socket
from monit_agent.wire.zmtp import GREETING, Inbox, Message, message_bytes, ready_bytes

LARGEST_BYTES = 64 * 1024 * 1024
"""Largest answer that is accepted."""

_RECEIVED_BYTES = 64 * 1024
"""For more than 128 kB the C library asks the kernel, which takes longer than the rest."""

_HANDSHAKE = GREETING + ready_bytes(b"DEALER")
"""Sent with the first request: an agent does not wait for a turn of its peer."""


class PlainLink:
    """A connection to the socket ``path`` of an agent."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._inbox = Inbox(LARGEST_BYTES)
        self._sock: socket.socket | None = None
        self._requests = 0

    def send(self, request: bytes) -> int:
        """Send a request; return the descriptor on which the answer comes."""
        handshake = b"" if self._requests else _HANDSHAKE
        sock = self._connected()
        self._requests += 1
        data = handshake + message_bytes([b"%d" % self._requests, request])
        if sock.send(data) != len(data):  # the kernel has room: the last one was answered
            raise BlockingIOError
        return sock.fileno()

    def receive(self) -> bytes | None:
        """Take in what has arrived; return the answer when it is whole."""
        data = self._connected().recv(_RECEIVED_BYTES)
        if not data:
            raise ConnectionError
        self._inbox.add(data)
        while (message := self._inbox.next_message()) is not None:
            if isinstance(message, Message):
                return message.frames[-1]
        return None

    def ask(self, request: bytes, within_s: float) -> bytes:
        """Return the answer to a request; raise `TimeoutError` without one."""
        end = time.monotonic() + within_s
        poll = select.poll()
        poll.register(self.send(request), select.POLLIN)
        while poll.poll(max(0.0, end - time.monotonic()) * 1000):
            answer = self.receive()
            if answer is not None:
                return answer
        raise TimeoutError

    def close(self) -> None:
        """Close the connection."""
        if self._sock is not None:
            self._sock.close()

    def _connected(self) -> socket.socket:
        """Return the socket, which is made for the first request."""
        if self._sock is None:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                sock.connect(self._path)
                if not is_own_user(sock):
                    raise PermissionError
            except OSError:
                sock.close()
                raise
            self._sock = sock
        return self._sock
