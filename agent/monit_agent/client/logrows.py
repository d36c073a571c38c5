"""Rows of a log, the lines and the gaps, and the runs that they are kept in."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import NamedTuple

from monit_agent.client.view import Identity
from monit_agent.wire.messages import Stream

LINE_BYTES = 64 * 1024
"""Bytes kept of one line; the rest is counted."""

RUN_LINES = 1000
"""Most lines of a run: the grain in which old lines are dropped."""


class StreamKey(NamedTuple):
    """One output stream of one instance."""

    app: str
    instance: int
    stream: Stream

    @property
    def identity(self) -> Identity:
        """Whose it is."""
        return Identity(self.app, self.instance)


class LogLine(NamedTuple):
    """One line. (key, offset) is its identity, also while it is still growing."""

    key: StreamKey
    offset: int
    """Logical offset of its first byte that is known."""
    at_ns: int
    """Wall clock when its first byte was read; 0 when nobody knows."""
    raw: bytes
    """Without the newline, at most `LINE_BYTES`."""
    whole: bool = True
    """False while its newline has not come, or when its beginning is missing."""
    ragged: bool = False
    """True when its beginning lies in a gap."""
    cut: int = 0
    """Bytes of it that were not kept."""


class LogGap(NamedTuple):
    """Bytes that are not here. ``gone``: they are not in the file any more either."""

    key: StreamKey
    start: int
    end: int
    at_ns: int
    gone: bool = False

    @property
    def offset(self) -> int:
        """Where it begins, so that rows of both kinds have an identity."""
        return self.start


Row = LogLine | LogGap


class Run:
    """Neighbouring rows of one stream that came at one moment: whole lines, or exactly one
    row that is special (unfinished, ragged, cut, or a gap of ``missing`` bytes).

    The rows change only while a line grows, and then in place: who shows it goes on doing so.
    """

    __slots__ = (
        "_starts", "at_ns", "cut", "gone", "key", "lines", "missing", "offset", "ragged", "whole",
    )  # fmt: skip

    def __init__(self, key: StreamKey, offset: int, at_ns: int, lines: list[bytes]) -> None:
        self.key = key
        self.offset = offset
        self.at_ns = at_ns
        self.lines = lines
        self.whole = True
        self.ragged = False
        self.cut = 0
        self.missing = 0
        self.gone = False
        self._starts: list[int] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[Row]:
        return (self.row(index) for index in range(len(self.lines)))

    @property
    def end(self) -> int:
        """Offset behind the newline of the last line, or behind the gap."""
        if self.missing:
            return self.offset + self.missing
        return self.offset + sum(map(len, self.lines)) + len(self.lines) + self.cut

    def row(self, index: int) -> Row:
        """Give one row; IndexError as a list would."""
        raw = self.lines[index]
        if self.missing:
            return LogGap(self.key, self.offset, self.offset + self.missing, self.at_ns, self.gone)
        at = self.offset + (self._line_starts()[index] if index else 0)
        return LogLine(self.key, at, self.at_ns, raw, self.whole, self.ragged, self.cut)

    def index_of(self, offset: int) -> int | None:
        """Give the index of the row that begins at ``offset``, or None."""
        if offset == self.offset:
            return 0
        if offset < self.offset or len(self.lines) == 1:
            return None
        starts = self._line_starts()
        index = bisect_left(starts, offset - self.offset)
        return index if index < len(starts) and starts[index] == offset - self.offset else None

    def grow(self, data: bytes) -> None:
        """Add ``data`` to the one line of this run."""
        room = 0 if self.cut else LINE_BYTES - len(self.lines[0])
        if room:
            self.lines[0] += data[:room]
        self.cut += max(0, len(data) - room)

    def absorb(self, rest: "Run") -> None:
        """Add the line of ``rest``, which follows without a gap and may itself be cut."""
        self.grow(rest.lines[0])
        self.cut += rest.cut

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *accumulate(len(line) + 1 for line in self.lines[:-1])]
        return self._starts


def gap_runs(key: StreamKey, start: int, end: int, at_ns: int, begin: int | None) -> list[Run]:
    """Give the rows for missing bytes: what lies before the file's ``begin`` is gone."""
    middle = min(max(start, begin or 0), end)
    runs: list[Run] = []
    for first, last in pairwise(sorted({start, middle, end})):
        run = Run(key, first, at_ns, [b""])
        run.missing = last - first
        run.gone = begin is not None and last <= begin
        runs.append(run)
    return runs
