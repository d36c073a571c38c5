"""The columns of the process table: which fit a width, and the text of a row. Pure."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, NamedTuple

from monit_agent.client.text.format import (
    UNKNOWN,
    format_bytes,
    format_count,
    format_ms,
    format_percent,
    format_quantity,
    format_rate,
    format_uptime,
)
from monit_agent.client.text.sanitize import printable
from monit_tui.model.charts.spark import STEPS
from monit_tui.model.processes.condition import Condition
from monit_tui.model.processes.rows import RowFacts, SortColumn
from monit_tui.palettes import Glyphs, Tone, ToneParts
from monit_tui.text.brief import present_text
from monit_tui.text.fitting import fit_end

SLOW_MS, VERY_SLOW_MS = 50.0, 250.0
"""Event-loop lag p95 that the app's users can notice, and that they certainly notice."""


HEAP_FULL_PERCENT = 85.0
"""Used part of a heap's limit from which V8 collects garbage in ever shorter intervals."""


class ProcessColumn(NamedTuple):
    """One column; ``sort`` is None when rows cannot be sorted by it."""

    name: str
    """What the user types, and what is kept."""
    title: str
    width: int
    rank: int
    """The highest rank is left out first when the pane is narrow."""
    text: Callable[[RowFacts], str]
    tone: Callable[[RowFacts], Tone]
    sort: SortColumn | None = None
    align: Literal["<", ">"] = ">"


def _plain(_row: RowFacts) -> Tone:
    return "plain"


def _muted(_row: RowFacts) -> Tone:
    return "muted"


def _lag_tone(row: RowFacts) -> Tone:
    if row.lag_ms is None or row.lag_ms < SLOW_MS:
        return "plain"
    return "warn" if row.lag_ms < VERY_SLOW_MS else "bad"


def _cpu_tone(row: RowFacts) -> Tone:
    return "warn" if row.cpu_percent is not None and row.cpu_percent >= 95 else "plain"


def _heap_tone(row: RowFacts) -> Tone:
    """Return a warning for a heap near its limit. The size that it has taken from the system is
    no limit: every heap uses nearly all of it."""
    if row.heap_limit_percent is None or row.heap_limit_percent < HEAP_FULL_PERCENT:
        return "plain"
    return "warn"


def _restarts_tone(row: RowFacts) -> Tone:
    return "muted" if row.restarts == 0 else "plain"


STATE_WIDTH = 14


def _pid(pid: int | None) -> str:
    return UNKNOWN if pid is None else str(pid)


def _text(field: str, write: Callable[[Any], str]) -> Callable[[RowFacts], str]:
    def text(row: RowFacts) -> str:
        return present_text(write, getattr(row, field))

    return text


def _uptime(seconds: float | None) -> str:
    """Return an uptime; from ten seconds on in tens: a young row is not sent each second."""
    in_tens = seconds is not None and 10 <= seconds < 60
    return format_uptime(seconds // 10 * 10 if seconds is not None and in_tens else seconds)


def _blank(_row: RowFacts) -> str:
    return ""


COLUMNS: tuple[ProcessColumn, ...] = (
    ProcessColumn("cpu", "cpu", 5, 2, _text("cpu_percent", format_percent), _cpu_tone, "cpu"),
    ProcessColumn("memory", "mem", 5, 3, _text("rss_bytes", format_bytes), _plain, "memory"),
    ProcessColumn("trend", "cpu 2m", STEPS, 7, _blank, _plain),
    ProcessColumn("lag", "lag95", 6, 5, _text("lag_ms", format_ms), _lag_tone, "lag"),
    ProcessColumn(
        "restarts", "↺", 4, 4, _text("restarts", format_count), _restarts_tone, "restarts"
    ),
    ProcessColumn("uptime", "up", 6, 6, _text("uptime_s", _uptime), _plain, "uptime"),
    ProcessColumn("heap", "heap", 5, 8, _text("heap_bytes", format_bytes), _heap_tone),
    ProcessColumn("http", "http", 6, 9, _text("http_rps", format_rate), _plain),
    ProcessColumn("pid", "pid", 7, 10, _text("pid", _pid), _muted),
    ProcessColumn("threads", "thr", 4, 11, _text("threads", format_count), _muted),
    ProcessColumn("files", "fds", 4, 12, _text("fds", format_count), _muted),
)
"""The columns after name and state; ``http`` is shown only when an app serves HTTP, and ``lag``
when one has an event loop."""

COLUMN_NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
"""In the order in which they stand by default."""

OF_TREE = frozenset({"cpu", "memory", "threads", "files"})
"""The columns that are read from the process tree."""

TREND = "trend"
"""The column of small plots, which the caller draws."""

COLUMN_HELP: dict[str, str] = {
    "cpu": "CPU, percent of one core", "memory": "memory of the process tree",
    "trend": "CPU of the last 2 minutes, a full bar is one core",
    "lag": "event-loop lag, 95th percentile, when an app has an event loop",
    "restarts": "restarts", "uptime": "uptime",
    "heap": "heap in use", "http": "HTTP requests a second, when an app serves HTTP",
    "pid": "process id", "threads": "threads", "files": "open files",
}  # fmt: skip

NAME_LEAST, NAME_MOST = 9, 24
CPU_AND_MEMORY = 12
"""Cells that a long name leaves to the two columns that everybody looks for."""
NOTE_LEAST = 16


class TableLayout(NamedTuple):
    """Widths of name, state and note (0: no note), and the columns that fit."""

    name: int
    state: int
    columns: tuple[ProcessColumn, ...]
    note: int


def choose_columns(
    width: int, longest_name: int, *, absent: Collection[str] = ("http",),
    hidden: Collection[str] = (), order: Sequence[str] = (),
) -> TableLayout:  # fmt: skip
    """Return the layout for a pane of ``width`` cells. Names win: columns that leave no room for
    the longest name go first, the least important ones before the others; a very long name loses
    its middle before CPU and memory go.

    ``absent`` has the names of columns of which no row has a value, ``hidden`` of those that the
    user hides; those without a place in ``order`` come last.
    """
    state = STATE_WIDTH if width >= 36 else 1
    most = min(width // 2, width - 3 - (state + 1) - CPU_AND_MEMORY)
    name = min(max(NAME_LEAST, longest_name), max(NAME_LEAST, NAME_MOST, most))
    room = width - (name + 3) - (state + 1)
    if room < 0:
        name, room = max(1, min(name, width - state - 4)), 0
    chosen: set[str] = set()
    for column in sorted(COLUMNS, key=lambda one: one.rank):
        if column.name in hidden or column.name in absent:
            continue
        if room < column.width + 1:
            break
        room -= column.width + 1
        chosen.add(column.name)
    note = room - 1 if room > NOTE_LEAST else 0
    columns = tuple(column for column in in_order(order) if column.name in chosen)
    return TableLayout(name + (0 if note else room), state, columns, note)


def in_order(order: Sequence[str]) -> list[ProcessColumn]:
    """Return all columns, those that ``order`` names first and in that order."""
    places = {name: place for place, name in enumerate(order)}
    return sorted(COLUMNS, key=lambda column: places.get(column.name, len(places)))


def known_columns(
    hidden: Collection[str], order: Sequence[str]
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return what was kept of the columns, without names that this version does not know."""
    names = tuple(column.name for column in in_order(order))
    return frozenset(hidden) & frozenset(names), names


def header_parts(
    plan: TableLayout, glyphs: Glyphs, sort: SortColumn, reverse: bool, above: int = 0
) -> ToneParts:
    """Return the line of titles; the sorted column has an arrow. With ``above`` it begins with
    that number of problems above the first row in view."""
    mark = glyphs.ascending if reverse else glyphs.descending

    def title(text: str, column: SortColumn | None, width: int, align: str = "<") -> ToneParts:
        chosen = column == sort and width > 1
        shown = (text[: width - 1] + mark) if chosen else text[:width]
        return [(f"{shown:{align}{width}}", "accent" if chosen else "muted")]

    parts: ToneParts = [("   ", "muted")]
    parts += title("name", "name", plan.name)
    parts.append((" ", "muted"))
    if above:
        room = plan.name + 3
        text = f"{glyphs.up} {format_quantity(above, 'problem')}"
        parts = [(f"{text if len(text) <= room else text[:room]:<{room}} ", "warn")]
    parts += title("state", "state", plan.state)
    for column in plan.columns:
        text = glyphs.restarts if column.sort == "restarts" else column.title
        parts.append((" ", "muted"))
        parts += title(text, column.sort, column.width, column.align)
    return parts


def column_at(plan: TableLayout, x: int) -> SortColumn | None:
    """Return the sort column under the title at cell ``x``, None where there is none."""
    end = 3 + plan.name
    if x < end:
        return "name"
    end += 1 + plan.state
    if x < end:
        return "state"
    for column in plan.columns:
        end += 1 + column.width
        if x < end:
            return column.sort
    return None


class RowTexts(NamedTuple):
    """What a row shows besides its facts."""

    mark: str
    """Two glyphs: selected or not, and folded or not."""
    name: str
    """Its name, fitted to the width that `name_room` returns."""
    trend: str = ""
    """The small plot of the column `TREND`."""
    note: str = ""


def name_room(facts: RowFacts, plan: TableLayout) -> tuple[int, int]:
    """Return the cells before a row's name, and those of the name."""
    room = plan.name + (plan.state + 1 if facts.stateless else 0)
    indent = 2 * min(facts.depth, room // 4)
    return indent, room - indent


def row_parts(facts: RowFacts, plan: TableLayout, glyphs: Glyphs, texts: RowTexts) -> ToneParts:
    """Return one row."""
    indent, _ = name_room(facts, plan)
    old = facts.condition.glyph == "unknown"  # the numbers may be outdated
    title: Tone = "plain" if facts.depth else "strong"
    parts: ToneParts = [(f"{texts.mark[0]}{' ' * indent}{texts.mark[1]} ", "accent")]
    parts.append((texts.name, "muted" if facts.stateless else title))
    if not facts.stateless:
        parts.append((" ", "plain"))
        parts.append(_state(facts.condition, plan.state, glyphs))
    for column in plan.columns:
        if column.name == TREND:
            parts.append((f" {texts.trend:<{STEPS}}", "muted" if old else "curve"))
            continue
        text = column.text(facts)
        dim = old or text == UNKNOWN or (facts.is_old and column.name in OF_TREE)
        tone: Tone = "muted" if dim else column.tone(facts)
        parts.append((f" {text:{column.align}{column.width}}", tone))
    if plan.note and texts.note:
        note = fit_end(printable(texts.note), plan.note - 1, glyphs.ellipsis)
        parts.append(("  " + note, "muted"))
    return parts


def reason_parts(text: str, depth: int, tone: Tone, glyphs: Glyphs, width: int) -> ToneParts:
    """Return the second line of a row in trouble."""
    indent = 3 + 2 * depth
    head = f"{' ' * indent}{glyphs.corner} "
    room = max(0, width - len(head) - 1)
    shown = text.replace("·", glyphs.dot)
    return [
        (head, "muted"),
        (fit_end(printable(shown), room, glyphs.ellipsis), tone),
    ]


def _state(condition: Condition, width: int, glyphs: Glyphs) -> tuple[str, Tone]:
    glyph = getattr(glyphs, condition.glyph)
    text = glyph if width < 3 else fit_end(f"{glyph} {condition.word}", width, glyphs.ellipsis)
    return f"{text:<{width}}", condition.tone
