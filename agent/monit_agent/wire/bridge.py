"""What ``monit bridge`` and the client that started it over ssh say to each other.

Both ends of the pipe carry one stream that is compressed by zlib, flushed after every batch; in it
each message is its length (four bytes, big end first) and as many bytes of msgpack. Before its
stream the bridge writes `MAGIC`, so that a client can skip what a shell prints before it.

The bridge sends states, not changes of states: when the line is slow, what changes several times
is sent once. ``agent/PROTOCOL.md`` describes the exchange.
"""

import zlib
from collections.abc import Iterator
from typing import Generic, TypeVar, get_args

import msgspec

from monit_agent.wire import codec
from monit_agent.wire.messages import (
    AlertMute,
    AlertRecord,
    AppRecord,
    EventRecord,
    HookRecord,
    InstanceRecord,
    LogEnd,
    Record,
    Rollout,
    Sample,
    Stream,
)

BRIDGE_VERSION = 1

MAGIC = b"\n\x1emonit bridge\x1e\n"
"""What the bridge writes first."""

NOISE_BYTES = 64 * 1024
"""How much a shell may print before the bridge."""

MESSAGE_BYTES = 16 * 1024 * 1024
"""Largest message of either side; one that is larger ends the connection."""

CREDIT_BYTES = 256 * 1024
"""Compressed bytes that the bridge sends before the client has confirmed any of them."""

PING_S = 5.0
"""Seconds between two messages of a client."""

SILENCE_S = 15.0
"""A side that heard nothing for so long gives the other one up."""


# ---------------------------------------------------------------- from the bridge


class Hello(Record, frozen=True, kw_only=True, tag="hello"):
    """The first message: who answers."""

    v: int
    """`BRIDGE_VERSION` of the bridge."""
    protocol: int
    """``PROTOCOL_VERSION`` of its messages in `Ask` and `Told`."""
    version: str
    """Of monit on that host."""
    host: str
    """What the machine calls itself."""
    boot_id: str
    """Of the host: another one means that it was started again."""
    wall: float
    """Its wall clock now."""
    home: str
    """The home of monit there."""
    user: str
    """Who runs monit there."""
    home_id: str = ""
    """Device and inode of ``home``: containers may share the boot id, the name and the path. Empty
    where there is no such folder."""
    read_only: bool = False
    """Whether it refuses every request that changes something."""


class AppReport(Record, frozen=True, kw_only=True, tag="app_report"):
    """What the host knows of one app. Of instances only those that changed are sent, of events only
    those that are new; ``numbers`` are all instances."""

    app: str
    """Name of the app."""
    record: AppRecord | None = None
    """The app; None where it did not change."""
    rollout: Rollout | None = None
    """A reload that is in progress or has failed; None without one."""
    link: str
    """`LinkState` of the app on its host."""
    problem: str | None = None
    """Why its agent does not answer; None when it does."""
    age_s: float | None = None
    """How long ago its agent was heard; None if never."""
    epoch: int | None = None
    """That of its agent."""
    agent_pid: int | None = None
    """Of its agent."""
    agent_version: str | None = None
    """Version of monit of its agent."""
    keeper_alive: bool = True
    """Whether its keeper is there."""
    numbers: tuple[int, ...] = ()
    """Numbers of all its instances."""
    instances: tuple[InstanceRecord, ...] = ()
    """Those that changed."""
    logs: tuple[LogEnd, ...] = ()
    """How far streams reach that changed."""
    events: tuple[EventRecord, ...] = ()
    """Those that are new."""
    alerts: tuple[AlertRecord, ...] = ()
    """What fires."""
    mutes: tuple[AlertMute, ...] = ()
    """What is muted."""
    hooks: tuple[HookRecord, ...] = ()
    """The hooks, and how they do."""


class AppGone(Record, frozen=True, kw_only=True, tag="app_gone"):
    """The app is not there any more."""

    app: str
    """Name of the app."""


class Listed(Record, frozen=True, kw_only=True, tag="listed"):
    """The state of every app of the host has been sent once."""


class Samples(Record, frozen=True, kw_only=True, tag="samples"):
    """The newest samples of one app, by instance."""

    app: str
    """Name of the app."""
    samples: dict[int, Sample]
    """By the number of the instance."""


class LogBytes(Record, frozen=True, kw_only=True, tag="log"):
    """Bytes of a followed stream; see ``client.source.LogChunk``."""

    app: str
    """Name of the app."""
    instance: int
    """Of which instance."""
    stream: Stream
    """``out`` or ``err``."""
    offset: int
    """Of the first byte."""
    data: bytes
    """The bytes as they were printed."""
    times: tuple[tuple[int, int], ...] = ()
    """Pairs of offset and time (nanoseconds since 1970)."""


class Told(Record, frozen=True, kw_only=True, tag="told"):
    """The answer to the `Ask` of this number: the msgpack of an ``Answer``."""

    number: int
    """That of the `Ask`."""
    answer: bytes
    """What the agent answered."""


class Pong(Record, frozen=True, kw_only=True, tag="pong"):
    """The answer to a `Ping`."""

    wall: float
    """The host's clock."""
    dropped_bytes: int = 0
    """Bytes of followed logs that the line had no room for, so far; they can be requested."""


AppMessage = AppReport | AppGone | Listed | Samples | LogBytes
FromBridge = Hello | AppMessage | Told | Pong


# ---------------------------------------------------------------- from the client


class Ask(Record, frozen=True, kw_only=True, tag="ask"):
    """A request to the agent of ``app``: the msgpack of a ``Request``."""

    number: int
    """Chosen by the client, and repeated in the answer."""
    app: str
    """Name of the app."""
    request: bytes
    """What the agent is asked."""
    timeout_s: float
    """How long its answer is waited for."""


class Follow(Record, frozen=True, kw_only=True, tag="follow"):
    """From now on send the log bytes of exactly these instances."""

    instances: tuple[tuple[str, int], ...]
    """Pairs of app and instance."""


class Confirm(Record, frozen=True, kw_only=True, tag="confirm"):
    """The client has read so many more compressed bytes."""

    read_bytes: int
    """Since the last one."""


class Ping(Record, frozen=True, kw_only=True, tag="ping"):
    """The client is there."""


FromClient = Ask | Follow | Confirm | Ping

from_bridge = msgspec.msgpack.Decoder(FromBridge)
from_client = msgspec.msgpack.Decoder(FromClient)

T = TypeVar("T")


class BridgeWriter:
    """Turns messages into the bytes of one direction."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(1)

    def batch(self, messages: list[FromBridge] | list[FromClient]) -> bytes:
        """Return the bytes that let the other side read all of these messages."""
        parts: list[bytes] = []
        for message in messages:
            raw = codec.encode(message)
            parts.append(self._stream.compress(len(raw).to_bytes(4, "big") + raw))
        return b"".join(parts) + self._stream.flush(zlib.Z_SYNC_FLUSH)


class BridgeReader(Generic[T]):
    """Turns the bytes of one direction into messages; raises `codec.BadMessageError` for others."""

    def __init__(self, decoder: "msgspec.msgpack.Decoder[T]") -> None:
        self._decoder = decoder
        self._kinds = {each.__struct_config__.tag for each in get_args(decoder.type)}
        self._stream = zlib.decompressobj()
        self._held = bytearray()

    def messages(self, data: bytes) -> Iterator[T]:
        """Yield the messages that ``data`` completes."""
        while data:
            try:
                self._held += self._stream.decompress(data, MESSAGE_BYTES)
            except zlib.error as error:
                raise codec.BadMessageError(f"not a stream of the bridge ({error})") from error
            data = self._stream.unconsumed_tail
            yield from self._complete()

    def _complete(self) -> Iterator[T]:
        while len(self._held) >= 4:
            size = int.from_bytes(self._held[:4], "big")
            if size > MESSAGE_BYTES:
                raise codec.BadMessageError(
                    f"a message of {size} bytes, the largest is {MESSAGE_BYTES}"
                )
            if len(self._held) < 4 + size:
                return
            raw = bytes(self._held[4 : 4 + size])
            del self._held[: 4 + size]
            message = self._decode(raw)
            if message is not None:
                yield message

    def _decode(self, raw: bytes) -> T | None:
        """Return the message; None for a kind that only another version knows."""
        try:
            return codec.decode(self._decoder, raw)
        except codec.BadMessageError:
            if codec.kind_of(raw) in self._kinds:
                raise
            return None
