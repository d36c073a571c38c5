"""Which rows of a log are in view: a window that is tied to a row, never to a row number.

Pure arithmetic over `FilteredRows` and the height of each row. It needs the heights of rows near
the window only, so a log of any length costs the same.
"""

from collections.abc import Callable
from typing import NamedTuple

from monit_agent.client.logs.filter import FilteredRows
from monit_agent.client.logs.merged import MergedRows
from monit_agent.client.logs.rows import LogGap, StreamKey


class RowPlace(NamedTuple):
    """A row's identity, which stays valid when sequence numbers change."""

    key: StreamKey
    offset: int
    at_ns: int
    above: int = 0
    """How many rows above that row it is: a gap is identified by the line below it, because
    fetching shrinks it from its end."""


class LogWindow:
    """The part of the log that is in view, its cursor, and whether it follows the end."""

    def __init__(self, shown: FilteredRows, height_of: Callable[[int], int]) -> None:
        self.shown = shown
        self.follow = True
        self.height = 1
        self.cursor: int = 0
        """Number of the cursor's row; valid while not following."""
        self.anchor: int | None = None
        """Where the selection of lines starts, or None without one."""
        self.last: int = 0
        """Number of the last row that was shown while following."""
        self._height_of = height_of
        self._top: int = 0
        self._sub: int = 0

    @property
    def at_top(self) -> bool:
        """Return whether the view starts at the first row."""
        return self._sub == 0 and self.shown.index(self._top) == 0

    def rows(self) -> list[tuple[int, int]]:
        """Return (row, line of that row) for each line of the screen, from the top."""
        count = len(self.shown)
        if not count or self.height < 1:
            return []
        if self.follow:
            self._hang(count - 1)
            self.cursor = self.last = self.shown.seq(count - 1)
        rows = self._below_top()
        if len(rows) < self.height and not self.at_top:
            self._hang(count - 1)
            rows = self._below_top()
        return rows

    def resize(self, height: int) -> None:
        """Change the height; while paused, the cursor's row stays in view."""
        if height != self.height:
            self.height = height
            if not self.follow and height and len(self.shown):
                self._reveal()

    def follow_end(self) -> None:
        """Follow the end from now on."""
        self.follow, self.anchor = True, None

    @property
    def unseen(self) -> int:
        """Return the number of rows that were added since the pause."""
        if self.follow or not len(self.shown):
            return 0
        return max(0, len(self.shown) - 1 - self.shown.index(self.last))

    def pause(self) -> None:
        """Stay at the rows drawn last: newer rows must not move the view."""
        self.follow = False

    def move_cursor(self, rows: int) -> None:
        """Move the cursor; beyond the last row, follow the end."""
        self.pause()
        count = len(self.shown)
        if not count:
            return
        index = self.shown.index(self.cursor) + rows
        if index >= count and self.anchor is None:
            self.follow_end()
            return
        self.go_to(self.shown.seq(min(max(0, index), count - 1)))

    def go_to(self, seq: int, *, middle: bool = False) -> None:
        """Move the cursor to a row and show it: if asked, in the middle when it was not in view."""
        self.pause()
        if middle and seq not in (row for row, _ in self._below_top()):
            height, self.height = self.height, max(1, self.height // 2)
            self._hang(self.shown.index(seq))
            self.height = height
        self.cursor = seq
        self._reveal()

    def scroll(self, lines: int) -> None:
        """Move the window and the cursor with it; beyond the end, follow the end."""
        self.pause()
        count = len(self.shown)
        if not count:
            return
        index, sub = self.shown.index(self._top), self._sub + lines
        while sub < 0 and index > 0:
            index -= 1
            sub += self._height_of(self.shown.seq(index))
        while index < count and sub >= (tall := self._height_of(self.shown.seq(index))):
            index, sub = index + 1, sub - tall
        if index < count:
            self._top, self._sub = self.shown.seq(index), max(0, sub)
        seen = self._below_top() if index < count else []
        if lines > 0 and len(seen) < self.height:
            self.move_cursor(count)
        elif seen:
            self.cursor = min(max(self.cursor, seen[0][0]), seen[-1][0])

    def row_places(self, merged: MergedRows) -> list[RowPlace | None]:
        """Return what `restore_places` needs to find the same rows when their numbers change."""
        seqs = (self._top, self.cursor, self.last, self.anchor)
        return [None if seq is None else _place(merged, seq) for seq in seqs]

    def restore_places(self, merged: MergedRows, places: list[RowPlace | None]) -> None:
        """Return to the same rows after their numbers changed."""
        top, cursor, last, anchor = places
        self._top = _found(merged, top)
        self.cursor = _found(merged, cursor)
        self.last = _found(merged, last)
        self.anchor = _found(merged, anchor) if anchor else None

    def _hang(self, index: int) -> None:
        """Move the window so that the row at ``index`` ends at its bottom."""
        left = self.height
        while True:
            seq = self.shown.seq(index)
            tall = self._height_of(seq)
            if tall >= left or index == 0:
                self._top, self._sub = seq, max(0, tall - left)
                return
            left, index = left - tall, index - 1

    def _below_top(self) -> list[tuple[int, int]]:
        rows: list[tuple[int, int]] = []
        index, sub = self.shown.index(self._top), self._sub
        while len(rows) < self.height and index < len(self.shown):
            seq = self.shown.seq(index)
            tall = self._height_of(seq)
            sub = min(sub, tall - 1)  # a row may have become shorter
            rows += [(seq, line) for line in range(sub, tall)]
            index, sub = index + 1, 0
        return rows[: self.height]

    def _reveal(self) -> None:
        cursor = min(self.shown.index(self.cursor), len(self.shown) - 1)
        self.cursor, top = self.shown.seq(cursor), self.shown.index(self._top)
        if cursor < top or (cursor == top and self._sub):
            self._top, self._sub = self.cursor, 0
            return
        tall = self._height_of(self.cursor)
        if (self.cursor, tall - 1) not in self._below_top():
            self._hang(cursor)
            if tall > self.height:
                self._top, self._sub = self.cursor, 0


def _place(merged: MergedRows, seq: int) -> RowPlace | None:
    if not merged.first <= seq < merged.end:
        return None
    above = 0
    row = merged.row(seq)
    while isinstance(row, LogGap) and seq + above + 1 < merged.end:
        above += 1
        row = merged.row(seq + above)
    return RowPlace(row.key, row.offset, row.at_ns, above)


def _found(merged: MergedRows, place: RowPlace | None) -> int:
    if place is None:
        return merged.first
    seq = merged.find(place.key, place.offset)
    if seq is None:
        seq = min(merged.find_time(place.at_ns), merged.end - 1)
    return max(seq - place.above, merged.first)
