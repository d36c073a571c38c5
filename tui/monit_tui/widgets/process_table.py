"""The process list: a line-API table that renders the visible rows only.

Cursor, selection and scroll position are kept by `RowKey`; when rows move, they move along.
"""

from typing import ClassVar

from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.strip import Strip

from monit_agent.client.view import Fleet, Identity
from monit_tui.bindings import bindings
from monit_tui.clock import Clock
from monit_tui.folding import fold, has_tree, unfold
from monit_tui.panes import PaneName
from monit_tui.rows import (
    SORT_COLUMNS,
    Arrangement,
    Facts,
    RowKey,
    SortColumn,
    arrange,
    facts,
    identities,
    serves_http,
)
from monit_tui.theme import Look
from monit_tui.widgets import process_columns
from monit_tui.widgets.lines import BLANK, Lines, strip

EMPTY = "No apps yet. In another terminal:  monit start app.py --name web -i 2"
NO_MATCH = "Nothing matches the filter. Esc clears it."


class ProcessTable(Lines, can_focus=True):
    """Rows of apps and instances; `Moved` tells where the cursor is."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("list")

    class Moved(Message):
        """The cursor stands on another row, or what it stood on has gone."""

        def __init__(self, key: RowKey | None) -> None:
            super().__init__()
            self.key = key

    class Rearranged(Message):
        """Order, filter or selection changed: the pane's title says so."""

    def __init__(
        self, fleet: Fleet, look: Look, clock: Clock, targets: tuple[str, ...] = ()
    ) -> None:
        super().__init__(id="process-table")
        self.how = Arrangement(targets=targets)
        self.cursor: RowKey | None = None
        self.picked: frozenset[RowKey] = frozenset()
        self.rows: tuple[RowKey, ...] = ()
        self._fleet, self._look, self._clock = fleet, look, clock
        self._top = 0
        self._frozen: dict[RowKey, Facts] | None = None

    # ------------------------------------------------------------ what is shown

    def rearrange(self) -> None:
        """Find the rows anew, after apps or instances came, went or changed places."""
        before, place = self.cursor, self._place()
        self.rows = arrange(self._fleet, self.how, self._clock.now())
        self.picked &= frozenset(self.rows)
        if before is not None and before not in self.rows and before.owner in self.rows:
            self.cursor = before.owner  # the process ended: its worker is what is left of it
        elif before not in self.rows:
            nearest = min(place, len(self.rows) - 1)
            self.cursor = self.rows[nearest] if self.rows else None
        offset = place - self._top
        self._top = self._place() - offset
        self.repaint()
        if self.cursor != before:
            self.post_message(self.Moved(self.cursor))
        self.post_message(self.Rearranged())

    def change(self, how: Arrangement) -> None:
        """Sort, filter or group differently."""
        self.how = how
        self.rearrange()

    def freeze(self, *, frozen: bool) -> None:
        """Keep showing what is shown now, or stop doing so."""
        self._frozen = {} if frozen else None
        if frozen:
            for key in self.rows:
                self._facts(key)

    def chosen(self) -> tuple[RowKey, ...]:
        """Give the rows that a key acts on: those selected, or else the cursor's."""
        if self.picked:
            return tuple(key for key in self.rows if key in self.picked)
        return () if self.cursor is None else (self.cursor,)

    def identities(self) -> tuple[Identity, ...]:
        """Give the instances of `chosen`."""
        found = [one for key in self.chosen() for one in identities(self._fleet, key)]
        return tuple(dict.fromkeys(found))

    def title_info(self, _pane: PaneName) -> str:
        """Give what the pane's title says of filter, selection and order."""
        how = self.how
        parts = [f"{len(self.picked)} selected"] if self.picked else []
        parts += [f"/{how.filter}"] if how.filter else []
        parts += (
            [f"by {how.sort}{', reversed' if how.reverse else ''}"]
            if how.sort != "name" or how.reverse
            else []
        )
        return ", ".join(parts)

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Give the title line and the visible rows."""
        self._scroll_to_cursor(height - 1)
        plan = process_columns.layout(
            width,
            max((len(key.app) + 4 for key in self._shown(height)), default=8),
            http=serves_http(self._fleet),
        )
        how, look = self.how, self._look
        lines = [strip(process_columns.header(plan, look, how.sort, reverse=how.reverse), width)]
        if not self.rows:
            text = NO_MATCH if self._fleet.apps else EMPTY
            return [*lines, strip([], width), strip([("  " + text, look.style("muted"))], width)]
        return lines + [self._line(key, plan, width) for key in self._shown(height)]

    def _shown(self, height: int) -> tuple[RowKey, ...]:
        return self.rows[self._top : self._top + max(0, height - 1)]

    def _line(self, key: RowKey, plan: process_columns.Layout, width: int) -> Strip:
        row = self._facts(key)
        if row is None:  # it went after the rows were arranged
            return Strip.blank(width, BLANK)
        line = strip(process_columns.row(row, plan, self._look, self._mark(key)), width)
        if key != self.cursor:
            return line
        bar = self._look.bar if self.has_focus else self._look.idle_bar
        return strip([(line.text, bar)], width)

    def _mark(self, key: RowKey) -> str:
        glyphs = self._look.glyphs
        picked = glyphs.picked if key in self.picked else " "
        if key.instance is not None:
            folded, below = key not in self.how.opened, has_tree(self._fleet, key)
        else:
            app = self._fleet.apps.get(key.app)
            folded, below = key.app in self.how.folded, bool(app and app.instances)
        if not below:
            return f"{picked} "
        return f"{picked}{glyphs.folded if folded else glyphs.opened}"

    def _facts(self, key: RowKey) -> Facts | None:
        if self._frozen is not None and key in self._frozen:
            return self._frozen[key]
        row = facts(self._fleet, key, self._clock.now(), flat=self.how.flat)
        if self._frozen is not None and row is not None:
            self._frozen[key] = row
        return row

    def _place(self) -> int:
        return self.rows.index(self.cursor) if self.cursor in self.rows else 0

    def _scroll_to_cursor(self, height: int) -> None:
        place, height = self._place(), max(1, height)
        self._top = max(place - height + 1, min(self._top, place))
        self._top = max(0, min(self._top, len(self.rows) - height))

    # ------------------------------------------------------------ keys and mouse

    def stand_on(self, place: int) -> None:
        """Put the cursor on the row at ``place``, or the nearest there is."""
        if not self.rows:
            return
        key = self.rows[max(0, min(place, len(self.rows) - 1))]
        if key != self.cursor:
            self.cursor = key
            self.repaint()
            self.post_message(self.Moved(key))

    def action_move(self, where: str) -> None:
        """Move the cursor: up, down, half or whole pages, to the ends."""
        page = max(1, self.size.height - 2)
        steps = {"up": -1, "down": 1, "half_up": -page // 2, "half_down": (page + 1) // 2,
                 "page_up": -page, "page_down": page}  # fmt: skip
        if where in steps:
            self.stand_on(self._place() + steps[where])
        else:
            self.stand_on(0 if where == "first" else len(self.rows) - 1)

    def action_pick(self) -> None:
        """Select or unselect the row, or the instance that it is a process of; go to the next."""
        if self.cursor is not None:
            self.picked ^= {self.cursor.owner}
            self.stand_on(self._place() + 1)
            self.repaint()
            self.post_message(self.Rearranged())

    def action_pick_all(self) -> None:
        """Select all instances on the list, or none when all are selected."""
        every = frozenset(key.owner for key in self.rows if key.instance is not None)
        self.picked = frozenset() if self.picked >= every else every
        self.repaint()
        self.post_message(self.Rearranged())

    def action_pick_none(self) -> None:
        """Unselect all."""
        self.picked = frozenset()
        self.repaint()
        self.post_message(self.Rearranged())

    def action_problem(self, step: int) -> None:
        """Go to the next or previous row that is not as it should be."""
        count, place = len(self.rows), self._place()
        for distance in range(1, count):
            key = self.rows[(place + step * distance) % count]
            row = self._facts(key)
            if key.instance is None or row is None or row.stateless:
                continue
            if row.condition.severity > 1:
                self.stand_on(self.rows.index(key))
                return

    def action_fold(self, folded: bool) -> None:
        """Hide or show what is below the row: processes of an instance, instances of an app."""
        if self.cursor is None:
            return
        if not folded:
            self.change(unfold(self._fleet, self.how, self.cursor))
            return
        how, cursor = fold(self._fleet, self.how, self.cursor)
        if cursor != self.cursor:
            self.cursor = cursor
            self.post_message(self.Moved(cursor))
        self.change(how)

    def action_flat(self) -> None:
        """Group by app, or list all instances alike."""
        self.change(self.how._replace(flat=not self.how.flat))

    def action_sort(self, step: int) -> None:
        """Sort by the next or the previous column."""
        columns: list[SortColumn] = list(SORT_COLUMNS)
        place = (columns.index(self.how.sort) + step) % len(columns)
        self.change(self.how._replace(sort=columns[place], reverse=False))

    def action_reverse(self) -> None:
        """Turn the order round."""
        self.change(self.how._replace(reverse=not self.how.reverse))

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show the cursor's bar in full, or dimmed."""
        super().watch_has_focus(has_focus)
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse points."""
        if 1 <= event.y <= len(self.rows) - self._top:
            self.stand_on(self._top + event.y - 1)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Move the cursor with the wheel."""
        event.stop()
        self.stand_on(self._place() + 3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Move the cursor with the wheel."""
        event.stop()
        self.stand_on(self._place() - 3)
