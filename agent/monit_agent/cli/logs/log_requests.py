"""Requests about streams as messages to their agents."""

from collections.abc import Callable
from typing import Any

from monit_agent.client.logs.rows import StreamKey
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import (
    Answer,
    LogPart,
    LogRange,
    LogSearch,
    LogSince,
    LogTail,
    Refused,
    Request,
    SearchPart,
)

Ask = Callable[[AppId, Request], Answer]
"""Ask an app's agent and wait for the answer."""


class AgentRequests:
    """The `LogRequests` of a command that has a `Source`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def tail(self, key: StreamKey, lines: int, before: int | None) -> LogPart | None:
        """Return the last lines before an offset (None: the end); None when nobody answers."""
        number = key.identity.instance
        return self._part(
            key, LogTail(instance=number, stream=key.stream, lines=lines, before=before)
        )

    def since(self, key: StreamKey, at: float) -> LogPart | None:
        """Return where the lines printed since a time begin; None when nobody answers."""
        return self._part(key, LogSince(instance=key.identity.instance, stream=key.stream, at=at))

    def range(self, key: StreamKey, start: int, max_bytes: int) -> LogPart | None:
        """Return bytes from an offset on; None when nobody answers."""
        number = key.identity.instance
        return self._part(
            key, LogRange(instance=number, stream=key.stream, start=start, max_bytes=max_bytes)
        )

    def search(self, key: StreamKey, fields: dict[str, Any]) -> SearchPart | str:
        """Return what one piece of a search finds, or why it was not searched; ``fields`` as of
        `search_fields`."""
        request = LogSearch(instance=key.identity.instance, stream=key.stream, **fields)
        answer = self._ask(key.identity.app_id, request)
        if isinstance(answer, SearchPart):
            return answer
        return answer.message if isinstance(answer, Refused) else "it was not searched"

    def _part(self, key: StreamKey, request: LogTail | LogSince | LogRange) -> LogPart | None:
        answer = self._ask(key.identity.app_id, request)
        return answer if isinstance(answer, LogPart) else None
