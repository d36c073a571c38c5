"""Rows of a log folded for reading: a stack as the line that says what went wrong, equal lines of a
stream that stand together as one with a count. The rows stay what they are; only their choice
changes.

A stack may arrive in pieces, but for what has to be seen at once: a blank line with what follows
it, and the first six lines of an error of Node. In a flood only the newest lines are folded: nobody
reads the others. When all rows are read again, those near the reader are folded, and others once
the reader comes to them: keys wait meanwhile.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from monit_agent.client.logs.filter import EVERYTHING, FilteredRows, LogFilter
from monit_agent.client.logs.merged import MergedRows
from monit_agent.client.logs.rows import Row, Run, StreamKey
from monit_agent.logtext.blocks import find_blocks, may_hold_blocks
from monit_agent.logtext.folding import equal_but_time

FLOOD_ROWS = 500
"""Of more new rows at once, only this many are folded. An ordinary line takes about a microsecond,
one with the word Error ten of them."""

NEAR_ROWS = 1000
"""Rows before and after the reader that are folded when all rows are read again: they take about
three milliseconds, where all that are kept would take up to eighty."""

NEXT_ROWS = 300
"""Distance to rows that are not folded at which others are: further than a key moves."""


class Fold(NamedTuple):
    """What one shown row stands for: ``times`` times a block of ``size`` lines of its stream,
    between the rows ``first`` and ``last``."""

    first: int
    last: int
    times: int
    size: int


class _Tail(NamedTuple):
    """The newest block of a stream, which may still grow or be repeated."""

    shown: int
    seqs: list[int]
    lines: list[bytes]


class FoldedRows(FilteredRows):
    """The numbers of the shown rows. With a filter of lines nothing is folded, because the lines of
    a stack may be hidden."""

    def __init__(
        self, merged: MergedRows, log_filter: LogFilter = EVERYTHING, *, folds: bool = False
    ) -> None:
        self.folds = folds and not log_filter.by_line
        self._tails: dict[StreamKey, _Tail] = {}
        self._folds: dict[int, Fold] = {}
        self._shown_for: dict[int, int] = {}
        self._reader: int | None = None
        """The row that somebody reads; None: the newest."""
        self._folded = range(0)
        """The rows that are folded of those that were read at one time; the others are shown as
        they are. Later rows are folded as they come."""
        self._read_until, self._reads_all = 0, False
        self._folds_from = self._folds_until = 0
        """The rows that are folded of those that are read now."""
        super().__init__(merged, log_filter)
        if self.folds and self._all:
            self._all = False
            self.refresh()

    def refresh(self) -> None:
        """Choose all rows again, and fold those near the reader."""
        self._tails, self._folds, self._shown_for = {}, {}, {}
        first, end = self._merged.first, self._merged.end
        place = end if self._reader is None else self._reader
        self._folded = range(max(first, place - NEAR_ROWS), min(end, place + NEAR_ROWS))
        self._folds_from, self._folds_until = self._folded.start, self._folded.stop
        self._read_until, self._reads_all = end, True
        super().refresh()
        self._reads_all = False

    def fold_near(self, seq: int | None) -> bool:
        """Fold the rows around row ``seq``, which somebody reads; None: the newest. Return whether
        rows were chosen again; their numbers stay."""
        self._reader = seq
        if not self.folds:
            return False
        place = self._read_until if seq is None else min(seq, self._read_until)
        first = max(self._merged.first, place - NEXT_ROWS)
        until = min(self._read_until, place + NEXT_ROWS)
        if first >= until or (first >= self._folded.start and until <= self._folded.stop):
            return False
        self.refresh()
        return True

    def index(self, seq: int) -> int:
        """Return the index of row ``seq``, of the row that stands for it, or of the next one."""
        return super().index(self._shown_for.get(seq, seq))

    def shows(self, seq: int) -> bool:
        """Return whether a row is shown, or one that stands for it."""
        chosen = self._shown_for.get(seq, seq)
        place = super().index(chosen)
        return place < len(self) and self.seq(place) == chosen

    def fold_at(self, seq: int) -> Fold | None:
        """Return what a shown row stands for besides itself."""
        return self._folds.get(seq)

    def lines_of(self, seq: int) -> Iterator[int]:
        """Yield the numbers of all rows that a shown row stands for, itself among them."""
        fold = self._folds.get(seq)
        if fold is None:
            yield seq
            return
        key = self._merged.row(seq).key
        for start, run in self._merged.runs(fold.first):
            if start > fold.last:
                return
            if run.key == key and not run.missing:
                yield from range(max(start, fold.first), min(start + len(run), fold.last + 1))

    def _scan(self, run: Run, start: int, skip: int) -> None:
        count = len(run)
        if not self.folds or run.missing or not run.whole or run.ragged:
            self._tails.pop(run.key, None)
            super()._scan(run, start, skip)
            return
        first = max(skip, min(count, self._folds_from - start))
        until = max(first, min(count, self._folds_until - start))
        self._show_unfolded(run.key, range(start + skip, start + first))
        if first < until:
            self._fold(run.key, run.lines[first:until], start + first)
        self._show_unfolded(run.key, range(start + until, start + count))

    def _show_unfolded(self, key: StreamKey, seqs: range) -> None:
        if seqs:
            self._tails.pop(key, None)
            self._seqs.extend(seqs)

    def _fold(self, key: StreamKey, lines: list[bytes], start: int) -> None:
        tail = self._tails.get(key)
        seqs = [*(tail.seqs if tail else ()), *range(start, start + len(lines))]
        every = [*(tail.lines if tail else ()), *lines]
        if (tail is None or len(tail.lines) == 1) and not may_hold_blocks(every):
            self._tails[key] = self._fold_ordinary(tail, seqs, every)
            return
        for block in find_blocks(every):
            own = every[block.start : block.stop]
            numbers = seqs[block.start : block.stop]
            if tail is not None and numbers == tail.seqs:
                continue  # as before
            if tail is not None and numbers[0] == tail.seqs[0]:
                self._undo(tail)  # more lines belong to it
                tail = None
            if (
                tail is not None
                and _are_equal(own, tail.lines)
                and _follows(self._seqs, tail, numbers[0])
            ):
                tail = self._repeat(tail, numbers, own)
            else:
                tail = self._begin_block(seqs[block.reason], numbers, own)
        if tail is not None:
            self._tails[key] = tail

    def _fold_ordinary(self, tail: _Tail | None, seqs: list[int], lines: list[bytes]) -> _Tail:
        """Fold lines that are no stacks, of which the first is the tail's if there is one."""
        number, last = seqs[0], lines[0]
        if tail is None:
            _insert(self._seqs, number)
            tail = _Tail(number, [number], [last])
        for number, raw in zip(seqs[1:], lines[1:], strict=True):
            if equal_but_time(raw, last) and _follows(self._seqs, tail, number):
                tail = self._repeat(tail, [number], [raw])
            else:
                self._seqs.append(number)
                tail = _Tail(number, [number], [raw])
            last = raw
        return tail

    def _begin_block(self, shown: int, seqs: list[int], lines: list[bytes]) -> _Tail:
        _insert(self._seqs, shown)
        if len(seqs) > 1:
            self._folds[shown] = Fold(seqs[0], seqs[-1], 1, len(seqs))
            self._shown_for.update((seq, shown) for seq in seqs if seq != shown)
        return _Tail(shown, seqs, lines)

    def _repeat(self, tail: _Tail, seqs: list[int], lines: list[bytes]) -> _Tail:
        shown = tail.shown
        fold = self._folds.get(shown) or Fold(shown, shown, 1, 1)
        self._folds[shown] = fold._replace(last=seqs[-1], times=fold.times + 1)
        self._shown_for.update((seq, shown) for seq in seqs)
        return _Tail(shown, seqs, lines)

    def _undo(self, tail: _Tail) -> None:
        """Take the newest block out: as a row, or as one time of a repeated one."""
        fold = self._folds.pop(tail.shown, None)
        for seq in tail.seqs:
            self._shown_for.pop(seq, None)
        if fold is not None and fold.times > 1:
            if fold.times > 2 or fold.size > 1:
                self._folds[tail.shown] = fold._replace(last=tail.seqs[0] - 1, times=fold.times - 1)
            return
        place = bisect_left(self._seqs, tail.shown)
        if place < len(self._seqs) and self._seqs[place] == tail.shown:
            del self._seqs[place]

    def update(self) -> int:
        """Choose and fold the rows added since; return how many rows were added to the shown."""
        if not self._reads_all:
            self._folds_from = self._merged.end - FLOOD_ROWS
            self._folds_until = self._merged.end
        added = super().update()
        if len(self._shown_for) > 4096 and self._seqs:
            first = self._merged.first
            self._shown_for = {seq: own for seq, own in self._shown_for.items() if seq >= first}
            self._folds = {seq: fold for seq, fold in self._folds.items() if fold.last >= first}
        return added


def block_rows(rows: FoldedRows, merged: MergedRows, seq: int) -> list[Row]:
    """Return the rows of the block that a shown row stands for, once if it is repeated."""
    fold = rows.fold_at(seq)
    size = 1 if fold is None else fold.size
    return [merged.row(number) for number, _ in zip(rows.lines_of(seq), range(size))]  # noqa: B905


def _follows(shown: list[int], tail: _Tail, seq: int) -> bool:
    """Return whether no row of another stream is shown between a block and row ``seq``: what is
    printed again later must be seen at its time."""
    place = bisect_right(shown, tail.seqs[-1])
    return place == len(shown) or shown[place] >= seq


def _insert(shown: list[int], seq: int) -> None:
    if not shown or seq > shown[-1]:
        shown.append(seq)
    else:
        shown.insert(bisect_left(shown, seq), seq)


def _are_equal(lines: list[bytes], others: list[bytes]) -> bool:
    return len(lines) == len(others) and all(map(equal_but_time, lines, others))
