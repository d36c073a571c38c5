"""The lines of the process list: titles, hosts that need attention, and the rows in view. Pure:
the first frame is drawn with it before Textual is imported.
"""

from collections.abc import Callable
from typing import NamedTuple

from rich.cells import cell_len

from monit_agent.client.text.sanitize import printable
from monit_agent.client.view import Fleet
from monit_tui.model.hosts import host_lines, nothing_text
from monit_tui.model.processes.condition import ClockReading
from monit_tui.model.processes.folding import has_tree
from monit_tui.model.processes.row_window import RowLine, lines_in_view, scroll_top
from monit_tui.model.processes.rows import (
    Arrangement,
    RowFacts,
    RowKey,
    has_event_loops,
    is_folded,
    serves_http,
)
from monit_tui.palettes import Glyphs, ToneParts
from monit_tui.text.fitting import fit_end, wrap_words
from monit_tui.widgets.processes import columns
from monit_tui.widgets.processes.painter import RowPainter, fitted_names

EMPTY = "No apps yet. Run in another terminal:  monit start app.py --name web -i 2"
NO_MATCH = "No row matches the filter. {clear} clears it."

FOLD_LEAST, FOLD_MOST = 3, 8
"""Apps of more instances show only those in trouble; 8 where there is room, 3 in a low pane."""


class ListState(NamedTuple):
    """Which rows there are, and how they are shown."""

    rows: tuple[RowKey, ...] = ()
    cursor: RowKey | None = None
    arrangement: Arrangement = Arrangement()
    top: int = 0
    """The first row in view, as far as the cursor's row lets it."""
    picked: frozenset[RowKey] = frozenset()
    hidden_columns: frozenset[str] = frozenset()
    column_order: tuple[str, ...] = columns.COLUMN_NAMES

    @property
    def place(self) -> int:
        """Return the place of the cursor's row."""
        return self.rows.index(self.cursor) if self.cursor in self.rows else 0


class ListLine(NamedTuple):
    """One line, and whether it is that of the cursor's row."""

    parts: ToneParts
    on_bar: bool = False


class DrawnList(NamedTuple):
    """The lines, and what they show."""

    lines: list[ListLine]
    top: int
    above: int
    """How many lines stand above the rows."""
    shown: list[RowLine]
    plan: columns.TableLayout


class ListSource(NamedTuple):
    """Where the rows in view come from."""

    fleet: Fleet
    glyphs: Glyphs
    facts: Callable[[RowKey], RowFacts | None]
    problems_above: Callable[[int], int]
    """How many rows above the one at a place have a problem."""
    with_keys: Callable[[str], str]


def fold_limit(pane_height: int, *, is_tall: bool) -> int:
    """Return from how many instances on an app shows only those in trouble."""
    limit = FOLD_MOST if is_tall else pane_height // 3
    return max(FOLD_LEAST, min(FOLD_MOST, limit))


def arrangement_text(how: Arrangement, picked: int = 0) -> str:
    """Return selection, filter and order for the pane's title."""
    parts = [f"{picked} selected"] if picked else []
    parts += [f"/{how.filter}"] if how.filter else []
    if how.sort != "name" or how.reverse:
        parts.append(f"by {how.sort}{', reversed' if how.reverse else ''}")
    return ", ".join(parts)


def draw_list(
    source: ListSource, painter: RowPainter, state: ListState, size: tuple[int, int],
    now: ClockReading,
) -> DrawnList:  # fmt: skip
    """Return the line of titles and the visible rows, for a pane of ``size`` cells."""
    width, height = size
    fleet, rows = source.fleet, state.rows
    painter.forget_reasons()
    hosts = host_lines(fleet, now.monotonic, height // 3)
    room, top = max(0, height - 1 - len(hosts)), state.top
    if rows:
        top = scroll_top(rows, top, state.place, room, painter.lines_of)
    shown = lines_in_view(rows, top, room, painter.lines_of)
    facts = {key: row for key, line in shown if not line and (row := source.facts(key))}
    names = {key: printable(row.name) for key, row in facts.items()}
    longest = max((cell_len(name) + 2 * facts[key].depth for key, name in names.items()), default=8)
    plan = columns.choose_columns(
        width, longest, absent=_absent(fleet), hidden=state.hidden_columns,
        order=state.column_order,
    )  # fmt: skip
    how, glyphs = state.arrangement, source.glyphs
    above = source.problems_above(top)
    lines = [ListLine(columns.header_parts(plan, glyphs, how.sort, how.reverse, above))]
    for text, tone in hosts:
        fitted = fit_end(text, max(0, width - 2), glyphs.ellipsis)
        lines.append(ListLine([(f"  {fitted}", tone)]))
    if rows:
        fitted_to = fitted_names(facts, names, plan, glyphs)
        for key, line in shown:
            row = facts.get(key)
            if row is None:  # removed after the rows were computed
                lines.append(ListLine([]))
            elif line:
                lines.append(ListLine(painter.reason_line(key, row, width)))
            else:
                texts = (_mark(fleet, state, key, glyphs), fitted_to[key])
                lines.append(ListLine(painter.row_line(key, row, texts, plan), key == state.cursor))
    else:
        lines += _nothing(source, width)
    return DrawnList(lines, top, 1 + len(hosts), shown, plan)


def _nothing(source: ListSource, width: int) -> list[ListLine]:
    """Return what stands in place of rows."""
    fleet = source.fleet
    empty = nothing_text(fleet) if fleet.hosts else EMPTY
    text = source.with_keys(NO_MATCH) if fleet.apps else empty
    wrapped = wrap_words(text, max(1, width - 4))
    return [ListLine([(f"  {row}", "muted")]) for row in ("", *wrapped)]


def _mark(fleet: Fleet, state: ListState, key: RowKey, glyphs: Glyphs) -> str:
    picked = glyphs.picked if key in state.picked else " "
    if key.instance is not None:
        folded, below = key not in state.arrangement.opened, has_tree(fleet, key)
    else:
        app = fleet.apps.get(key.app)
        below = bool(app and app.instances)
        folded = below and is_folded(fleet, state.arrangement, key.app)
    if not below:
        return f"{picked} "
    return f"{picked}{glyphs.folded if folded else glyphs.opened}"


def _absent(fleet: Fleet) -> tuple[str, ...]:
    """Return the columns of which no row has a value."""
    http = () if serves_http(fleet) else ("http",)
    return http if has_event_loops(fleet) else (*http, "lag")
