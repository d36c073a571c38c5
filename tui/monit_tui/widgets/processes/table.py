"""The process list: a line-API table that renders the visible rows only.

Cursor, selection and scroll position refer to a `RowKey`, so they stay on their rows when these
move.
"""

from bisect import bisect_left
from typing import ClassVar

from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.strip import Strip

from monit_agent.client.source import Source
from monit_agent.wire.ids import InstanceId
from monit_tui.clock import Clock
from monit_tui.cpu_past import CpuPast
from monit_tui.keys.bindings import bindings_of
from monit_tui.last_errors import LastErrors
from monit_tui.model.layout import PaneName
from monit_tui.model.processes.folding import fold_row, unfold_row
from monit_tui.model.processes.reasons import explained_views
from monit_tui.model.processes.row_window import RowLine
from monit_tui.model.processes.rows import (
    SORT_COLUMNS,
    Arrangement,
    RowFacts,
    RowKey,
    SortColumn,
    arrange_rows,
    instances_of,
    problem_places,
    row_facts,
)
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip
from monit_tui.widgets.processes.columns import COLUMN_NAMES, TableLayout, column_at
from monit_tui.widgets.processes.list_lines import (
    ListLine,
    ListSource,
    ListState,
    arrangement_text,
    draw_list,
    fold_limit,
)
from monit_tui.widgets.processes.painter import RowPainter

ERRORS_BELOW = 24
"""Rows below the first one in view whose errors are requested before the first frame."""


class ProcessTable(Lines, can_focus=True):
    """Rows of apps and instances; posts `CursorMoved` when the cursor is on another row."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("list")

    class CursorMoved(Message):
        """The cursor is on another row, or its row no longer exists."""

        def __init__(self, key: RowKey | None) -> None:
            super().__init__()
            self.key = key

    class RowsChanged(Message):
        """Order, filter or selection changed."""

    def __init__(
        self, source: Source, look: Look, clock: Clock, targets: tuple[str, ...] = ()
    ) -> None:
        super().__init__(id="process-table")
        self.arrangement = Arrangement(targets=targets)
        self.cursor: RowKey | None = None
        self.picked: frozenset[RowKey] = frozenset()
        self.rows: tuple[RowKey, ...] = ()
        self._fleet, self._look, self._clock = source.fleet, look, clock
        self.last_errors = LastErrors(source, self.repaint)
        self.cpu_past = CpuPast(source, self.repaint)
        self.painter = RowPainter(
            source.fleet, look.glyphs, clock, self.with_keys, error_of=self.last_errors.text,
            past=self.cpu_past.steps, request_past=self.cpu_past.request,
        )  # fmt: skip
        self._drawn_from = ListSource(
            source.fleet, look.glyphs, self._facts, self._problems_above, self.with_keys
        )
        self.shown: list[RowLine] = []
        """The lines in view below the line of titles and those about hosts."""
        self._above = 1
        """How many lines stand above them."""
        self.hidden_columns: frozenset[str] = frozenset()
        self.column_order: tuple[str, ...] = COLUMN_NAMES
        self._plan: TableLayout | None = None
        self._top = 0
        self.is_tall = False
        """Whether the list has as many lines as it needs, at least where it needs few."""
        self.holds_cursor = False
        """Whether the cursor stays on its row; before the first key it stays on the first one."""
        self.problems: list[int] | None = None
        """Places of rows with problems; None until they are needed."""
        self._frozen: dict[RowKey, RowFacts] | None = None

    # ------------------------------------------------------------ what is shown

    def update_rows(self) -> None:
        """Compute the rows again, after apps, instances or their order changed."""
        before, place, top = self.cursor, self._place(), self._top
        fold_over = fold_limit(self.size.height, is_tall=self.is_tall)
        self.arrangement = self.arrangement._replace(fold_over=fold_over)
        self.rows = arrange_rows(self._fleet, self.arrangement, self._clock.now())
        self.problems = None
        self.cpu_past.forget_gone()
        self.last_errors.forget_gone()
        self.picked &= frozenset(self.rows)
        if not self.holds_cursor:  # the worst row is the first, whichever that is now
            self.cursor = self.rows[0] if self.rows else None
        elif before is not None and before not in self.rows and before.owner in self.rows:
            self.cursor = before.owner  # the process exited; its instance is the nearest row
        elif before not in self.rows:
            nearest = min(place, len(self.rows) - 1)
            self.cursor = self.rows[nearest] if self.rows else None
        # at the top of the list one stays there: new problems come above the cursor's row
        self._top = self._place() - (place - top) if top else 0
        self._request_errors()
        self.repaint()
        if self.cursor != before:
            self.post_message(self.CursorMoved(self.cursor))
        self.post_message(self.RowsChanged())

    def _request_errors(self) -> None:
        now = self._clock.now()
        in_view = self.rows[self._top : self._top + max(ERRORS_BELOW, self.size.height)]
        keys = [key for key in in_view if key.pid is None]
        views = (view for key in keys for view in explained_views(self._fleet, key, now)[:1])
        self.last_errors.request(views)

    def set_arrangement(self, how: Arrangement) -> None:
        """Change order, filter or grouping."""
        self.arrangement = how
        self.update_rows()

    def set_columns(self, hidden: frozenset[str], order: tuple[str, ...]) -> None:
        """Show other columns, or the same ones in another order."""
        self.hidden_columns, self.column_order = hidden, order
        self.repaint()

    def freeze(self, *, frozen: bool) -> None:
        """Freeze the shown facts, or resume."""
        self._frozen = {} if frozen else None
        if frozen:
            for key in self.rows:
                self._facts(key)

    def target_rows(self) -> tuple[RowKey, ...]:
        """Return the rows that a key acts on: the selected ones, else the one under the cursor."""
        if self.picked:
            return tuple(key for key in self.rows if key in self.picked)
        return () if self.cursor is None else (self.cursor,)

    def identities(self) -> tuple[InstanceId, ...]:
        """Return the instances of `target_rows`."""
        found = [one for key in self.target_rows() for one in instances_of(self._fleet, key)]
        return tuple(dict.fromkeys(found))

    def title_info(self, _pane: PaneName) -> str:
        """Return filter, selection and order for the pane's title."""
        return arrangement_text(self.arrangement, len(self.picked))

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the title line and the visible rows."""
        state = ListState(
            self.rows, self.cursor, self.arrangement, self._top, self.picked,
            self.hidden_columns, self.column_order,
        )  # fmt: skip
        drawn = draw_list(self._drawn_from, self.painter, state, (width, height), self._clock.now())
        self._top, self._above, self.shown = drawn.top, drawn.above, drawn.shown
        self._plan = drawn.plan
        focused = self.has_focus
        return [_strip_of(line, self._look, width, focused=focused) for line in drawn.lines]

    def row_at(self, y: int) -> RowKey | None:
        """Return the row on a line of the widget, None where there is none."""
        line = y - self._above
        return self.shown[line][0] if 0 <= line < len(self.shown) else None

    def _facts(self, key: RowKey) -> RowFacts | None:
        if self._frozen is not None and key in self._frozen:
            return self._frozen[key]
        row = row_facts(self._fleet, key, self._clock.now(), flat=self.arrangement.flat)
        if self._frozen is not None and row is not None:
            self._frozen[key] = row
        return row

    def _problems_above(self, top: int) -> int:
        """Return how many rows above the one at ``top`` have a problem."""
        if not top:
            return 0
        if self.problems is None:
            self.problems = problem_places(self._fleet, self.rows, self._clock.now())
        return bisect_left(self.problems, top)

    def _place(self) -> int:
        return self.rows.index(self.cursor) if self.cursor in self.rows else 0

    # ------------------------------------------------------------ keys and mouse

    def move_to(self, place: int) -> None:
        """Move the cursor to the row at ``place``, or to the nearest row."""
        self.holds_cursor = True
        if not self.rows:
            return
        key = self.rows[max(0, min(place, len(self.rows) - 1))]
        if key != self.cursor:
            self.cursor = key
            self.repaint()
            self.post_message(self.CursorMoved(key))

    def action_move(self, where: str) -> None:
        """Move the cursor up or down, by half or whole pages, or to an end."""
        page = max(1, self.size.height - 2)
        steps = {"up": -1, "down": 1, "half_up": -page // 2, "half_down": (page + 1) // 2,
                 "page_up": -page, "page_down": page}  # fmt: skip
        if where in steps:
            self.move_to(self._place() + steps[where])
        else:
            self.move_to(0 if where == "first" else len(self.rows) - 1)

    def action_pick(self) -> None:
        """Select or unselect the row (of a process: its instance), and move down."""
        if self.cursor is not None:
            self.picked ^= {self.cursor.owner}
            self.move_to(self._place() + 1)
            self.repaint()
            self.post_message(self.RowsChanged())

    def action_pick_all(self) -> None:
        """Select all instances in the list, or none when all are selected."""
        every = frozenset(key.owner for key in self.rows if key.instance is not None)
        self.picked = frozenset() if self.picked >= every else every
        self.repaint()
        self.post_message(self.RowsChanged())

    def action_pick_only(self, rows: frozenset[RowKey] = frozenset()) -> None:
        """Select exactly these rows; none by default."""
        self.picked = rows
        self.repaint()
        self.post_message(self.RowsChanged())

    def action_problem(self, step: int) -> None:
        """Move to the next or previous row with a problem."""
        count, place = len(self.rows), self._place()
        for distance in range(1, count):
            key = self.rows[(place + step * distance) % count]
            row = self._facts(key)
            if key.instance is None or row is None or row.stateless:
                continue
            if row.condition.severity > 1:
                self.move_to(self.rows.index(key))
                return

    def action_fold(self, folded: bool) -> None:
        """Hide or show the processes of an instance, or the instances of an app."""
        if self.cursor is None:
            return
        if not folded:
            self.set_arrangement(unfold_row(self._fleet, self.arrangement, self.cursor))
            return
        how, cursor = fold_row(self._fleet, self.arrangement, self.cursor)
        if cursor != self.cursor:
            self.cursor = cursor
            self.post_message(self.CursorMoved(cursor))
        self.set_arrangement(how)

    def action_flat(self) -> None:
        """Switch between a flat list and groups by app."""
        self.set_arrangement(self.arrangement._replace(flat=not self.arrangement.flat))

    def action_sort(self, step: int) -> None:
        """Sort by the next or the previous column."""
        columns: list[SortColumn] = list(SORT_COLUMNS)
        place = (columns.index(self.arrangement.sort) + step) % len(columns)
        self.set_arrangement(self.arrangement._replace(sort=columns[place], reverse=False))

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.set_arrangement(self.arrangement._replace(reverse=not self.arrangement.reverse))

    def watch_has_focus(self, has_focus: bool) -> None:
        """Draw the cursor's bar bright with the focus, dim without."""
        super().watch_has_focus(has_focus)
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Move the cursor to the row under the mouse, or sort by the title there; a second click
        reverses."""
        key = self.row_at(event.y)
        if key in self.rows:
            self.move_to(self.rows.index(key))
        if event.y or self._plan is None:
            return
        column = column_at(self._plan, event.x)
        if column is not None:
            how = self.arrangement
            reverse = column == how.sort and not how.reverse
            self.set_arrangement(how._replace(sort=column, reverse=reverse))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Move the cursor with the wheel."""
        event.stop()
        self.move_to(self._place() + 3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Move the cursor with the wheel."""
        event.stop()
        self.move_to(self._place() - 3)


def _strip_of(line: ListLine, look: Look, width: int, *, focused: bool) -> Strip:
    if not line.on_bar:
        return make_strip(look.page_parts(line.parts), width)
    parts = look.cursor_parts(line.parts, focused=focused)
    return make_strip(parts, width, look.cursor_bar(focused=focused))
