"""Reading a stream back from its files and time indexes: by offset, by time, from the end.

Every offset here is logical, as ``wire/timeindex.py`` defines it. Nothing is kept open: an open
costs 5 µs, and a file that was emptied, rotated or replaced is simply seen as it is now. A call
sees the stream as it was at some moment of it.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from monit_agent.agent.logs.segments import Segments
from monit_agent.wire import timeindex
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.logfiles import StreamNames

BLOCK = 64 * 1024
"""How much is read at once when looking for line ends."""

Found = TypeVar("Found")

Times = tuple[tuple[int, int], ...]
"""(logical offset, wall ns) pairs, ascending."""


class Part(NamedTuple):
    """Bytes of a stream, and how far the stream reaches."""

    offset: int
    data: bytes
    begin: int
    end: int


class StreamReader:
    """Reads one stream."""

    def __init__(self, names: StreamNames) -> None:
        self.names = names

    def range(self, start: int, max_bytes: int) -> Part:
        """Return at most ``max_bytes`` from ``start`` on, moved to what the files still hold.

        A start before the first byte is moved to it, one after the end to the end, one in a gap
        to what follows it.
        """

        def read(stream: Segments) -> Part:
            offset = min(max(start, stream.begin), stream.end)
            count = min(max(max_bytes, 0), LOG_RANGE_BYTES)
            data = stream.read(offset, count)
            while not data and count and offset < stream.end:
                offset = stream.after_gap(offset)
                data = stream.read(offset, count)
            return Part(offset, data, stream.begin, stream.end)

        return self.settled(read)

    def newest(self, start: int, max_bytes: int) -> bytes:
        """Return at most ``max_bytes`` from ``start`` on; b"" when they are not there. Cheaper than
        `range` for bytes that were just written."""
        return self.settled(lambda stream: stream.read(start, max_bytes))

    def tail(self, lines: int, before: int | None) -> Part:
        """Return the last ``lines`` lines that begin before ``before`` (None: the end).

        The data reaches up to ``before``, or up to a gap before it; an unfinished line there counts
        as one, as it does for ``tail``. At most `LOG_RANGE_BYTES`: what is cut off is cut at the
        front, at the beginning of a line if one begins within.
        """

        def read(stream: Segments) -> Part:
            stop = stream.end if before is None else min(max(before, stream.begin), stream.end)
            stop = _end_before(stream, stop)
            start = _start_of_last(stream, stop, lines)
            return Part(start, stream.read(start, stop - start), stream.begin, stream.end)

        return self.settled(read)

    def since(self, wall_ns: int) -> Part:
        """Return, without data, where the first line that begins at or after the time begins."""

        def read(stream: Segments) -> Part:
            return Part(line_since(stream, wall_ns), b"", stream.begin, stream.end)

        return self.settled(read)

    def times(self, start: int, stop: int) -> Times:
        """Return the index records that date the bytes ``start`` to ``stop``.

        The first is the last one at or before ``start``, if there is one.
        """
        if stop <= start:
            return ()
        with Segments(self.names) as stream:
            return index_records(stream, start, stop)

    def settled(self, read: Callable[[Segments], Found]) -> Found:
        """Return what ``read`` finds; again when the file was emptied meanwhile."""
        for _ in range(2):
            with Segments(self.names) as stream:
                found = read(stream)
                if stream.is_settled():
                    return found
        with Segments(self.names) as stream:
            return read(stream)


def index_records(stream: Segments, start: int, stop: int) -> Times:
    """Return the index records that date the bytes ``start`` to ``stop`` of an open stream."""
    found: list[tuple[int, int]] = []
    for base in stream.bases_within(start, stop):
        found += _between(stream.index_path(base), max(start, base), stop)
    return tuple(found)


def line_since(stream: Segments, wall_ns: int) -> int:
    """Return where the first line begins that was printed at or after a time; the end if none."""
    start = stream.end
    for base in stream.bases:
        record = _first_since(stream.index_path(base), wall_ns)
        if record is not None:
            start = min(max(record[0], stream.begin), stream.end)
            break
    return _next_line(stream, start)


@contextmanager
def _open(path: str) -> "Generator[int | None]":
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _end_before(stream: Segments, stop: int) -> int:
    """Return ``stop``, or the end of the last file before it if a gap ends there."""
    while stop > stream.begin and not stream.read_before(stop, 1):
        stop = stream.end_before(stop)
    return stop


def _start_of_last(stream: Segments, stop: int, lines: int) -> int:
    """Return where the last ``lines`` lines before ``stop`` begin."""
    floor = max(stream.begin, stop - LOG_RANGE_BYTES)
    if lines <= 0:
        return stop
    found = 0
    first_seen = position = stop
    while position > floor:
        block = stream.read_before(position, min(BLOCK, position - floor))
        if not block:
            return position  # a gap
        low = position - len(block)
        # the newline that ends the last line does not begin another one
        at = len(block) - 1 if position == stop else len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            found += 1
            first_seen = low + at + 1
            if found == lines:
                return first_seen
        position = low
    return floor if floor == stream.begin or found == 0 else first_seen


def _next_line(stream: Segments, start: int) -> int:
    """Return the offset at or after ``start`` where a line begins, or the end."""
    before = stream.read_before(start, 1) if start > stream.begin else b""
    if before in (b"", b"\n"):
        return start
    while start < stream.end:
        block = stream.read(start, BLOCK)
        if not block:
            return stream.after_gap(start)
        at = block.find(b"\n")
        if at >= 0:
            return start + at + 1
        start += len(block)
    return stream.end


def _first_since(path: str, wall_ns: int) -> tuple[int, int] | None:
    """Return the first record of an index at or after a time, None without one."""
    with _open(path) as index:
        return None if index is None else _record(index, _search(index, wall_ns, column=1))


def _between(path: str, start: int, stop: int) -> list[tuple[int, int]]:
    """Return the records of an index that date these bytes."""
    with _open(path) as index:
        if index is None:
            return []
        first = max(0, _search(index, start + 1, column=0) - 1)
        last = _search(index, stop, column=0)
        size = timeindex.RECORD.size
        raw = os.pread(index, (last - first) * size, timeindex.HEADER.size + first * size)
        return timeindex.unpack_records(raw)


def _record(index: int, number: int) -> tuple[int, int] | None:
    """Return record ``number`` of the index, None past its end."""
    size = timeindex.RECORD.size
    raw = os.pread(index, size, timeindex.HEADER.size + number * size)
    records = timeindex.unpack_records(raw)
    return records[0] if records else None


def _search(index: int, least: int, *, column: int) -> int:
    """Return the number of the first record whose ``column`` (0 offset, 1 time) is >= ``least``."""
    low = 0
    body = max(0, os.fstat(index).st_size - timeindex.HEADER.size)
    high = body // timeindex.RECORD.size
    while low < high:
        middle = (low + high) // 2
        record = _record(index, middle)
        if record is not None and record[column] < least:
            low = middle + 1
        else:
            high = middle
    return low
