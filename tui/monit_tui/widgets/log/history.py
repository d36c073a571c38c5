"""Fetches log lines from the agents: the last lines of a log, older lines, gaps."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from monit_agent.client.logs.logbook import STREAMS, Logbook
from monit_agent.client.logs.rows import LogGap, StreamKey
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.messages import Answer, LogPart, LogRange, LogTail, Refused

OPEN_LINES = 500
"""Lines of each stream that are fetched when it is opened; fewer for many streams."""
OPEN_LINES_IN_ALL = 20_000
OLDER_LINES = 500
STEP_BYTES = 256 * 1024
"""A gap is fetched in steps of this size, so that one reader does not keep an agent busy."""
SMALL_GAP_BYTES = 64 * 1024
"""Smaller gaps, which arise between history and live bytes, are fetched automatically. Larger
gaps arise in a flood, and fetching them would make it worse."""
IN_FLIGHT, MOST_IN_FLIGHT, LINES_IN_FLIGHT = 16, 256, 8_000
"""Most requests that wait for an answer at one time: 16 of many lines, more of few lines."""

FetchKind = Literal["open", "older", "gap"]


class LogHistory:
    """Requests parts of logs and adds the answers to the book during the source's `poll`; the
    flush after the poll shows them."""

    def __init__(self, source: Source, book: Logbook, clock: Callable[[], float]) -> None:
        self.problems: dict[AppId, str] = {}
        """By app: why its history is not available, and what to do."""
        self._source, self._book, self._clock = source, book, clock
        self._waiting: set[tuple[StreamKey, FetchKind]] = set()
        self._queue: deque[tuple[StreamKey, FetchKind, LogTail | LogRange, int]] = deque()
        self._flying = 0
        self._most_flying = IN_FLIGHT

    def is_opening(self, who: Iterable[InstanceId]) -> bool:
        """Return whether the first lines of an instance are still being fetched. Nothing is
        expected of a stream that was empty when its agent last reported its size."""
        keys = {(StreamKey(one, name), "open") for one in who for name in STREAMS}
        return any(not self._was_empty(key) for key, _ in keys & self._waiting)

    def _was_empty(self, key: StreamKey) -> bool:
        app = self._source.fleet.apps.get(key.identity.app_id)
        end = app.logs.get((key.identity.instance, key.stream)) if app else None
        return end is not None and end.end == 0

    def request_last(self, who: tuple[InstanceId, ...]) -> None:
        """Request the last lines of these instances."""
        lines = max(20, min(OPEN_LINES, OPEN_LINES_IN_ALL // max(1, 2 * len(who))))
        self._most_flying = min(MOST_IN_FLIGHT, max(IN_FLIGHT, LINES_IN_FLIGHT // lines))
        for one in who:
            self.problems.pop(one.app_id, None)
            for stream in STREAMS:
                request = LogTail(instance=one.instance, stream=stream, lines=lines)
                self._queue_request(StreamKey(one, stream), "open", request)

    def retry_refused(self, app: AppId, who: tuple[InstanceId, ...]) -> None:
        """Request again what was refused, because the app's agent is live again."""
        if self.problems.pop(app, None) is not None:
            self.request_last(tuple(one for one in who if one.app_id == app))

    def request_older(self, keys: Iterable[StreamKey]) -> bool:
        """Request the lines before the first known ones; False when there are none."""
        requested = False
        for key in keys:
            lines = self._book.rings.stream(key)
            start = lines.start
            if start is None or (lines.begin is not None and lines.begin >= start):
                continue
            request = LogTail(
                instance=key.identity.instance, stream=key.stream, lines=OLDER_LINES, before=start
            )
            self._queue_request(key, "older", request)
            requested = True
        return requested

    def request_gap(self, gap: LogGap) -> bool:
        """Request the bytes of a gap, at most 1 MiB; False when they no longer exist."""
        if gap.gone:
            return False
        lines = self._book.rings.stream(gap.key)
        if lines.start is not None and gap.end <= lines.start:
            return self.request_older([gap.key])
        self._request_bytes(gap.key, gap.start, min(gap.end - gap.start, LOG_RANGE_BYTES))
        return True

    def request_edge(self, gap: LogGap, direction: int) -> None:
        """Request the lines at the end of a gap (-1) or at its beginning (1): those that somebody
        who scrolls that way comes to."""
        if gap.gone:
            return
        if direction > 0:
            self._request_bytes(gap.key, gap.start, min(gap.end - gap.start, SMALL_GAP_BYTES))
            return
        number, stream = gap.key.identity.instance, gap.key.stream
        request = LogTail(instance=number, stream=stream, lines=OLDER_LINES, before=gap.end)
        self._queue_request(gap.key, "older", request)

    def request_small_gaps(self, keys: Iterable[StreamKey]) -> None:
        """Request the bytes of small gaps, without a key."""
        for key in keys:
            for gap in self._book.rings.stream(key).gaps():
                if not gap.gone and gap.end - gap.start <= SMALL_GAP_BYTES:
                    self._request_bytes(key, gap.start, gap.end - gap.start)
                    break

    def _request_bytes(self, key: StreamKey, start: int, size: int) -> None:
        request = LogRange(
            instance=key.identity.instance,
            stream=key.stream,
            start=start,
            max_bytes=min(size, STEP_BYTES),
        )
        self._queue_request(key, "gap", request, size)

    def _queue_request(
        self, key: StreamKey, kind: FetchKind, request: LogTail | LogRange, size: int = 0
    ) -> None:
        if (key, kind) in self._waiting:
            return
        self._waiting.add((key, kind))
        self._queue.append((key, kind, request, size))
        self._send()

    def _send(self) -> None:
        while self._queue and self._flying < self._most_flying:
            key, kind, request, size = self._queue.popleft()
            self._flying += 1

            def then(
                answer: Answer, key: StreamKey = key, kind: FetchKind = kind, size: int = size
            ) -> None:
                self._flying -= 1
                self._waiting.discard((key, kind))
                self._add_answer(key, kind, answer, size)
                self._send()

            self._source.send_request(key.identity.app_id, request, then)

    def _add_answer(self, key: StreamKey, kind: FetchKind, answer: Answer, size: int) -> None:
        if isinstance(answer, Refused):
            self.problems[key.identity.app_id] = answer.message
        elif isinstance(answer, LogPart) and self._book.rings.has_lines_of(key.identity):
            self.problems.pop(key.identity.app_id, None)
            tail = kind != "gap"
            self._book.add_part(key.identity.app_id, answer, self._clock(), at_line_start=tail)
            left = size - len(answer.data)
            if kind == "gap" and left > 0 and answer.data:
                self._request_bytes(key, answer.offset + len(answer.data), left)
            elif tail:
                self.request_small_gaps([key])
