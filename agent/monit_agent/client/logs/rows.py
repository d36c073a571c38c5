"""Rows of a log (lines and gaps), and the runs that hold them."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise

from monit_agent.typed import TYPE_CHECKING, NamedTuple
from monit_agent.wire.ids import InstanceId

if TYPE_CHECKING:
    from monit_agent.wire.messages import Stream

LINE_BYTES = 64 * 1024
"""Bytes kept of one line; the rest is only counted."""

RUN_LINES = 1000
"""Most lines in a run; old lines are dropped a run at a time."""


class StreamKey(NamedTuple):
    """One output stream of one instance."""

    identity: InstanceId
    """The instance that prints it."""
    stream: "Stream"


class LogLine(NamedTuple):
    """One line. (key, offset) is its identity, also while it is still growing."""

    key: StreamKey
    offset: int
    """Logical offset of its first known byte."""
    at_ns: int
    """Wall clock when its first byte was read; 0 when unknown."""
    raw: bytes
    """Without the newline, at most `LINE_BYTES`."""
    whole: bool = True
    """False while its newline has not arrived, or when its beginning is missing."""
    ragged: bool = False
    """True when its beginning lies in a gap."""
    cut: int = 0
    """Bytes that were not kept."""


class LogGap(NamedTuple):
    """Missing bytes. ``gone``: they are no longer in the file either."""

    key: StreamKey
    start: int
    end: int
    at_ns: int
    gone: bool = False

    @property
    def offset(self) -> int:
        """Where it begins; both kinds of rows are identified by key and offset."""
        return self.start


Row = LogLine | LogGap


class Run:
    """Neighbouring rows of one stream that arrived at one moment: whole lines, or exactly one
    special row (unfinished, ragged, cut, or a gap of ``missing`` bytes).

    Rows change only while a line grows, and then in place, so a view that shows them stays valid.
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
        """Offset after the newline of the last line, or after the gap."""
        if self.missing:
            return self.offset + self.missing
        return self.offset + sum(map(len, self.lines)) + len(self.lines) + self.cut

    def row(self, index: int) -> Row:
        """Return one row; raise IndexError as a list would."""
        raw = self.lines[index]
        if self.missing:
            return LogGap(self.key, self.offset, self.offset + self.missing, self.at_ns, self.gone)
        at = self.offset + (self._line_starts()[index] if index else 0)
        return LogLine(self.key, at, self.at_ns, raw, self.whole, self.ragged, self.cut)

    def index_of(self, offset: int) -> int | None:
        """Return the index of the row that begins at ``offset``, or None."""
        if offset == self.offset:
            return 0
        if offset < self.offset or len(self.lines) == 1:
            return None
        starts = self._line_starts()
        index = bisect_left(starts, offset - self.offset)
        return index if index < len(starts) and starts[index] == offset - self.offset else None

    def index_at(self, offset: int) -> int:
        """Return the index of the row that holds the byte at ``offset``, which is within."""
        return bisect_right(self._line_starts(), offset - self.offset) - 1

    def grow(self, data: bytes) -> None:
        """Add ``data`` to the one line of this run."""
        room = 0 if self.cut else LINE_BYTES - len(self.lines[0])
        if room:
            self.lines[0] += data[:room]
        self.cut += max(0, len(data) - room)

    def absorb(self, rest: "Run") -> None:
        """Add the line of ``rest``, which follows without a gap and may be cut."""
        self.grow(rest.lines[0])
        self.cut += rest.cut

    def _line_starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *accumulate(len(line) + 1 for line in self.lines[:-1])]
        return self._starts


def gap_runs(key: StreamKey, start: int, end: int, at_ns: int, begin: int | None) -> list[Run]:
    """Return the rows for missing bytes; those before the file's ``begin`` are gone."""
    middle = min(max(start, begin or 0), end)
    runs: list[Run] = []
    for first, last in pairwise(sorted({start, middle, end})):
        run = Run(key, first, at_ns, [b""])
        run.missing = last - first
        run.gone = begin is not None and last <= begin
        runs.append(run)
    return runs
