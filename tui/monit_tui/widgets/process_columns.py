"""The columns of the process table: what fits into a width, and how a row reads in them. Pure."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from rich.style import Style

from monit_tui.condition import Condition
from monit_tui.format import UNKNOWN, count, milliseconds, percent, printable, rate, size, span
from monit_tui.rows import Facts, SortColumn
from monit_tui.theme import Look, Tone

SLOW_MS, VERY_SLOW_MS = 50.0, 250.0
"""Event loop lag p95 that a user of the app begins to feel, and cannot miss."""


class Column(NamedTuple):
    """One column; ``sort`` is None where sorting by it makes no sense."""

    title: str
    width: int
    rank: int
    """The higher, the earlier it goes when the pane is narrow."""
    text: Callable[[Facts], str]
    tone: Callable[[Facts], Tone]
    sort: SortColumn | None = None
    align: Literal["<", ">"] = ">"


def _plain(_row: Facts) -> Tone:
    return "plain"


def _muted(_row: Facts) -> Tone:
    return "muted"


def _lag_tone(row: Facts) -> Tone:
    if row.lag_ms is None or row.lag_ms < SLOW_MS:
        return "plain"
    return "warn" if row.lag_ms < VERY_SLOW_MS else "bad"


def _cpu_tone(row: Facts) -> Tone:
    return "warn" if row.cpu_percent is not None and row.cpu_percent >= 95 else "plain"


def _restarts_tone(row: Facts) -> Tone:
    return "muted" if row.restarts == 0 else "plain"


STATE_WIDTH = 13


def _pid(pid: int | None) -> str:
    return UNKNOWN if pid is None else str(pid)


def _text(field: str, say: Callable[[Any], str]) -> Callable[[Facts], str]:
    def text(row: Facts) -> str:
        return say(getattr(row, field))

    return text


COLUMNS: tuple[Column, ...] = (
    Column("cpu", 5, 2, _text("cpu_percent", percent), _cpu_tone, "cpu"),
    Column("mem", 5, 3, _text("rss_bytes", size), _plain, "memory"),
    Column("lag95", 6, 5, _text("lag_ms", milliseconds), _lag_tone, "lag"),
    Column("↺", 4, 4, _text("restarts", count), _restarts_tone, "restarts"),
    Column("up", 6, 6, _text("uptime_s", span), _plain, "uptime"),
    Column("heap", 5, 7, _text("heap_percent", percent), _plain),
    Column("pid", 7, 8, _text("pid", _pid), _muted),
    Column("http", 6, 9, _text("http_rps", rate), _plain),
    Column("thr", 4, 10, _text("threads", count), _muted),
    Column("fds", 4, 11, _text("fds", count), _muted),
)
"""After name and state, which always stand there; ``http`` only where somebody answers any."""

NAME_LEAST, NAME_MOST = 9, 24
NOTE_LEAST = 16

Parts = list[tuple[str, Style]]


class Layout(NamedTuple):
    """What fits into a width: name, state, these columns, and perhaps a note."""

    name: int
    state: int
    columns: tuple[Column, ...]
    note: int


def layout(width: int, longest_name: int, *, http: bool = False) -> Layout:
    """Choose the columns for a pane of ``width`` cells; the least important go first."""
    state = STATE_WIDTH if width >= 36 else 1
    room = width - (NAME_LEAST + 3) - (state + 1)
    chosen: set[str] = set()
    for column in sorted(COLUMNS, key=lambda one: one.rank):
        if column.title == "http" and not http:
            continue
        if room < column.width + 1:
            break
        room -= column.width + 1
        chosen.add(column.title)
    wish = min(NAME_MOST, max(NAME_LEAST, longest_name)) - NAME_LEAST
    grown = min(max(0, room), wish)
    room -= grown
    note = room - 1 if room > NOTE_LEAST else 0
    name = NAME_LEAST + grown + (max(0, room) if not note and wish == grown else 0)
    columns = tuple(column for column in COLUMNS if column.title in chosen)
    return Layout(max(1, min(name, width - 3)), state, columns, note)


def header(plan: Layout, look: Look, sort: SortColumn, *, reverse: bool) -> Parts:
    """Give the line of titles; the sorted column carries an arrow."""
    glyphs, muted, strong = look.glyphs, look.style("muted"), look.style("accent")
    mark = glyphs.ascending if reverse else glyphs.descending

    def title(text: str, column: SortColumn | None, width: int, align: str = "<") -> Parts:
        chosen = column == sort and width > 1
        shown = (text[: width - 1] + mark) if chosen else text[:width]
        return [(f"{shown:{align}{width}}", strong if chosen else muted)]

    parts: Parts = [("   ", muted), *title("name", "name", plan.name), (" ", muted)]
    parts += title("state", "state", plan.state)
    for column in plan.columns:
        text = glyphs.restarts if column.sort == "restarts" else column.title
        parts += [(" ", muted), *title(text, column.sort, column.width, column.align)]
    return parts


def row(facts: Facts, plan: Layout, look: Look, mark: str) -> Parts:
    """Give one row; ``mark`` has two glyphs: whether it is selected, and whether it is folded."""
    room = plan.name + (plan.state + 1 if facts.stateless else 0)
    indent = "  " * min(facts.depth, room // 4)
    old = facts.condition.glyph == "unknown"  # nobody vouches for these numbers now
    name = fit(printable(facts.name), room - len(indent), look)
    title: Tone = "plain" if facts.depth else "strong"
    parts: Parts = [
        (f"{mark[0]}{indent}{mark[1]} ", look.style("accent")),
        (name, look.style("muted" if facts.stateless else title)),
    ]
    if not facts.stateless:
        parts += [(" ", look.style("plain")), _state(facts.condition, plan.state, look)]
    for column in plan.columns:
        text = column.text(facts)
        tone: Tone = "muted" if old or text == UNKNOWN else column.tone(facts)
        parts.append((f" {text:{column.align}{column.width}}", look.style(tone)))
    if plan.note and facts.note:
        parts.append(("  " + fit(printable(facts.note), plan.note - 1, look), look.style("muted")))
    return parts


def _state(condition: Condition, width: int, look: Look) -> tuple[str, Style]:
    glyph = getattr(look.glyphs, condition.glyph)
    text = glyph if width < 3 else fit(f"{glyph} {condition.word}", width, look)
    return f"{text:<{width}}", look.style(condition.tone)


def fit(text: str, width: int, look: Look) -> str:
    """Cut or pad to ``width`` characters; what is cut ends in an ellipsis."""
    if len(text) <= width:
        return f"{text:<{width}}"
    return text[: max(0, width - 1)] + look.glyphs.ellipsis[: min(1, width)]
