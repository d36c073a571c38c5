"""What the keeper says on ``keeper.sock``, as types: JSON lines, checked at this border.

The shapes are those of ``agent/PROTOCOL.md``, "Agent to keeper".
"""

import msgspec

from monit_agent.wire.messages import (
    AppRecord,
    Happening,
    InstanceRecord,
    LogEnd,
    Roll,
    Stream,
)


class BadLineError(ValueError):
    """The keeper sent a line that is not of the protocol."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what the keeper says; unknown fields of a newer keeper are ignored."""


class KeeperSnapshot(Word, frozen=True, kw_only=True):
    """Everything the keeper knows, in its answer to ``hello``."""

    app: AppRecord
    roll: Roll | None = None
    instances: tuple[InstanceRecord, ...] = ()
    logs: tuple[LogEnd, ...] = ()
    happenings: tuple[Happening, ...] = ()


class KeeperAnswer(Word, frozen=True, kw_only=True):
    """The keeper's answer to one request."""

    id: int
    ok: bool
    kind: str = "failed"
    message: str = ""
    instances: tuple[int, ...] | None = None
    snapshot: KeeperSnapshot | None = None


class KeeperApp(Word, frozen=True, kw_only=True, tag_field="event", tag="app"):
    """The app or the reload under way changed."""

    app: AppRecord
    roll: Roll | None = None


class KeeperInstance(Word, frozen=True, kw_only=True, tag_field="event", tag="instance"):
    """A slot changed."""

    instance: InstanceRecord


class KeeperGone(Word, frozen=True, kw_only=True, tag_field="event", tag="gone"):
    """A slot was scaled away."""

    instance: int


class KeeperHappened(Word, frozen=True, kw_only=True, tag_field="event", tag="happened"):
    """Something worth a line happened."""

    happening: Happening


class KeeperLog(Word, frozen=True, kw_only=True, tag_field="event", tag="log"):
    """A stream grew, was emptied, or lost bytes."""

    instance: int
    stream: Stream
    begin: int
    end: int
    lost_bytes: int = 0


class KeeperBye(Word, frozen=True, kw_only=True, tag_field="event", tag="bye"):
    """The app was deleted; the keeper leaves now."""


KeeperEvent = KeeperApp | KeeperInstance | KeeperGone | KeeperHappened | KeeperLog | KeeperBye


class _Peek(msgspec.Struct):
    event: str | None = None


_peek = msgspec.json.Decoder(_Peek)
_event = msgspec.json.Decoder(KeeperEvent)
_answer = msgspec.json.Decoder(KeeperAnswer)
_encoder = msgspec.json.Encoder()


def read_line(line: bytes) -> KeeperEvent | KeeperAnswer:
    """Give what one line of the keeper says; `BadLineError` if it is not of the protocol."""
    try:
        if _peek.decode(line).event is None:
            return _answer.decode(line)
        return _event.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLineError(f"{error}: {line[:200]!r}") from error


def write_line(fields: dict[str, object]) -> bytes:
    """Make the line of one request."""
    return _encoder.encode(fields) + b"\n"
