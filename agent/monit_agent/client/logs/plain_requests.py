"""Requests about streams over plain sockets (``client/plain_link.py``), without the types of
messages: what comes back has their names for its fields."""

import struct
from collections.abc import Mapping

from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.plain_link import PlainLink
from monit_agent.typed import Any, NamedTuple, cast
from monit_agent.wire.plain_msgpack import pack, unpack
from monit_agent.wire.zmtp import ProtocolError

ANSWER_S = 2.0
"""An agent answers within milliseconds; who waits longer asks again in another way."""

SEARCH_ANSWER_S = 20.0
"""The pieces of others may be searched before ours."""


class NoPlainAnswerError(Exception):
    """An agent does not answer, or answers something else."""


class _Part(NamedTuple):
    """A `LogPart`."""

    offset: int
    data: bytes
    times: tuple[tuple[int, int], ...]
    begin: int
    end: int


class _Line(NamedTuple):
    """A `FoundLine`."""

    offset: int
    at_ns: int
    data: bytes
    matches: bool
    ended: bool


class _Found(NamedTuple):
    """A `SearchPart`."""

    lines: tuple[_Line, ...]
    matches: int
    position: int
    done: bool
    scanned: int
    unclear: int


class PlainRequests:
    """The `LogRequests` of a command that has a link to each app's agent, by name. Each raises
    `NoPlainAnswerError`."""

    def __init__(self, links: Mapping[str, PlainLink]) -> None:
        self._links = links

    def tail(self, key: StreamKey, lines: int, before: int | None) -> Any:
        """Return the last lines before an offset (None: the end)."""
        return self._part(key, "log_tail", {"lines": lines, "before": before})

    def since(self, key: StreamKey, at: float) -> Any:
        """Return where the lines printed since a time begin."""
        return self._part(key, "log_since", {"at": at})

    def range(self, key: StreamKey, start: int, max_bytes: int) -> Any:
        """Return bytes from an offset on."""
        return self._part(key, "log_range", {"start": start, "max_bytes": max_bytes})

    def search(self, key: StreamKey, fields: dict[str, Any]) -> Any:
        """Return what one piece of a search finds; ``fields`` as of `search_fields`."""
        answer = self._answer(key, "log_search", fields, "search_part", SEARCH_ANSWER_S)
        try:
            found: dict[str, Any] = {name: answer[name] for name in _Found._fields}
            found["lines"] = tuple([_Line(*line) for line in found["lines"]])
            return _Found(**found)
        except (LookupError, TypeError) as error:
            raise NoPlainAnswerError(str(error)) from error

    def _part(self, key: StreamKey, kind: str, fields: dict[str, Any]) -> _Part:
        answer = self._answer(key, kind, fields, "log_part", ANSWER_S)
        try:
            return _Part(*[answer[name] for name in _Part._fields])
        except LookupError as error:
            raise NoPlainAnswerError(str(error)) from error

    def _answer(
        self, key: StreamKey, kind: str, fields: dict[str, Any], expected: str, within_s: float
    ) -> dict[str, Any]:
        who = {"type": kind, "instance": key.identity.instance, "stream": key.stream}
        try:
            answer: Any = unpack(
                self._links[key.identity.app].ask(pack({**who, **fields}), within_s)
            )
        except (OSError, ProtocolError, LookupError, ValueError, struct.error) as error:
            raise NoPlainAnswerError(str(error)) from error
        if not isinstance(answer, dict) or answer.get("type") != expected:
            raise NoPlainAnswerError("it is another answer")
        return cast("dict[str, Any]", answer)
