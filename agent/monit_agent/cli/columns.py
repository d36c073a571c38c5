"""The table of instances: its columns, and which of them a terminal has room for."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from monit_agent.cli import words
from monit_agent.cli.fields import is_stale, present_sample, uptime_s
from monit_agent.cli.table import Cell, Column, box_width, boxed, plain, widths_of
from monit_agent.cli.terminal import Terminal
from monit_agent.client.trees import Branch, branches
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.limits import STUCK_SHOWN_S
from monit_agent.wire.messages import AppRecord

GLYPHS = {
    "starting": "◌",
    "online": "●",
    "draining": "◐",
    "stopping": "◔",
    "stopped": "○",
    "backoff": "↻",
    "errored": "✗",
}
COLOURS = {
    "starting": "cyan",
    "online": "green",
    "draining": "cyan",
    "stopping": "yellow",
    "stopped": "dim",
    "backoff": "yellow",
    "errored": "red",
}
LOOP_IN_A_MINUTE = 2
LOOP_IN_FIVE = 3
"""Unasked ends within a minute or five that make an app that is online look like what it is."""


class Row(NamedTuple):
    """One line of the table. ``view`` is None for an app of which no instance is known."""

    app: AppView
    view: InstanceView | None
    age_s: float | None
    """How old what is known is, for an app whose agent does not answer."""
    branch: Branch | None = None
    """A process below the worker of ``view``, when the line is about that one alone."""
    more: int = 0
    """How many processes of the tree are left out, when the line is about those."""


def with_trees(rows: Iterable[Row]) -> list[Row]:
    """Give the rows, each with one for every process below its worker after it."""
    found: list[Row] = []
    for row in rows:
        found.append(row)
        sample = present_sample(row.view) if row.view else None
        tree = branches(sample)
        found += [row._replace(branch=branch) for branch in tree]
        left = (sample.children or 0) - len(tree) if sample else 0
        if left > 0:
            found.append(row._replace(more=left))
    return found


class _Look(NamedTuple):
    now: float
    unicode: bool
    glyphs: bool
    boxed: bool


WIDE = (
    "id",
    "name",
    "namespace",
    "version",
    "mode",
    "pid",
    "uptime",
    "↺",
    "status",
    "cpu",
    "mem",
    "user",
    "watching",
    "heap",
    "lag",
    "http",
)
LAYOUTS = (
    WIDE,
    WIDE[:-1],
    ("id", "name", "mode", "pid", "uptime", "↺", "status", "cpu", "mem", "user", "heap", "lag"),
    ("id", "name", "status", "cpu", "mem", "↺", "uptime", "lag"),
    ("id", "name", "status", "cpu", "mem"),
    ("name", "status"),
)  # fmt: skip
"""From wide to narrow; the first that fits is taken, and the last one is made to fit. On a terminal
the first counts only when an instance answers HTTP requests."""


def table(rows: Iterable[Row], screen: Terminal, now: float) -> list[str]:
    """Give the lines of the table for this terminal, or plain columns for a pipe.

    ``now`` is the wall clock, to tell how long the workers live.
    """
    listed = list(rows)
    layouts = LAYOUTS if any(row.view and _serves(row.view) for row in listed) else LAYOUTS[1:]
    look = _Look(now, screen.unicode, screen.is_tty and screen.unicode, screen.is_tty)
    if not screen.is_tty:
        return plain(*_filled(WIDE, listed, look))
    drafts = (_filled(layout, listed, look) for layout in layouts)
    columns, cells = next(
        (draft for draft in drafts if box_width(widths_of(*draft)) <= screen.width),
        _filled(LAYOUTS[-1], listed, look),
    )
    return boxed(columns, cells, screen)


def _filled(
    layout: Sequence[str], rows: Sequence[Row], look: _Look
) -> tuple[list[Column], list[list[Cell]]]:
    columns = [_COLUMNS[name].column for name in layout]
    if not look.unicode:
        columns = [
            column._replace(title=column.title.replace("↺", "restarts")) for column in columns
        ]
    return columns, [[_cell(name, row, look) for name in layout] for row in rows]


def _cell(name: str, row: Row, look: _Look) -> Cell:
    unknown = Cell("" if look.boxed else words.UNKNOWN)
    if row.more:
        return Cell(_below(0, f"{row.more:,} smaller", look)) if name == "name" else unknown
    if row.branch is None:
        return _COLUMNS[name].cell(row, look)
    say = _OF_BRANCH.get(name)
    return Cell(say(row.branch, look)) if say else unknown


def title_of(app: AppView, view: InstanceView | None) -> str:
    """Give the target that names the row: ``web`` for the only instance, else ``web/0``."""
    if view is None or (len(app.instances) == 1 and view.record.instance == 0):
        return app.name
    return f"{app.name}/{view.record.instance}"


def _status(row: Row, look: _Look) -> Cell:
    if row.view is None:
        return Cell(_stale_word("stale", row.age_s, look), "dim")
    status = row.view.record.status
    word = f"{GLYPHS[status]} {status}" if look.glyphs else status
    if is_stale(row.app):
        return Cell(_stale_word(status, row.age_s, look), "dim")
    loop = "" if status in ("stopped", "stopping") else crash_loop(row.view, look.now)
    if not loop:
        trouble = trouble_of(row.view)
        return Cell(f"{word} {trouble}", "red") if trouble else Cell(word, COLOURS[status])
    sign = "↺" if look.unicode else "restarts "
    return Cell(f"{word} {sign}{loop}", "red" if status == "errored" else "yellow")


def _stale_word(status: str, age_s: float | None, look: _Look) -> str:
    age = f" {words.span(age_s)}" if age_s is not None else ""
    mark = "? " if look.glyphs else ""
    return f"{mark}stale{age}" if status == "stale" else f"{mark}{status} (stale{age})"


def trouble_of(view: InstanceView) -> str:
    """Give ``stuck 12s`` or ``unhealthy`` for an instance that is online and does not serve, else
    ""."""
    sample = present_sample(view) if view.record.status == "online" else None
    if sample is None:
        return ""
    if sample.stuck_s is not None and sample.stuck_s >= STUCK_SHOWN_S:
        return f"stuck {words.span(sample.stuck_s)}"
    return "unhealthy" if sample.health is not None and sample.health.ok is False else ""


def crash_loop(view: InstanceView, now: float) -> str:
    """Give ``12/min`` or ``3/5min`` for an instance that keeps ending unasked, else ""."""
    minute = view.restarts_within(60, now)
    if minute >= LOOP_IN_A_MINUTE:
        return f"{minute}/min"
    five = view.restarts_within(300, now)
    return f"{five}/5min" if five >= LOOP_IN_FIVE else ""


class _Filler(NamedTuple):
    column: Column
    cell: Callable[[Row, _Look], Cell]


def _of_app(read: Callable[[AppRecord], object]) -> Callable[[Row, _Look], Cell]:
    def cell(row: Row, _: _Look) -> Cell:
        return Cell(words.known(read(row.app.record)) if row.app.record else words.UNKNOWN)

    return cell


def _of_view(read: Callable[[InstanceView], str]) -> Callable[[Row, _Look], Cell]:
    def cell(row: Row, _: _Look) -> Cell:
        return Cell(read(row.view) if row.view else words.UNKNOWN)

    return cell


def _name(row: Row, _: _Look) -> Cell:
    return Cell(title_of(row.app, row.view), "bold")


def _uptime(row: Row, look: _Look) -> Cell:
    return Cell(words.span(uptime_s(row.view, look.now) if row.view else None))


def _measured(view: InstanceView, field: str) -> Any:
    return getattr(present_sample(view), field, None)


def _cpu(view: InstanceView) -> str:
    return words.percent(_measured(view, "cpu_percent"))


def _mem(view: InstanceView) -> str:
    return words.size(_measured(view, "rss_bytes"))


def _heap(view: InstanceView) -> str:
    return words.size(_measured(view, "heap_used_bytes"))


def _lag(view: InstanceView) -> str:
    return words.lag(_measured(view, "loop_lag_p95_ms"))


def _serves(view: InstanceView) -> bool:
    return _measured(view, "http_rps") is not None


def _http(view: InstanceView) -> str:
    return words.rate(_measured(view, "http_rps"))


_COLUMNS = {
    "id": _Filler(Column("id", right=True), _of_view(lambda view: str(view.record.id))),
    "name": _Filler(Column("name", shrinks=True), _name),
    "namespace": _Filler(Column("namespace", shrinks=True), _of_app(lambda app: app.namespace)),
    "version": _Filler(Column("version", shrinks=True), _of_app(lambda app: app.version)),
    "mode": _Filler(Column("mode"), _of_app(lambda app: app.mode)),
    "pid": _Filler(Column("pid", right=True), _of_view(lambda view: words.known(view.record.pid))),
    "uptime": _Filler(Column("uptime", right=True), _uptime),
    "↺": _Filler(Column("↺", right=True), _of_view(lambda view: str(view.record.restarts))),
    "status": _Filler(Column("status"), _status),
    "cpu": _Filler(Column("cpu", right=True), _of_view(_cpu)),
    "mem": _Filler(Column("mem", right=True), _of_view(_mem)),
    "user": _Filler(Column("user", shrinks=True), _of_app(lambda app: app.user)),
    "watching": _Filler(Column("watching"), _of_app(lambda app: "yes" if app.watching else "no")),
    "heap": _Filler(Column("heap", right=True), _of_view(_heap)),
    "lag": _Filler(Column("lag p95", right=True), _of_view(_lag)),
    "http": _Filler(Column("http", right=True), _of_view(_http)),
}


def _below(depth: int, name: str, look: _Look) -> str:
    return "  " * depth + ("└ " if look.unicode else "- ") + name


def _branch_name(branch: Branch, look: _Look) -> str:
    return _below(branch.depth, branch.process.name, look)


def _branch_uptime(branch: Branch, look: _Look) -> str:
    started_at = branch.process.started_at
    return words.span(None if started_at is None else look.now - started_at)


_OF_BRANCH: dict[str, Callable[[Branch, _Look], str]] = {
    "name": _branch_name,
    "pid": lambda branch, _: str(branch.process.pid),
    "uptime": _branch_uptime,
    "cpu": lambda branch, _: words.percent(branch.process.cpu_percent),
    "mem": lambda branch, _: words.size(branch.process.rss_bytes),
    "heap": lambda branch, _: words.size(branch.process.heap_used_bytes),
    "lag": lambda branch, _: words.lag(branch.process.loop_lag_p95_ms),
}
"""What a line about one process has; a state, a user, restarts are those of its worker."""
