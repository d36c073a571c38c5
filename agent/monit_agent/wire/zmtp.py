"""ZeroMQ's protocol on one connection (ZMTP 3.0, rfc.zeromq.org/spec/23, mechanism NULL): bytes in,
messages out, and the bytes of messages. No input, no output.

libzmq is not used here because it cannot bound what a peer sends: all frames of a message that is
not complete are kept, whatever the high-water mark and the largest size of a frame are (300 MiB of
frames cost the agent 319 MiB, and 274 for ever), and because it ends the whole process when it has
no descriptor for a client. Clients use it, in any language.
"""

from monit_agent.typed import NamedTuple

_SIGNATURE = b"\xff\0\0\0\0\0\0\0\x01\x7f"
_MECHANISM = b"NULL".ljust(20, b"\0")
GREETING = _SIGNATURE + b"\x03\x00" + _MECHANISM + bytes(32)
"""What a server sends first. Version 3.0: peers of 3.1 then subscribe by messages."""

_MORE, _LONG, _COMMAND = 1, 2, 4
_SHORT_MAX = 255

FRAMES_MAX = 64
"""Frames of one message. Ours have two or three; one with more is refused by name up to here."""

COMMAND_BYTES = 1024
"""Largest command: a READY has 50 bytes, a subscription as many as its topic."""


class ProtocolError(Exception):
    """The peer does not speak the protocol, or sends more than it may."""


class Message(NamedTuple):
    """A complete message of the peer."""

    frames: list[bytes]


class Command(NamedTuple):
    """A command: ``READY``, ``PING``, ``SUBSCRIBE`` …, and what follows its name."""

    name: bytes
    data: bytes


class Inbox:
    """Takes what a peer sent and returns its messages; holds at most one that is not complete.

    ``most`` is the largest message in bytes, all frames together. Raise `ProtocolError` as soon as
    the peer announces more.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._raw = bytearray()
        self._frames: list[bytes] = []
        self._size = 0
        self._greeted = False

    @property
    def held_bytes(self) -> int:
        """What is held of a message that is not complete."""
        return len(self._raw) + self._size

    def add(self, data: bytes) -> None:
        """Take bytes; `next_message` returns what they complete."""
        self._raw += data

    def next_message(self) -> Message | Command | None:
        """Return the next message or command; None when none is complete."""
        if not self._greeted and not self._read_greeting():
            return None
        while (frame := self._next_frame()) is not None:
            flags, body = frame
            if flags & _COMMAND:
                return _command(body)
            self._frames.append(body)
            self._size += len(body)
            if not flags & _MORE:
                message, self._frames, self._size = Message(self._frames), [], 0
                return message
            if len(self._frames) >= FRAMES_MAX:
                raise ProtocolError(f"a message of more than {FRAMES_MAX} frames")
        return None

    def _read_greeting(self) -> bool:
        if any(byte != 0xFF for byte in self._raw[:1]) or any(b != 0x7F for b in self._raw[9:10]):
            raise ProtocolError("not ZeroMQ")
        if len(self._raw) > 10 and self._raw[10] < 3:
            raise ProtocolError(f"version {self._raw[10]} of ZeroMQ's protocol; 3 is needed")
        if len(self._raw) < len(GREETING):
            return False
        if bytes(self._raw[12:32]) != _MECHANISM:
            raise ProtocolError("a security mechanism other than NULL")
        del self._raw[: len(GREETING)]
        self._greeted = True
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        """Return flags and body of the next frame; None when it is not complete."""
        raw = self._raw
        if len(raw) < 2:
            return None
        flags = raw[0]
        start = 9 if flags & _LONG else 2
        if len(raw) < start:
            return None
        size = int.from_bytes(raw[1:start], "big")
        most = COMMAND_BYTES if flags & _COMMAND else self._most - self._size
        if flags & ~(_MORE | _LONG | _COMMAND) or size > most:
            raise ProtocolError(f"a message of more than {self._most} bytes")
        if len(raw) < start + size:
            return None
        body = bytes(raw[start : start + size])
        del raw[: start + size]
        return flags, body


def message_bytes(frames: list[bytes]) -> bytes:
    """Return a message as it is sent."""
    parts: list[bytes] = []
    last = len(frames) - 1
    for number, frame in enumerate(frames):
        more = _MORE if number < last else 0
        parts += [_head(more, len(frame)), frame]
    return b"".join(parts)


def ready_bytes(socket_type: bytes) -> bytes:
    """Return the command with which a socket ends its handshake."""
    return command_bytes(b"READY", b"\x0bSocket-Type" + _long_text(socket_type))


def command_bytes(name: bytes, data: bytes) -> bytes:
    """Return a command as it is sent."""
    body = bytes([len(name)]) + name + data
    return _head(_COMMAND, len(body)) + body


def socket_type(ready: bytes) -> bytes:
    """Return the type of socket that a peer's READY announces; raise `ProtocolError`."""
    while ready:
        end = 1 + ready[0]
        name, size = ready[1:end], int.from_bytes(ready[end : end + 4], "big")
        value, ready = ready[end + 4 : end + 4 + size], ready[end + 4 + size :]
        if name.lower() == b"socket-type":
            return value
    raise ProtocolError("READY without a type of socket")


def _command(body: bytes) -> Command:
    if not body:
        raise ProtocolError("a command without a name")
    end = 1 + body[0]
    return Command(body[1:end], body[end:])


def _head(flags: int, size: int) -> bytes:
    if size <= _SHORT_MAX:
        return bytes((flags, size))
    return bytes((flags | _LONG,)) + size.to_bytes(8, "big")


def _long_text(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value
