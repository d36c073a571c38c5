"""Finds the nearest error before or after a line, in all that is kept of some streams."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from monit_agent.client.logs.file_search import PIECE_S, STREAMS_AT_ONCE, FoundPlace
from monit_agent.client.logs.filter import LogFilter
from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.source import Source
from monit_agent.logtext.levels import is_continuation, level_of
from monit_agent.wire.messages import Answer, FoundLine, LogSearch, Refused, SearchPart

LINES = 50
"""Lines of one piece: those of a stack count as errors too, and are passed over."""


class NearestResult(NamedTuple):
    """What was found: a place, or None and perhaps why."""

    place: FoundPlace | None
    problem: str = ""


class NearestErrorSearch:
    """Searches from ``here`` (None: an end of the log) in one direction, -1 for older lines.
    ``then`` is called once during the source's `poll`, unless it was cancelled."""

    def __init__(
        self,
        source: Source,
        keys: Iterable[StreamKey],
        log_filter: LogFilter,
        here: FoundPlace | None,
        *,
        direction: int,
        then: Callable[[NearestResult], None],
    ) -> None:
        self._source, self._filter, self._then = source, log_filter, then
        self._here, self._backward = here, direction < 0
        self._queue: deque[tuple[StreamKey, int | None]] = deque(
            (key, None) for key in keys if log_filter.shows_stream(key)
        )
        self._flying = 0
        self._found: list[FoundPlace] = []
        self._problem = ""
        self._cancelled = False

    def start(self) -> None:
        """Search the first pieces."""
        self._send()

    def cancel(self) -> None:
        """Search no further, and say nothing."""
        self._cancelled = True

    def _send(self) -> None:
        if self._cancelled:
            return
        while self._queue and self._flying < STREAMS_AT_ONCE:
            self._request(*self._queue.popleft())
        if not self._flying:
            best = max if self._backward else min
            self._then(NearestResult(best(self._found, default=None), self._problem))

    def _request(self, key: StreamKey, position: int | None) -> None:
        here = self._here
        since = until = None
        if here is not None and key == here.key:
            position = here.offset if position is None else position
        elif here is not None and here.at_ns:
            since = None if self._backward else here.at_ns / 1e9
            until = here.at_ns / 1e9 if self._backward else None
        request = LogSearch(
            instance=key.identity.instance,
            stream=key.stream,
            level="error",
            backward=self._backward,
            position=position,
            since=since,
            until=until,
            limit=LINES,
        )
        self._flying += 1

        def then(answer: Answer) -> None:
            self._flying -= 1
            if isinstance(answer, SearchPart):
                self._take(key, answer)
            else:
                self._problem = answer.message if isinstance(answer, Refused) else "not searched"
            self._send()

        self._source.send_request(key.identity.app_id, request, then, PIECE_S)

    def _take(self, key: StreamKey, part: SearchPart) -> None:
        errors = [
            FoundPlace(line.at_ns, key, line.offset) for line in part.lines if self._is_error(line)
        ]
        errors = [one for one in errors if (one.key, one.offset) != self._origin]
        if errors:
            self._found.append(errors[-1] if self._backward else errors[0])
        elif not part.done:
            self._queue.append((key, part.position))

    @property
    def _origin(self) -> tuple[StreamKey, int] | None:
        return None if self._here is None else (self._here.key, self._here.offset)

    def _is_error(self, line: FoundLine) -> bool:
        if is_continuation(line.data) or level_of(line.data) != "error":
            return False
        return not self._filter.by_line or self._filter.matches_line(line.data)
