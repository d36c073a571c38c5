"""One stream of one instance as lines: pages that are requested by offset, then live chunks.

Every byte has an offset, so none is lost or shown twice: a live chunk is added when it follows the
last byte that was read, and a gap before it is requested from the agent.
"""

from collections.abc import Iterator

from monit_agent.client.logs.lines import LineSplitter, StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.typed import TYPE_CHECKING
from monit_agent.wire.limits import LOG_RANGE_BYTES

if TYPE_CHECKING:
    from monit_agent.cli.logs.log_query import LogRequests
    from monit_agent.wire.messages import LogPart

BEHIND_MAX_BYTES = 8 * 1024 * 1024
"""A stream that is further ahead is not fetched: a note says how much was skipped."""

PAGES_BACK = 64
"""Pages of a megabyte to read for the last lines, which may be long."""


class LogStream(LineSplitter):
    """One stream that is read by its caller, who waits for each answer."""

    def __init__(self, key: StreamKey, requests: "LogRequests") -> None:
        super().__init__(key)
        self.requests = requests
        """Who is asked."""

    # ------------------------------------------------------------ from the file

    def tail(self, count: int) -> list[StreamLine]:
        """Return the last ``count`` lines; `add_chunk` continues after them.

        A line without a newline is kept back for `unfinished_line`.
        """
        part = self.requests.tail(self.key, count, None)
        if part is None:
            return []
        pages = [part]
        found = part.data.count(b"\n")
        while found < count and part.offset > part.begin and len(pages) < PAGES_BACK:
            earlier = self.requests.tail(self.key, count - found, part.offset)
            if earlier is None or not earlier.data:
                break
            part = earlier
            found += part.data.count(b"\n")
            pages.append(part)
        lines = [line for page in reversed(pages) for line in self._feed_part(page)]
        return lines[-count:] if count else []

    def begin_at_end(self) -> int | None:
        """Return the offset of the line that is not complete, or of the end: the lines before it
        are read elsewhere, and `add_chunk` continues after it. None without an answer."""
        self.tail(1)
        return None if self.position is None else self.position - len(self._rest)

    def since(self, at: float) -> Iterator[StreamLine]:
        """Yield the lines printed at or after wall second ``at``, up to the end of the file."""
        part = self.requests.since(self.key, at)
        if part is None:
            return
        self.position = part.offset
        yield from self._up_to(part.end)

    def catch_up(self) -> Iterator[StreamLine]:
        """Yield the lines up to the end of the file that nobody has published to us."""
        part = self.requests.tail(self.key, 0, None)
        if part is not None:
            yield from self.add_chunk(part.end, b"", ())

    # ------------------------------------------------------------ live

    def add_chunk(
        self, offset: int, data: bytes, times: tuple[tuple[int, int], ...]
    ) -> Iterator[StreamLine]:
        """Yield the lines that a live chunk completes; a gap before it is requested."""
        if self.position is None:
            self.position = offset
        if offset > self.position:
            yield from self._catch_up(offset)
        known = self.position - offset
        if 0 <= known < len(data):
            yield from self.feed(self.position, data[known:], times)

    def _catch_up(self, offset: int) -> Iterator[StreamLine]:
        if self.position is not None and offset - self.position > BEHIND_MAX_BYTES:
            yield from self.unfinished_line()
            yield self._note(
                offset - self.position, "skipped: the app prints faster than they can be shown"
            )
            self.position = offset
            return
        yield from self._up_to(offset)

    def _up_to(self, end: int) -> Iterator[StreamLine]:
        """Read pages from the position to ``end``; a note stands for bytes that are not there."""
        while self.position is not None and self.position < end:
            size = min(LOG_RANGE_BYTES, end - self.position)
            part = self.requests.range(self.key, self.position, size)
            if part is None:
                yield from self.unfinished_line()
                yield self._note(end - self.position, "could not be read")
                self.position = end
            elif part.offset > self.position:
                yield from self.unfinished_line()
                yield self._note(
                    part.offset - self.position, "no longer there: the log was emptied"
                )
                self.position = part.offset
                yield from self._feed_part(part)
            elif not part.data:
                return
            else:
                yield from self._feed_part(part)

    def _note(self, size: int, what: str) -> StreamLine:
        text = f"… {size:,} bytes {what} …".encode()
        return StreamLine(self.key, self.position or 0, self._latest_ns, text, note=True)

    # ------------------------------------------------------------ bytes to lines

    def _feed_part(self, part: "LogPart") -> Iterator[StreamLine]:
        return self.feed(part.offset, part.data, part.times)
