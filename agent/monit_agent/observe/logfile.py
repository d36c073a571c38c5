"""Reading a stream back from its file and time index: by offset, by time, from the end.

Every offset here is logical, as ``wire/timeindex.py`` defines it. Nothing is kept open:
an open costs 5 µs, and a file that was emptied or replaced is simply seen as it is now.
The keeper appends all the while; a call sees the file as it was at some moment of it.
"""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple

from monit_agent.wire import timeindex
from monit_agent.wire.limits import LOG_RANGE_BYTES

BLOCK = 64 * 1024
"""How much is read at once when looking for line ends."""

Times = tuple[tuple[int, int], ...]
"""(logical offset, wall ns) pairs, ascending."""


class Part(NamedTuple):
    """Bytes of a stream, and how far the stream reaches."""

    offset: int
    data: bytes
    begin: int
    end: int


class StreamFile:
    """One stream's log file ``log`` and time index ``index`` (paths)."""

    def __init__(self, log: str, index: str) -> None:
        self._log = log
        self._index = index

    def range(self, start: int, max_bytes: int) -> Part:
        """Give at most ``max_bytes`` from ``start`` on, moved to what the file still holds.

        A start before the file's first byte is moved to it, one after its end to the end.
        """

        def read(log: int | None, begin: int, end: int) -> Part:
            offset = min(max(start, begin), end)
            count = min(max(max_bytes, 0), LOG_RANGE_BYTES, end - offset)
            return Part(offset, _read(log, offset - begin, count), begin, end)

        return self._settled(read)

    def tail(self, lines: int, before: int | None) -> Part:
        """Give the last ``lines`` lines that begin before ``before`` (None: the end).

        The data reaches up to ``before``; an unfinished line there counts as one, as it
        does for ``tail``. At most `LOG_RANGE_BYTES`: what is cut off is cut at the front,
        at the beginning of a line if one begins within.
        """

        def read(log: int | None, begin: int, end: int) -> Part:
            stop = end if before is None else min(max(before, begin), end)
            size = stop - begin
            start = _start_of_last(log, size, lines)
            return Part(begin + start, _read(log, start, size - start), begin, end)

        return self._settled(read)

    def since(self, wall_ns: int) -> Part:
        """Give, without data, where the first line that begins at or after the time begins."""

        def read(log: int | None, begin: int, end: int) -> Part:
            offset = end
            with _open(self._index) as index:
                if index is not None:
                    record = _record(index, _search(index, wall_ns, column=1))
                    offset = record[0] if record else end
            start = min(max(offset, begin), end) - begin
            return Part(begin + _next_line(log, start, end - begin), b"", begin, end)

        return self._settled(read)

    def times(self, start: int, stop: int) -> Times:
        """Give the index records that date the bytes ``start`` to ``stop``.

        The first is the last one at or before ``start``, if there is one.
        """
        with _open(self._index) as index:
            if index is None or stop <= start:
                return ()
            first = max(0, _search(index, start + 1, column=0) - 1)
            last = _search(index, stop, column=0)
            size = timeindex.RECORD.size
            raw = os.pread(index, (last - first) * size, timeindex.HEADER.size + first * size)
            return tuple(timeindex.unpack_records(raw))

    def _settled(self, read: Callable[[int | None, int, int], Part]) -> Part:
        """Call ``read(log, begin, end)`` with the open log and the logical extent of its bytes.

        Again when the file was emptied meanwhile: the index then says another beginning, or
        the log is shorter than it was.
        """
        tries = 3
        while True:
            with _open(self._log) as log:
                base, size = self.base(), _size(log)
                part = read(log, base, base + size)
                tries -= 1
                if tries == 0 or (self.base() == base and _size(log) >= size):
                    return part

    def base(self) -> int:
        """Give the logical offset of the file's first byte; 0 without a readable index."""
        with _open(self._index) as index:
            if index is None:
                return 0
            try:
                return timeindex.unpack_header(os.pread(index, timeindex.HEADER.size, 0))
            except timeindex.BadIndexError:
                return 0


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


def _size(log: int | None) -> int:
    return 0 if log is None else os.fstat(log).st_size


def _read(log: int | None, position: int, count: int) -> bytes:
    return os.pread(log, count, position) if log is not None and count > 0 else b""


def _start_of_last(log: int | None, size: int, lines: int) -> int:
    """Give the position where the last ``lines`` lines of the first ``size`` bytes begin."""
    floor = max(0, size - LOG_RANGE_BYTES)
    if lines <= 0:
        return size
    found = 0
    first_seen = size
    position = size
    while position > floor:
        low = max(floor, position - BLOCK)
        block = _read(log, low, position - low)
        # the newline that ends the last line does not begin another one
        at = len(block) - 1 if position == size else len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            found += 1
            first_seen = low + at + 1
            if found == lines:
                return first_seen
        position = low
    return floor if floor == 0 or found == 0 else first_seen


def _next_line(log: int | None, start: int, size: int) -> int:
    """Give the position at or after ``start`` where a line begins, or ``size``."""
    if start == 0 or _read(log, start - 1, 1) == b"\n":
        return start
    while start < size:
        block = _read(log, start, min(BLOCK, size - start))
        if not block:
            break
        at = block.find(b"\n")
        if at >= 0:
            return start + at + 1
        start += len(block)
    return size


def _record(index: int, number: int) -> tuple[int, int] | None:
    """Give record ``number`` of the index, None past its end."""
    size = timeindex.RECORD.size
    raw = os.pread(index, size, timeindex.HEADER.size + number * size)
    records = timeindex.unpack_records(raw)
    return records[0] if records else None


def _search(index: int, least: int, *, column: int) -> int:
    """Give the number of the first record whose ``column`` (0 offset, 1 time) is >= ``least``."""
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
