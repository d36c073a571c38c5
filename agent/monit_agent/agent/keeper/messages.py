"""The keeper's messages on ``keeper.sock``, as types: JSON lines, checked here.

The shapes are those of ``agent/PROTOCOL.md``, "Agent to keeper".
"""

import msgspec

from monit_agent.wire.codec import BadMessageError, decode_json, encode_json
from monit_agent.wire.messages import (
    AppRecord,
    EventRecord,
    InstanceRecord,
    LogEnd,
    Rollout,
    Update,
)


class BadLineError(ValueError):
    """The keeper sent a line that is not of the protocol."""


class KeeperMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the keeper's messages; unknown fields of a newer keeper are ignored."""


class KeeperSnapshot(KeeperMessage, frozen=True, kw_only=True):
    """Everything the keeper knows, in its answer to ``hello``."""

    app: AppRecord
    """The app."""
    rollout: Rollout | None = None
    """A reload that is in progress or has failed; None without one."""
    instances: tuple[InstanceRecord, ...] = ()
    """Its slots."""
    logs: tuple[LogEnd, ...] = ()
    """How far its streams reach."""
    events: tuple[EventRecord, ...] = ()
    """Its last events, oldest first."""


class KeeperAnswer(KeeperMessage, frozen=True, kw_only=True):
    """The keeper's answer to one request."""

    id: int
    """That of the request."""
    ok: bool
    """Whether it is done or has begun."""
    kind: str = "failed"
    """Kind of the refusal; empty without one."""
    message: str = ""
    """Why it was refused, for people."""
    instances: tuple[int, ...] | None = None
    """Which instances are concerned."""
    snapshot: KeeperSnapshot | None = None
    """In the answer to ``hello``."""


class LogChanged(KeeperMessage, frozen=True, kw_only=True, tag="log_changed"):
    """A stream grew, was emptied, or lost bytes."""

    log: LogEnd
    """How far the stream reaches now."""


class SocketsChanged(KeeperMessage, frozen=True, kw_only=True, tag="sockets_changed"):
    """The keeper has so many listening sockets now."""

    count: int
    """How many."""


class AgentLeave(KeeperMessage, frozen=True, kw_only=True, tag="agent_leave"):
    """The keeper wants another agent, or none: this one must end, and may share its process."""


KeeperUpdate = Update | LogChanged | SocketsChanged | AgentLeave
"""What changed: the updates that clients get too, how far the logs reach, what listens, and that
the agent must leave."""


class _Peek(msgspec.Struct):
    type: str | None = None
    """Kind of the message; None in an answer."""


_peek = msgspec.json.Decoder(_Peek)
_update = msgspec.json.Decoder(KeeperUpdate)
_answer = msgspec.json.Decoder(KeeperAnswer)


def read_line(line: bytes) -> KeeperUpdate | KeeperAnswer:
    """Return the message in one line; raise `BadLineError` if it is not of the protocol."""
    try:
        is_answer = decode_json(_peek, line).type is None
        return decode_json(_answer, line) if is_answer else decode_json(_update, line)
    except BadMessageError as error:
        raise BadLineError(f"{error}: {line[:200]!r}") from error


def write_line(fields: dict[str, object]) -> bytes:
    """Make the line of one request."""
    return encode_json(fields) + b"\n"
