"""The stream connections of Node's probes: reports in, and requests out that never block."""

import asyncio
import socket
from collections.abc import Callable

from monit_agent.agent.event_loop import LineProtocol
from monit_agent.system.sockets import peer_pid

LINE_BYTES = 256 * 1024
"""Longest line that a Node process may send before its connection is closed."""

OUT_BYTES = 256 * 1024
"""Most that waits for one process to read it; a request beyond that is refused."""

STREAMS = 1024
"""Node processes that may be connected."""


class NodeStreams:
    """Accepts where `listen` says and hands each line to ``received(pid, line)``.

    ``disconnected(pid)`` is called when a process has closed its last connection.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        received: Callable[[int, bytes], None],
        disconnected: Callable[[int], None],
    ) -> None:
        self.received = received
        self.disconnected = disconnected
        self.open: list[NodeStream] = []
        """In the order in which they came."""
        self._loop = loop
        self._servers: list[asyncio.Server] = []

    def listen(self, listener: socket.socket) -> None:
        """Accept on ``listener``; connections that were made elsewhere stay."""
        self._loop.create_task(self._listen(listener))

    async def _listen(self, listener: socket.socket) -> None:
        server = await asyncio.get_running_loop().create_unix_server(
            lambda: NodeStream(self), sock=listener
        )
        self._servers.append(server)

    def close(self) -> None:
        """End everything."""
        for server in self._servers:
            server.close()
        for stream in list(self.open):
            stream.abort()

    def send(self, pid: int, line: bytes) -> bool:
        """Send ``line`` to process ``pid``; False when it is not connected or does not read."""
        # the oldest is the one that its main thread keeps; others only bring a report
        stream = next((stream for stream in self.open if stream.pid == pid), None)
        return stream is not None and stream.send(line)


class NodeStream(LineProtocol):
    """One connection; ``pid`` is that of its other end, from the kernel."""

    def __init__(self, streams: NodeStreams) -> None:
        super().__init__(LINE_BYTES)
        self.pid = 0
        self._streams = streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who it is; one too many is closed."""
        super().connection_made(transport)
        if len(self._streams.open) >= STREAMS:
            transport.close()
            return
        peer = transport.get_extra_info("socket")
        self.pid = peer_pid(peer)
        self._streams.open.append(self)

    def line_received(self, line: bytes) -> None:
        """Hand a report on."""
        self._streams.received(self.pid, line)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (either way it is gone)
        """Report the process as disconnected when this was its last connection."""
        if self not in self._streams.open:
            return
        self._streams.open.remove(self)
        if all(other.pid != self.pid for other in self._streams.open):
            self._streams.disconnected(self.pid)

    def abort(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def send(self, line: bytes) -> bool:
        """Send a request; False when too much waits already."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() + len(line) > OUT_BYTES:
            return False
        transport.write(line)
        return True
