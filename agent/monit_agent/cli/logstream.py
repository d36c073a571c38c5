"""One stream of one instance as lines: pages asked for by offset, and live chunks behind them.

What was printed is addressed by offset, so nothing here can lose or double a byte: live chunks
are taken when they follow on what is known, and what lies between is asked for.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from monit_agent.client.loglines import time_at
from monit_agent.client.logrows import StreamKey
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.messages import Answer, LogPart, LogRange, LogSince, LogTail, Request

LINE_MAX_BYTES = 1024 * 1024
"""A longer line is written in pieces of this size."""

BEHIND_MAX_BYTES = 8 * 1024 * 1024
"""A stream that ran so far ahead is not fetched any more: what was skipped is said."""

PAGES_BACK = 64
"""Pages of a megabyte that are searched backwards for lines that match."""


class Line(NamedTuple):
    """A line without its newline, or with ``note`` something that monit says in its place."""

    key: StreamKey
    offset: int
    at_ns: int
    """Wall clock; 0 when nobody knows. Never less than that of the line before."""
    raw: bytes
    note: bool = False


Ask = Callable[[str, Request], Answer]
"""Ask an app's agent and wait for the answer."""


class LogStream:
    """Where a stream has been read to, and the line that has not ended yet."""

    def __init__(self, key: StreamKey, ask: Ask) -> None:
        self.key = key
        self.position: int | None = None
        """Offset of the byte that comes next; None before anything was read."""
        self.unfinished_since: float | None = None
        self._ask = ask
        self._rest = b""
        self._rest_at_ns = 0
        self._latest_ns = 0

    @property
    def holds_back(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._rest)

    # ------------------------------------------------------------ from the file

    def tail(self, count: int, wanted: Callable[[bytes], bool]) -> list[Line]:
        """Give the last ``count`` lines that are wanted; afterwards the stream follows on.

        A line that has not ended is held back: `rest` gives it.
        """
        part = self._part(LogTail(instance=self.key.instance, stream=self.key.stream, lines=count))
        if part is None:
            return []
        pages = [part]
        found = self._count(part, wanted)
        while found < count and part.offset > part.begin and len(pages) < PAGES_BACK:
            request = LogTail(
                instance=self.key.instance,
                stream=self.key.stream,
                lines=max(count, 10_000),
                before=part.offset,
            )
            earlier = self._part(request)
            if earlier is None or not earlier.data:
                break
            part = earlier
            found += self._count(part, wanted)
            pages.append(part)
        lines = [line for page in reversed(pages) for line in self._feed_part(page)]
        newest = [line for line in lines if wanted(line.raw)][-count:] if count else []
        if found < count and len(pages) == PAGES_BACK:
            text = f"… only the last {PAGES_BACK} MiB were searched; --since searches more …"
            newest.insert(0, Line(self.key, 0, 0, text.encode(), note=True))
        return newest

    def since(self, at: float) -> Iterator[Line]:
        """Give the lines printed at or after wall second ``at``, up to what the file has now."""
        request = LogSince(instance=self.key.instance, stream=self.key.stream, at=at)
        part = self._part(request)
        if part is None:
            return
        self.position = part.offset
        yield from self._up_to(part.end)

    def rest(self) -> list[Line]:
        """Give the line that has not ended, as far as it is there."""
        if not self._rest or self.position is None:
            return []
        line = Line(self.key, self.position - len(self._rest), self._rest_at_ns, self._rest)
        self._rest, self.unfinished_since = b"", None
        return [line]

    # ------------------------------------------------------------ live

    def take(self, offset: int, data: bytes, times: tuple[tuple[int, int], ...]) -> Iterator[Line]:
        """Give the lines that a live chunk completes; what is missing before it is asked for."""
        if self.position is None:
            self.position = offset
        if offset > self.position:
            yield from self._catch_up(offset)
        known = self.position - offset
        if 0 <= known < len(data):
            yield from self._feed(self.position, data[known:], times)

    def _catch_up(self, offset: int) -> Iterator[Line]:
        if self.position is not None and offset - self.position > BEHIND_MAX_BYTES:
            yield from self.rest()
            yield self._note(offset - self.position, "skipped: it is printed faster than shown")
            self.position = offset
            return
        yield from self._up_to(offset)

    def _up_to(self, end: int) -> Iterator[Line]:
        """Read pages from the position to ``end``; bytes that are gone are noted."""
        while self.position is not None and self.position < end:
            size = min(LOG_RANGE_BYTES, end - self.position)
            request = LogRange(
                instance=self.key.instance,
                stream=self.key.stream,
                start=self.position,
                max_bytes=size,
            )
            part = self._part(request)
            if part is None:
                yield from self.rest()
                yield self._note(end - self.position, "could not be read")
                self.position = end
            elif part.offset > self.position:
                yield from self.rest()
                yield self._note(part.offset - self.position, "gone: the log was emptied")
                self.position = part.offset
                yield from self._feed_part(part)
            elif not part.data:
                return
            else:
                yield from self._feed_part(part)

    def _note(self, size: int, what: str) -> Line:
        text = f"… {size:,} bytes {what} …".encode()
        return Line(self.key, self.position or 0, self._latest_ns, text, note=True)

    def _part(self, request: LogTail | LogSince | LogRange) -> LogPart | None:
        answer = self._ask(self.key.app, request)
        return answer if isinstance(answer, LogPart) else None

    # ------------------------------------------------------------ bytes to lines

    def _count(self, part: LogPart, wanted: Callable[[bytes], bool]) -> int:
        return sum(1 for raw in part.data.removesuffix(b"\n").split(b"\n") if wanted(raw))

    def _feed_part(self, part: LogPart) -> Iterator[Line]:
        return self._feed(part.offset, part.data, part.times)

    def _feed(self, offset: int, data: bytes, times: tuple[tuple[int, int], ...]) -> Iterator[Line]:
        self.position = offset + len(data)
        start = 0
        while start < len(data):
            newline = data.find(b"\n", start)
            stop = newline if newline >= 0 else len(data)
            stop = min(stop, start + LINE_MAX_BYTES - len(self._rest))
            at_ns = self._dated(times, offset + start)
            if newline < 0 and stop == len(data):
                self._rest += data[start:]
                return
            first = offset + start - len(self._rest)
            yield Line(self.key, first, at_ns, self._rest + data[start:stop])
            self._rest, self.unfinished_since = b"", None
            start = stop + 1 if stop == newline else stop

    def _dated(self, times: tuple[tuple[int, int], ...], offset: int) -> int:
        """Give when a line began; one that began in an earlier chunk keeps its time."""
        if not self._rest:
            self._latest_ns = max(self._latest_ns, time_at(times, offset))
            self._rest_at_ns = self._latest_ns
        return self._rest_at_ns
