"""The lines of a log on the screen: rows in view only, rendered once, painted when told to.

Not a `ScrollView`: its position would be a number of lines from the beginning, which moves
under the reader when old lines go, and needs the height of every wrapped line above.
"""

from collections.abc import Callable
from typing import Self

from textual.geometry import Region
from textual.strip import Strip

from monit_agent.client.logbook import Flushed, Logbook
from monit_agent.client.logfilter import EVERYTHING, LogFilter, Matcher, Shown
from monit_agent.client.logrows import LogLine, Row, StreamKey
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, strip
from monit_tui.widgets.log_render import Layout, lines_of
from monit_tui.widgets.log_window import Window

_CACHED_ROWS = 1000
_MOVE_BYTES = 16
"""What it costs to move the terminal's cursor to a changed stretch and to set a style."""


class LogView(Lines):
    """Draws the window's rows of a logbook's merged view."""

    def __init__(self, book: Logbook, look: Look, spent: Callable[[int], None]) -> None:
        super().__init__(id="log-view")
        self.book = book
        self.layout_now = Layout(0, look)
        """How rows look; change it with `dress`."""
        self.matcher: Matcher | None = None
        self.marks: set[tuple[StreamKey, int]] = set()
        self.empty = ""
        """What stands there when there are no rows."""
        self.shown = Shown(book.merged)
        self.window = Window(self.shown, self._height_of)
        self.active = False
        """Whether the pane has the focus."""
        self._spent = spent
        self._cache: dict[object, list[Strip]] = {}

    # ------------------------------------------------------------ what is shown

    def begin(self) -> None:
        """Show another selection of the book, from its end."""
        self.shown = Shown(self.book.merged, self.shown.filter)
        self.window = Window(self.shown, self._height_of)
        self._cache.clear()

    def sift(self, log_filter: LogFilter) -> None:
        """Show only what passes a filter; the reader stays where he is."""
        self.shown = Shown(self.book.merged, log_filter)
        self.window.shown = self.shown
        self._cache.clear()

    def dress(self, **changes: object) -> None:
        """Change how rows look: fields of `Layout`."""
        self.layout_now = self.layout_now._replace(**changes)  # type: ignore[arg-type]
        self._cache.clear()

    def look_for(self, matcher: Matcher | None) -> None:
        """Light up what matches."""
        self.matcher = matcher
        self.dress(query=matcher.pattern if matcher else None)

    def took(self, done: Flushed) -> None:
        """Take in what a flush of the book brought."""
        if done.reshaped or (done.grew and self.shown.filter.by_line):
            self.shown.refresh()
        else:
            self.shown.update()

    def row_here(self) -> Row | None:
        """Give the row under the cursor: while following, the last one."""
        last = len(self.shown) - 1
        if last < 0:
            return None
        index = last if self.window.follow else min(self.shown.index(self.window.cursor), last)
        return self.book.merged.row(self.shown.seq(index))

    @property
    def filtered(self) -> bool:
        """Tell whether rows are hidden."""
        return self.shown.filter != EVERYTHING

    # ------------------------------------------------------------ drawing

    def draw(self, width: int, height: int) -> list[Strip]:
        """Give the lines in view."""
        if width != self.layout_now.width:
            self.dress(width=width)
        self.window.resize(height)
        rows = self.window.rows()
        if not rows:
            hidden = self.filtered and len(self.book.merged) > 0
            text = "no line passes the filter; & and Enter shows all" if hidden else self.empty
            return [strip([(f" {text}", self.layout_now.look.style("muted"))], width)]
        return [self._dressed(self._lines(seq)[line], seq) for seq, line in rows]

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Have cells painted, and tell the budget about what they cost."""
        cells = sum(region.area for region in regions) if regions else self.size.area
        self._spent(cells + _MOVE_BYTES * (len(regions) or self.size.height))
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def seq_at(self, y: int) -> int | None:
        """Give the row on a line of the widget, or None below the last one."""
        rows = self.window.rows()
        return rows[y][0] if 0 <= y < len(rows) else None

    def _dressed(self, line: Strip, seq: int) -> Strip:
        look, window = self.layout_now.look, self.window
        if window.follow:
            return line
        if seq == window.cursor:
            return line.apply_style(look.bar if self.active else look.idle_bar)
        if window.anchor is not None and seq in _between(window.anchor, window.cursor):
            return line.apply_style(look.idle_bar)
        return line

    def _height_of(self, seq: int) -> int:
        layout = self.layout_now
        return len(self._lines(seq)) if layout.wrap or layout.pretty else 1

    def _lines(self, seq: int) -> list[Strip]:
        row = self.book.merged.row(seq)
        above = self._above(seq)
        marked = (row.key, row.offset) in self.marks
        key = (row.key, row.offset, _state(row), above, marked)
        lines = self._cache.get(key)
        if lines is None:
            if len(self._cache) > _CACHED_ROWS:
                self._cache.clear()
            lines = lines_of(row, self.layout_now, above, marked=marked)
            self._cache[key] = lines
        return lines

    def _above(self, seq: int) -> int:
        """Give the time of the row above, if rows show it."""
        if self.layout_now.stamps != "since":
            return 0
        index = self.shown.index(seq)
        return self.book.merged.row(self.shown.seq(index - 1)).at_ns if index else 0


def _state(row: Row) -> tuple[int, int, bool]:
    """Give what changes of a row while it keeps its identity."""
    if isinstance(row, LogLine):
        return len(row.raw), row.cut, row.whole
    return row.end, -1, row.gone


def _between(one: int, other: int) -> range:
    return range(min(one, other), max(one, other) + 1)
