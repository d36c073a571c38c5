"""Rows of several streams in one order, each with a number that never changes."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from monit_agent.client.logs.rows import Row, Run, StreamKey


class MergedRows:
    """Rows of several streams in one order, addressed by sequence number."""

    def __init__(self) -> None:
        self.end = 0
        """Sequence number of the next row."""
        self._runs: list[Run] = []
        self._starts: list[int] = []
        self._skip = 0
        """Dropped runs at the front; they are removed from the lists in batches."""

    @property
    def first(self) -> int:
        """Sequence number of the oldest row."""
        return self._starts[self._skip] if self._skip < len(self._starts) else self.end

    def __len__(self) -> int:
        return self.end - self.first

    def append(self, runs: Iterable[Run]) -> int:
        """Add rows at the end and return how many."""
        before = self.end
        for run in runs:
            self._runs.append(run)
            self._starts.append(self.end)
            self.end += len(run)
        return self.end - before

    def replace_runs(self, runs: Iterable[Run]) -> None:
        """Replace all rows; the new ones get new numbers."""
        self._runs, self._starts, self._skip = [], [], 0
        self.append(runs)

    def trim(self, most: int) -> None:
        """Drop the oldest runs while at least ``most`` rows remain."""
        while (
            len(self) - len(self._runs[self._skip] if self._skip < len(self._runs) else ()) > most
        ):
            self._skip += 1
        if self._skip > 256 and self._skip * 2 > len(self._runs):
            del self._runs[: self._skip], self._starts[: self._skip]
            self._skip = 0

    def row(self, seq: int) -> Row:
        """Return a row; raise IndexError when it is not (or no longer) there."""
        run, index = self.run_at(seq)
        return run.row(index)

    def run_at(self, seq: int) -> tuple[Run, int]:
        """Return the run that holds a row, and the row's index in it."""
        if not self.first <= seq < self.end:
            raise IndexError(seq)
        place = bisect_right(self._starts, seq) - 1
        return self._runs[place], seq - self._starts[place]

    def runs(self, seq: int) -> Iterator[tuple[int, Run]]:
        """Yield the runs from the one that holds row ``seq`` on, with their first numbers."""
        seq = max(seq, self.first)
        place = max(bisect_right(self._starts, seq) - 1, self._skip)
        for index in range(place, len(self._runs)):
            yield self._starts[index], self._runs[index]

    def find(self, key: StreamKey, offset: int) -> int | None:
        """Return the number of the row that begins at ``offset`` of a stream, or None."""
        for start, run in self.runs(self.first):
            if run.key == key and run.offset <= offset:
                index = run.index_of(offset)
                if index is not None:
                    return start + index
        return None

    def find_line(self, key: StreamKey, offset: int) -> int | None:
        """Return the number of the row that holds the byte at ``offset`` of a stream, or None when
        that byte is not known."""
        for start, run in self.runs(self.first):
            if run.key == key and not run.missing and run.offset <= offset < run.end:
                return start + run.index_at(offset)
        return None

    def find_time(self, at_ns: int) -> int:
        """Return the number of the first row of ``at_ns`` or later; `end` without one."""
        return next((at for at, run in self.runs(self.first) if run.at_ns >= at_ns), self.end)
