"""The lines of a log on the screen: only the rows in view, each rendered once.

It is not a `ScrollView`, whose position is a number of lines from the start: that moves the view
when old lines are dropped, and needs the height of every wrapped line above.
"""

from collections.abc import Callable
from typing import Self

from textual.geometry import Region
from textual.strip import Strip

from monit_agent.client.logs.filter import EVERYTHING, LogFilter, Matcher
from monit_agent.client.logs.folded import Fold, FoldedRows, block_rows
from monit_agent.client.logs.logbook import FlushResult, Logbook
from monit_agent.client.logs.rows import LogLine, Row, StreamKey
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip
from monit_tui.widgets.log.found import FoundRows
from monit_tui.widgets.log.render import RowLayout, RowState, row_lines
from monit_tui.widgets.log.window import LogWindow

NO_MATCH = "no line matches the filter; {logs.escape} shows all lines"

_CACHED_ROWS = 1000
_MOVE_BYTES = 16
"""Bytes to move the terminal's cursor to a changed part of a line and to set a style."""


class LogView(Lines):
    """Draws the window's rows of a logbook's merged view."""

    def __init__(self, book: Logbook, look: Look, spent: Callable[[int], None]) -> None:
        super().__init__(id="log-view")
        self.book = book
        self.row_layout = RowLayout(0, look)
        """How rows are drawn; change it with `set_layout`."""
        self.found: FoundRows | None = None
        """What matches the search, if there is one."""
        self.opened: set[tuple[StreamKey, int]] = set()
        """Rows whose record is shown in full."""
        self.folds = True
        """Whether stacks and equal lines are folded."""
        self.marks: set[tuple[StreamKey, int]] = set()
        self.empty = ""
        """What is shown without rows."""
        self.shown = FoldedRows(book.merged, folds=self.folds)
        self.window = LogWindow(self.shown, self._height_of)
        self.active = False
        """Whether the pane has the focus."""
        self._spent = spent
        self._cache: dict[object, list[Strip]] = {}

    # ------------------------------------------------------------ what is shown

    def show_selection(self) -> None:
        """Show another selection of the book, at its end."""
        self.shown = FoldedRows(self.book.merged, self.shown.filter, folds=self.folds)
        self.window = LogWindow(self.shown, self._height_of)
        _search_again(self)
        self._cache.clear()

    def set_filter(self, log_filter: LogFilter) -> None:
        """Show only rows that match a filter; the view stays in place."""
        self.shown = FoldedRows(self.book.merged, log_filter, folds=self.folds)
        self.window.shown = self.shown
        _search_again(self)
        self._cache.clear()

    def set_layout(self, **changes: object) -> None:
        """Change how rows are drawn: fields of `RowLayout`."""
        self.row_layout = self.row_layout._replace(**changes)  # type: ignore[arg-type]
        self._cache.clear()

    def set_search(self, matcher: Matcher | None) -> None:
        """Highlight what matches, and count it."""
        self.found = FoundRows(self.book.merged, self.shown, matcher) if matcher else None
        self.set_layout(query=matcher)

    def add_flushed(self, done: FlushResult) -> None:
        """Add the rows of a flush of the book."""
        if done.reshaped or (done.grew and self.shown.filter.by_line):
            self.shown.refresh()
            _search_again(self)
        else:
            self.shown.update()
            if done.grew:
                _search_again(self)
            elif self.found is not None:
                self.found.update()

    def current_row(self) -> Row | None:
        """Return the row under the cursor: while following, the last one."""
        last = len(self.shown) - 1
        if last < 0:
            return None
        index = last if self.window.follow else min(self.shown.index(self.window.cursor), last)
        return self.book.merged.row(self.shown.seq(index))

    @property
    def filtered(self) -> bool:
        """Return whether rows are hidden."""
        return self.shown.filter != EVERYTHING

    # ------------------------------------------------------------ drawing

    def draw(self, width: int, height: int) -> list[Strip]:
        """Return the lines in view."""
        if width != self.row_layout.width:
            self.set_layout(width=width, open_key=self.with_keys("{logs.open}"))
        self.window.resize(height)
        rows = self.window.rows()
        if rows and self.shown.fold_near(None if self.window.follow else rows[0][0]):
            rows = self.window.rows()
        if not rows:
            hidden = self.filtered and len(self.book.merged) > 0
            text = self.with_keys(NO_MATCH) if hidden else self.empty
            return [make_strip([(f" {text}", self.row_layout.look.style("muted"))], width)]
        return [self._dressed(self._lines(seq)[line], seq) for seq, line in rows]

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Repaint cells, and count their cost in the budget."""
        cells = sum(region.area for region in regions) if regions else self.size.area
        self._spent(cells + _MOVE_BYTES * (len(regions) or self.size.height))
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def seq_at(self, y: int) -> int | None:
        """Return the row on a line of the widget, or None below the last one."""
        rows = self.window.rows()
        return rows[y][0] if 0 <= y < len(rows) else None

    def _dressed(self, line: Strip, seq: int) -> Strip:
        look, window = self.row_layout.look, self.window
        if window.follow:
            return line
        if seq == window.cursor:
            return look.on_bar(line, focused=self.active)
        if window.anchor is not None and seq in _between(window.anchor, window.cursor):
            return look.on_bar(line, focused=False)
        return line

    def _height_of(self, seq: int) -> int:
        layout = self.row_layout
        row = self.book.merged.row(seq)
        many = layout.wrap or layout.json == "fields" or (row.key, row.offset) in self.opened
        return len(self._lines(seq)) if many else 1

    def _lines(self, seq: int) -> list[Strip]:
        row = self.book.merged.row(seq)
        above = self._above(seq)
        place = (row.key, row.offset)
        fold, opened = self.shown.fold_at(seq), place in self.opened
        state = RowState(above, place in self.marks, opened, _repeated_ns(self, fold), fold)
        key = (*place, _state(row), state)
        lines = self._cache.get(key)
        if lines is None:
            if len(self._cache) > _CACHED_ROWS:
                self._cache.clear()
            lines = _drawn_row(self, seq, row, state)
            self._cache[key] = lines
        return lines

    def _above(self, seq: int) -> int:
        """Return the time of the row above, if rows show it, else 0."""
        if self.row_layout.stamps != "since":
            return 0
        index = self.shown.index(seq)
        if not index:
            return 0
        seq = self.shown.seq(index - 1)
        return _repeated_ns(self, self.shown.fold_at(seq)) or self.book.merged.row(seq).at_ns


def _drawn_row(view: LogView, seq: int, row: Row, state: RowState) -> list[Strip]:
    """Return the lines of a row: of a stack that is opened, all of them."""
    if not state.opened or state.fold is None or state.fold.size == 1:
        return row_lines(row, view.row_layout, state)
    layout, each = (
        view.row_layout._replace(wrap=True),
        state._replace(fold=None, opened=False, repeated_ns=0),
    )
    rows = block_rows(view.shown, view.book.merged, seq)
    return [strip for own in rows for strip in row_lines(own, layout, each)]


def _repeated_ns(view: LogView, fold: Fold | None) -> int:
    return view.book.merged.row(fold.last).at_ns if fold and fold.times > 1 else 0


def _search_again(view: LogView) -> None:
    """Look for the same text in rows that were chosen or numbered again."""
    if view.found is not None:
        view.found = FoundRows(view.book.merged, view.shown, view.found.matcher)


def _state(row: Row) -> tuple[int, int, bool]:
    """Return the parts of a row that can change while its identity stays."""
    if isinstance(row, LogLine):
        return len(row.raw), row.cut, row.whole
    return row.end, -1, row.gone


def _between(one: int, other: int) -> range:
    return range(min(one, other), max(one, other) + 1)
