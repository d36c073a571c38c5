"""Fetching what is not here: the last lines of a log when it is opened, older ones, gaps."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal

from monit_agent.client.logbook import Logbook
from monit_agent.client.logrings import STREAMS
from monit_agent.client.logrows import LogGap, StreamKey
from monit_agent.client.source import Source
from monit_agent.client.view import Identity
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.messages import Answer, LogPart, LogRange, LogTail, Refused

OPEN_LINES = 500
"""Lines of each stream that are fetched when it is opened, fewer when there are many."""
OPEN_LINES_IN_ALL = 20_000
OLDER_LINES = 500
STEP_BYTES = 256 * 1024
"""A gap is fetched in steps of this size, so that no agent is busy with one reader for long."""
MEND_BYTES = 64 * 1024
"""Smaller gaps are fetched by themselves: they come of history and live bytes that just miss
each other. Larger ones come of a flood, which fetching would only make worse."""
IN_FLIGHT = 16
"""Requests on the way at one time."""

Kind = Literal["open", "older", "gap"]


class History:
    """Asks agents for parts of logs and hands the answers to the book, from within the source's
    `poll`; the flush that follows it shows them all at once."""

    def __init__(self, source: Source, book: Logbook, clock: Callable[[], float]) -> None:
        self.problems: dict[str, str] = {}
        """By app: why its history is not to be had, in words that say what to do."""
        self._source, self._book, self._clock = source, book, clock
        self._waiting: set[tuple[StreamKey, Kind]] = set()
        self._queue: deque[tuple[StreamKey, Kind, LogTail | LogRange, int]] = deque()
        self._flying = 0

    def opening(self, who: Iterable[Identity]) -> bool:
        """Tell whether the first lines of one of these are still to come."""
        keys = {(StreamKey(*one, name), "open") for one in who for name in STREAMS}
        return bool(keys & self._waiting)

    def open(self, who: tuple[Identity, ...]) -> None:
        """Ask for the last lines of these instances."""
        lines = max(20, min(OPEN_LINES, OPEN_LINES_IN_ALL // max(1, 2 * len(who))))
        for app, instance in who:
            self.problems.pop(app, None)
            for stream in STREAMS:
                request = LogTail(instance=instance, stream=stream, lines=lines)
                self._ask(StreamKey(app, instance, stream), "open", request)

    def retry(self, app: str, who: tuple[Identity, ...]) -> None:
        """Ask again for what could not be had, now that the app's agent is heard."""
        if self.problems.pop(app, None) is not None:
            self.open(tuple(one for one in who if one.app == app))

    def older(self, keys: Iterable[StreamKey]) -> bool:
        """Ask for the lines before the first known ones; False when there are none."""
        asked = False
        for key in keys:
            lines = self._book.rings.stream(key)
            start = lines.start
            if start is None or (lines.begin is not None and lines.begin >= start):
                continue
            request = LogTail(
                instance=key.instance, stream=key.stream, lines=OLDER_LINES, before=start
            )
            self._ask(key, "older", request)
            asked = True
        return asked

    def fill(self, gap: LogGap) -> bool:
        """Ask for the bytes of a gap, at most 1 MiB of them; False when they are gone."""
        if gap.gone:
            return False
        lines = self._book.rings.stream(gap.key)
        if lines.start is not None and gap.end <= lines.start:
            return self.older([gap.key])
        self._fill(gap.key, gap.start, min(gap.end - gap.start, LOG_RANGE_BYTES))
        return True

    def mend(self, keys: Iterable[StreamKey]) -> None:
        """Ask for small gaps without being told to."""
        for key in keys:
            for gap in self._book.rings.stream(key).gaps():
                if not gap.gone and gap.end - gap.start <= MEND_BYTES:
                    self._fill(key, gap.start, gap.end - gap.start)
                    break

    def _fill(self, key: StreamKey, start: int, size: int) -> None:
        request = LogRange(
            instance=key.instance, stream=key.stream, start=start, max_bytes=min(size, STEP_BYTES)
        )
        self._ask(key, "gap", request, size)

    def _ask(self, key: StreamKey, kind: Kind, request: LogTail | LogRange, size: int = 0) -> None:
        if (key, kind) in self._waiting:
            return
        self._waiting.add((key, kind))
        self._queue.append((key, kind, request, size))
        self._send()

    def _send(self) -> None:
        while self._queue and self._flying < IN_FLIGHT:
            key, kind, request, size = self._queue.popleft()
            self._flying += 1

            def then(
                answer: Answer, key: StreamKey = key, kind: Kind = kind, size: int = size
            ) -> None:
                self._flying -= 1
                self._waiting.discard((key, kind))
                self._take(key, kind, answer, size)
                self._send()

            self._source.ask(key.app, request, then)

    def _take(self, key: StreamKey, kind: Kind, answer: Answer, size: int) -> None:
        if isinstance(answer, Refused):
            self.problems[key.app] = answer.message
        elif isinstance(answer, LogPart) and self._book.rings.knows(key.identity):
            self.problems.pop(key.app, None)
            tail = kind != "gap"
            self._book.take_part(key.app, answer, self._clock(), at_line_start=tail)
            left = size - len(answer.data)
            if kind == "gap" and left > 0 and answer.data:
                self._fill(key, answer.offset + len(answer.data), left)
            elif tail:
                self.mend([key])
