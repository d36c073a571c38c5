"""The bytes of one stream as lines, each with its offset and time. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from monit_agent.client.logs.assembler import time_at
from monit_agent.client.logs.rows import StreamKey

LINE_MAX_BYTES = 1024 * 1024
"""A longer line comes in pieces of this size."""


class StreamLine(NamedTuple):
    """A line without its newline; with ``note``, a remark of monit in its place."""

    key: StreamKey
    offset: int
    at_ns: int
    """Wall clock; 0 when unknown. Never less than that of the line before."""
    raw: bytes
    note: bool = False
    ended: bool = True
    """False when no newline follows: a piece of a long line, or a line that is not complete."""
    context: bool = False
    """Whether it is shown only because a line near it matches."""
    times: int = 1
    """How many times in a row it was printed, when equal lines are folded."""
    size: int = 1
    """The lines of the stack for which it stands."""


class LineSplitter:
    """The position up to which a stream was read, and the line that is not complete yet."""

    def __init__(self, key: StreamKey) -> None:
        self.key = key
        self.position: int | None = None
        """Offset of the next byte; None before anything was read."""
        self.unfinished_since: float | None = None
        self._rest = b""
        self._rest_at_ns = 0
        self._latest_ns = 0

    @property
    def has_unfinished_line(self) -> bool:
        """Return whether the last line has no newline yet."""
        return bool(self._rest)

    def unfinished_line(self) -> list[StreamLine]:
        """Return the line that has no newline yet, and forget it; [] when there is none."""
        if not self._rest or self.position is None:
            return []
        first = self.position - len(self._rest)
        line = StreamLine(self.key, first, self._rest_at_ns, self._rest, ended=False)
        self._rest, self.unfinished_since = b"", None
        return [line]

    def feed(
        self, offset: int, data: bytes, times: tuple[tuple[int, int], ...]
    ) -> Iterator[StreamLine]:
        """Yield the lines that bytes at the position complete; ``times`` dates them."""
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
            raw, ended = self._rest + data[start:stop], stop == newline
            yield StreamLine(self.key, first, at_ns, raw, ended=ended)
            self._rest, self.unfinished_since = b"", None
            start = stop + 1 if stop == newline else stop

    def _dated(self, times: tuple[tuple[int, int], ...], offset: int) -> int:
        """Return when a line began; one that began in an earlier chunk keeps its time."""
        if not self._rest:
            self._latest_ns = max(self._latest_ns, time_at(times, offset))
            self._rest_at_ns = self._latest_ns
        return self._rest_at_ns
