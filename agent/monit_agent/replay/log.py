"""One stream of a replayed app: what a log file and its time index would hold."""

from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.messages import LogEnd, LogPart, Stream

KEEP_BYTES = 8 * 1024 * 1024
"""A stream remembers this much; what is older is gone as after a rotation."""


class ReplayedLog:
    """Bytes with logical offsets that never go back (``wire/timeindex.py``)."""

    def __init__(self, instance: int, stream: Stream) -> None:
        self.instance = instance
        self.stream: Stream = stream
        self.begin = 0
        self._data = bytearray()
        self._times: list[tuple[int, int]] = []

    @property
    def end(self) -> int:
        """Logical offset after the last byte."""
        return self.begin + len(self._data)

    def append(self, data: bytes, wall_ns: int) -> tuple[int, int]:
        """Add bytes that were printed at ``wall_ns``; give the pair that dates them."""
        pair = (self.end, wall_ns)
        self._data += data
        self._times.append(pair)
        if len(self._data) > 2 * KEEP_BYTES:
            self._forget(len(self._data) - KEEP_BYTES)
        return pair

    def flush(self) -> None:
        """Empty the stream; offsets go on."""
        self._forget(len(self._data))

    def _forget(self, count: int) -> None:
        self.begin += count
        del self._data[:count]
        self._times = self._dates(self.begin, self.end)

    def log_end(self) -> LogEnd:
        """Return how far the stream reaches."""
        return LogEnd(instance=self.instance, stream=self.stream, begin=self.begin, end=self.end)

    def part(self, start: int, max_bytes: int) -> LogPart:
        """Return the bytes from logical offset ``start`` on."""
        first = min(max(start, self.begin), self.end)
        stop = min(first + min(max_bytes, LOG_RANGE_BYTES), self.end)
        return LogPart(
            instance=self.instance,
            stream=self.stream,
            offset=first,
            data=bytes(self._data[first - self.begin : stop - self.begin]),
            times=tuple(self._dates(first, stop)),
            begin=self.begin,
            end=self.end,
        )

    def tail(self, lines: int, before: int | None) -> LogPart:
        """Return the last lines before ``before``; at most `LOG_RANGE_BYTES`."""
        stop = self.end if before is None else min(max(before, self.begin), self.end)
        floor = max(0, stop - self.begin - LOG_RANGE_BYTES)
        cut = stop - self.begin
        for _ in range(lines):
            if cut <= floor:
                break
            # the newline that ends a line belongs to it, so look before it
            cut = max(self._data.rfind(b"\n", floor, cut - 1) + 1, floor)
        start = self.begin + cut
        return self.part(start, stop - start)

    def since(self, wall_ns: int) -> LogPart:
        """Return the offset of the first bytes printed at or after ``wall_ns``, without data."""
        offset = next((offset for offset, at in self._times if at >= wall_ns), self.end)
        return self.part(max(offset, self.begin), 0)

    def _dates(self, first: int, stop: int) -> list[tuple[int, int]]:
        before = [pair for pair in self._times if pair[0] <= first][-1:]
        return before + [pair for pair in self._times if first < pair[0] < stop]
