"""The blocks in which a stream is searched. They begin and end with a line, as far as possible."""

from typing import NamedTuple

from monit_agent.agent.logs.segments import Segments
from monit_agent.logtext.levels import is_continuation

BLOCK_BYTES = 256 * 1024
"""Read at once; it stays in a processor's cache: larger blocks are searched no faster."""

LINE_BYTES = 1024 * 1024
"""Of a longer line each such part is a line."""

CONTEXT_BYTES = 64 * 1024
"""How far around a block is looked for lines of context."""


class LogBlock(NamedTuple):
    """Bytes of a stream from offset ``low`` on."""

    low: int
    data: bytes

    @property
    def high(self) -> int:
        """Return the offset behind its last byte."""
        return self.low + len(self.data)


class BlockReader:
    """Reads blocks of ``stream`` between the offsets ``low`` and ``high``, both at the beginning of
    a line. With ``keeps_stacks``, none begins within a stack, except that of a file."""

    def __init__(self, stream: Segments, low: int, high: int, *, keeps_stacks: bool) -> None:
        self._stream = stream
        self._low = low
        self._high = high
        self._keeps_stacks = keeps_stacks

    def before(self, high: int) -> LogBlock:
        """Return the block that ends at ``high``; without data, where to go on before a gap."""
        count = BLOCK_BYTES
        while True:
            data = self._stream.read_before(high, min(count, high - self._low))
            if not data:
                end = self._stream.end_before(high)
                return LogBlock(max(self._low, min(end, high - 1)), b"")
            low = high - len(data)
            if low == self._low:
                return LogBlock(low, data)
            is_all = len(data) < count or count >= LINE_BYTES
            starts = self._first_start(data, is_all=is_all)
            if starts or is_all:
                return LogBlock(low + starts, data[starts:])
            count *= 2

    def _first_start(self, data: bytes, *, is_all: bool) -> int:
        """Return where the first line begins that is known to begin within ``data``, and with which
        a block can begin; 0 without one. ``is_all``: no more can be read."""
        first = start = data.find(b"\n", 0, -1) + 1
        if not self._keeps_stacks:
            return start
        while start and is_continuation(data[start : start + 64]):
            start = data.find(b"\n", start, -1) + 1
        return start or (first if is_all else 0)

    def beginning(self, low: int) -> LogBlock:
        """Return the block that begins at ``low``; without data, where to go on behind a gap."""
        count = BLOCK_BYTES
        while True:
            wanted = min(count, self._high - low)
            data = self._stream.read(low, wanted)
            if not data:
                return LogBlock(min(self._high, self._stream.after_gap(low)), b"")
            if len(data) < wanted or low + len(data) == self._high:
                return LogBlock(low, data)
            is_all = count >= LINE_BYTES
            stop = self._last_start(data, is_all=is_all)
            if stop or is_all:
                return LogBlock(low, data[:stop] if stop else data)
            count *= 2

    def _last_start(self, data: bytes, *, is_all: bool) -> int:
        """Return where the last line of ``data`` begins with which another block can begin; 0
        without one."""
        last = start = data.rfind(b"\n") + 1
        if not self._keeps_stacks:
            return start
        while start > 0 and (start == len(data) or is_continuation(data[start : start + 64])):
            start = data.rfind(b"\n", 0, start - 1) + 1
        return start or (last if is_all else 0)

    def lines_before(self, high: int) -> bytes:
        """Return the lines before ``high``, at most `CONTEXT_BYTES`, of several files too."""
        low, parts = high, list[bytes]()
        floor = max(self._low, high - CONTEXT_BYTES)
        while low > floor and (part := self._stream.read_before(low, low - floor)):
            parts.insert(0, part)
            low -= len(part)
        data = b"".join(parts)
        return data if low == self._low else data[data.find(b"\n") + 1 or len(data) :]

    def bytes_after(self, low: int) -> bytes:
        """Return what follows, at most `CONTEXT_BYTES`."""
        return self._stream.read(low, min(CONTEXT_BYTES, self._high - low))
