"""The stream connections of Node's probes: lines in, and requests out that never block."""

import contextlib
import socket
import struct
from collections.abc import Callable

from monit_agent.observe.loop import READ, WRITE, Loop

LINE_BYTES = 256 * 1024
"""Longest line that a Node process may send before its connection is closed."""

OUT_BYTES = 256 * 1024
"""Most that waits for one process to read it; what is asked beyond is refused."""

STREAMS = 1024
"""Node processes that may be connected."""

CREDENTIALS = struct.Struct("3i")
"""pid, uid, gid, as the kernel tells them."""


class _Stream:
    """One connection; ``pid`` is what the kernel says of its other end."""

    def __init__(self, connection: socket.socket) -> None:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        self.socket = connection
        self.pid: int = CREDENTIALS.unpack(raw)[0]
        self.incoming = bytearray()
        self.outgoing = bytearray()


class Streams:
    """Accepts on ``listener`` and hands each line to ``take(pid, line)``; ``closed(pid)`` is
    called when a process has closed its last connection."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        take: Callable[[int, bytes], None],
        closed: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._take = take
        self._closed = closed
        self._streams: dict[int, _Stream] = {}
        listener.listen(64)
        loop.watch(listener.fileno(), lambda _events: self._accept(listener))

    def send(self, pid: int, line: bytes) -> bool:
        """Send ``line`` to process ``pid``; False when it is not connected or does not read."""
        found = [stream for stream in self._streams.values() if stream.pid == pid]
        # the oldest is the one that its main thread keeps; others only bring a report
        if not found or len(found[0].outgoing) + len(line) > OUT_BYTES:
            return False
        found[0].outgoing += line
        self._write(found[0])
        return True

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        if len(self._streams) >= STREAMS:
            connection.close()
            return
        connection.setblocking(False)
        fd = connection.fileno()
        self._streams[fd] = _Stream(connection)
        self._loop.watch(fd, lambda events: self._ready(fd, events))

    def _ready(self, fd: int, events: int) -> None:
        stream = self._streams[fd]
        if events & WRITE:
            self._write(stream)
        if events & ~WRITE:
            self._read(fd, stream)

    def _write(self, stream: _Stream) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            # that the other end is gone is noticed where it is read from
            del stream.outgoing[: stream.socket.send(stream.outgoing)]
        fd = stream.socket.fileno()
        events = READ | WRITE if stream.outgoing else READ
        self._loop.watch(fd, lambda events: self._ready(fd, events), events)

    def _read(self, fd: int, stream: _Stream) -> None:
        try:
            part = stream.socket.recv(64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        stream.incoming += part
        *lines, rest = stream.incoming.split(b"\n")
        for line in lines:
            self._take(stream.pid, bytes(line))
        stream.incoming[:] = rest
        if not part or len(rest) > LINE_BYTES:
            self._loop.unwatch(fd)
            del self._streams[fd]
            stream.socket.close()
            if all(other.pid != stream.pid for other in self._streams.values()):
                self._closed(stream.pid)
