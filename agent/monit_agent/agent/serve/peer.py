"""One client's connection to one of the agent's sockets: handshake, messages, what waits for it."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple, Protocol

from monit_agent.agent.journal import log
from monit_agent.agent.serve.requester import describe_requester
from monit_agent.system.sockets import peer_credentials
from monit_agent.wire.zmtp import (
    GREETING,
    Command,
    Inbox,
    Message,
    ProtocolError,
    command_bytes,
    message_bytes,
    ready_bytes,
    socket_type,
)

_READ_BYTES = 65536
_AT_ONCE = 64
"""Messages given to the kernel in one call."""


TURN = 64
"""Messages of one client that are handled before other clients and timers get their turn."""


class PeerKind(NamedTuple):
    """What one of our sockets is, and who may connect to it."""

    ours: bytes
    """``ROUTER`` or ``XPUB``."""
    theirs: frozenset[bytes]
    largest_message: int
    """In bytes, all frames together."""
    most_waiting_bytes: int
    """While more than this waits for the client to read, nothing more of it is handled."""


class PeerOwner(Protocol):
    """The socket that has the connection."""

    def peer_received(self, peer: "Peer", message: Message | Command) -> None:
        """Handle a message, or a command other than READY and PING."""
        ...

    def peer_holds(self, peer: "Peer") -> None:
        """Handle that it holds much of a message that is not complete."""
        ...

    def peer_gone(self, peer: "Peer") -> None:
        """Handle the end of the connection."""
        ...


class Outbox:
    """What waits for one client to read. ``drained()`` is called after each write, ``broken()``
    when the connection has ended."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        drained: Callable[[], None],
        broken: Callable[[], None],
    ) -> None:
        self.waiting_bytes = 0
        self._loop = loop
        self._sock = sock
        self._drained = drained
        self._broken = broken
        self._messages: deque[bytes | memoryview] = deque()
        self._is_writing = False
        self._is_open = True

    def __len__(self) -> int:
        return len(self._messages)

    def push(self, message: bytes) -> None:
        """Send a message as soon as the client reads."""
        self._messages.append(message)
        self.waiting_bytes += len(message)
        # one call for what a turn of the loop publishes, but never more than the kernel takes
        if len(self._messages) == 1:
            self._loop.call_soon(self.flush)
        elif len(self._messages) == _AT_ONCE and not self._is_writing:
            self.flush()

    def close(self) -> None:
        """Drop what waits; the socket is about to be closed."""
        if self._is_writing:
            self._loop.remove_writer(self._sock.fileno())
        self._is_open = self._is_writing = False
        self._messages.clear()
        self.waiting_bytes = 0

    def flush(self) -> None:
        """Send what the kernel takes now."""
        while self._messages and self._is_open:
            batch = [self._messages[at] for at in range(min(_AT_ONCE, len(self._messages)))]
            try:
                sent = self._sock.sendmsg(batch, (), socket.MSG_NOSIGNAL)
            except BlockingIOError:
                break
            except OSError:
                self._broken()
                return
            self._release(sent)
        if self._is_open:
            self._watch_writable()
            self._drained()

    def _release(self, sent: int) -> None:
        self.waiting_bytes -= sent
        while sent:
            first = self._messages.popleft()
            if sent < len(first):
                self._messages.appendleft(memoryview(first)[sent:])
                return
            sent -= len(first)

    def _watch_writable(self) -> None:
        waits = bool(self._messages)
        if waits and not self._is_writing:
            self._loop.add_writer(self._sock.fileno(), self.flush)
        elif self._is_writing and not waits:
            self._loop.remove_writer(self._sock.fileno())
        self._is_writing = waits


class Peer:
    """A connection; ``pid`` and ``uid`` are those of the process that made it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        kind: PeerKind,
        owner: PeerOwner,
    ) -> None:
        self.is_ready = False
        """Whether the handshake is over."""
        self.prefixes: set[bytes] = set()
        """What a subscriber has subscribed to."""
        self.pid, self.uid, _ = peer_credentials(sock)
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._kind = kind
        self._owner = owner
        self._inbox = Inbox(kind.largest_message)
        self._outbox = Outbox(loop, sock, self._drained, self.drop)
        self._is_reading = True
        loop.add_reader(self._fd, self._read)
        self._outbox.push(GREETING)

    @property
    def held_bytes(self) -> int:
        """What is held of a message that has not arrived completely."""
        return self._inbox.held_bytes

    @property
    def waiting(self) -> int:
        """How many messages wait for the client to read."""
        return len(self._outbox)

    @cached_property
    def requester(self) -> str:
        """Who it is, for the event log."""
        return describe_requester(self.pid, self.uid)

    def send(self, frames: list[bytes]) -> None:
        """Send a message, as soon as the client reads."""
        self.send_bytes(message_bytes(frames))

    def send_bytes(self, message: bytes) -> None:
        """Send a message that is in its final form."""
        if self._fd >= 0 and self.is_ready:
            self._outbox.push(message)

    def drop(self, why: str | None = None) -> None:
        """End the connection; what is held for it and of it is released."""
        if self._fd < 0:
            return
        if why is not None:
            log(f"{self.requester} was disconnected: {why}")
        self._loop.remove_reader(self._fd)
        self._outbox.close()
        self._fd = -1
        self._sock.close()
        self._inbox = Inbox(0)
        self._owner.peer_gone(self)

    def _is_choked(self) -> bool:
        return self._outbox.waiting_bytes > self._kind.most_waiting_bytes

    def _drained(self) -> None:
        if not self._is_reading and not self._is_choked():
            self._loop.call_soon(self._handle_received)

    def _read(self) -> None:
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop()
            return
        self._inbox.add(data)
        self._handle_received()

    def _handle_received(self) -> None:
        """Handle what has arrived, for one turn; read on when that was all."""
        if self._fd < 0:
            return
        try:
            was_all = self._handle_turn()
        except ProtocolError as error:
            self.drop(str(error))
            return
        if self._fd < 0:
            return
        if was_all and self._inbox.held_bytes > _READ_BYTES:
            self._owner.peer_holds(self)
        self._read_on(on=was_all)
        if not was_all and not self._is_choked():
            self._loop.call_soon(self._handle_received)

    def _handle_turn(self) -> bool:
        for _ in range(TURN):
            if self._fd < 0 or self._is_choked():
                return False
            message = self._inbox.next_message()
            if message is None:
                return True
            self._handle(message)
        return False

    def _read_on(self, *, on: bool) -> None:
        """Read what the client sends, or leave it in the kernel, where the client has to wait."""
        if self._fd < 0 or on == self._is_reading:
            return
        self._is_reading = on
        if on:
            self._loop.add_reader(self._fd, self._read)
        else:
            self._loop.remove_reader(self._fd)

    def _handle(self, message: Message | Command) -> None:
        if isinstance(message, Command):
            if message.name == b"PING":
                self._outbox.push(command_bytes(b"PONG", message.data[2:]))
                return
            if message.name == b"READY" and not self.is_ready:
                self._greet(message.data)
                return
        if not self.is_ready:
            raise ProtocolError("a message before the handshake")
        self._owner.peer_received(self, message)

    def _greet(self, ready: bytes) -> None:
        theirs = socket_type(ready)
        if theirs not in self._kind.theirs:
            known = " or ".join(sorted(kind.decode() for kind in self._kind.theirs))
            raise ProtocolError(f"its socket is a {theirs[:20]!r}, not a {known}")
        self._outbox.push(ready_bytes(self._kind.ours))
        self.is_ready = True
