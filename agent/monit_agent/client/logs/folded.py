"""Rows of a log folded for reading: a stack as the line that says what went wrong, equal lines of a
stream that stand together as one with a count. The rows stay what they are; only their choice
changes.

A stack may arrive in pieces, but for what has to be seen at once: a blank line with what follows
it, and the first six lines of an error of Node. In a flood only the newest lines are folded: nobody
reads the others.
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
        self._unfolded_until = 0
        """Rows before this one are shown as they are."""
        super().__init__(merged, log_filter)
        if self.folds and self._all:
            self._all = False
            self.refresh()

    def refresh(self) -> None:
        """Choose and fold all rows again."""
        self._tails, self._folds, self._shown_for = {}, {}, {}
        self._unfolded_until = 0
        super().refresh()

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
        unfolded = not self.folds or run.missing or not run.whole or run.ragged
        flood = max(skip, min(count, self._unfolded_until - start))
        if unfolded or flood > skip:
            self._tails.pop(run.key, None)
            super()._scan(run, start, skip) if unfolded else self._seqs.extend(
                range(start + skip, start + flood)
            )
        if not unfolded and flood < count:
            self._fold(run.key, run.lines[flood:], start + flood)

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
            if tail is not None and _are_equal(own, tail.lines) and self._follows(tail, numbers[0]):
                tail = self._repeat(tail, numbers, own)
            else:
                tail = self._begin_block(seqs[block.reason], numbers, own)
        if tail is not None:
            self._tails[key] = tail

    def _fold_ordinary(self, tail: _Tail | None, seqs: list[int], lines: list[bytes]) -> _Tail:
        """Fold lines that are no stacks, of which the first is the tail's if there is one."""
        number, last = seqs[0], lines[0]
        if tail is None:
            self._insert(number)
            tail = _Tail(number, [number], [last])
        for number, raw in zip(seqs[1:], lines[1:], strict=True):
            if equal_but_time(raw, last) and self._follows(tail, number):
                tail = self._repeat(tail, [number], [raw])
            else:
                self._seqs.append(number)
                tail = _Tail(number, [number], [raw])
            last = raw
        return tail

    def _follows(self, tail: _Tail, seq: int) -> bool:
        """Return whether no row of another stream is shown between a block and row ``seq``: what is
        printed again later must be seen at its time."""
        place = bisect_right(self._seqs, tail.seqs[-1])
        return place == len(self._seqs) or self._seqs[place] >= seq

    def _begin_block(self, shown: int, seqs: list[int], lines: list[bytes]) -> _Tail:
        self._insert(shown)
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

    def _insert(self, seq: int) -> None:
        if not self._seqs or seq > self._seqs[-1]:
            self._seqs.append(seq)
        else:
            self._seqs.insert(bisect_left(self._seqs, seq), seq)

    def update(self) -> int:
        """Choose and fold the rows added since; return how many rows were added to the shown."""
        if self._scanned > self._merged.first:  # else all is read for the first time
            self._unfolded_until = self._merged.end - FLOOD_ROWS
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


def _are_equal(lines: list[bytes], others: list[bytes]) -> bool:
    return len(lines) == len(others) and all(map(equal_but_time, lines, others))
