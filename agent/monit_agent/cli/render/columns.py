"""The table of instances: its columns, and those that fit a terminal."""

from collections.abc import Callable, Iterable, Sequence

from monit_agent.cli.render.table import (
    TableCell,
    TableColumn,
    box_width,
    boxed_table,
    plain_table,
    widths_of,
)
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.client.json_fields import is_stale, present_sample, uptime_s, user_of
from monit_agent.client.process_trees import Branch, process_branches
from monit_agent.client.text.format import (
    UNKNOWN,
    format_bytes,
    format_known,
    format_ms,
    format_percent,
    format_rate,
    format_uptime,
)
from monit_agent.client.text.manager import manager_warning
from monit_agent.client.text.watch import watch_cell, watch_warning
from monit_agent.client.view import AppView, InstanceView
from monit_agent.typed import TYPE_CHECKING, Any, NamedTuple
from monit_agent.wire.limits import STUCK_SHOWN_S
from monit_agent.wire.metrics import figure

if TYPE_CHECKING:
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
"""Exits within one or five minutes, not requested, after which an instance that is online is shown
as a crash loop."""


class InstanceRow(NamedTuple):
    """One line of the table. ``view`` is None for an app without known instances."""

    app: AppView
    view: InstanceView | None
    age_s: float | None
    """Age of the state, for an app whose agent does not answer."""
    branch: Branch | None = None
    """A process below the worker of ``view``, when the line is about that process."""
    more: int = 0
    """Number of processes of the tree that are not listed, when the line is about those."""


def rows_of_app(app: AppView, age_s: float | None = None) -> list[InstanceRow]:
    """Return a row for each instance; one for the app where none is known."""
    views = [view for _, view in sorted(app.instances.items())]
    return [InstanceRow(app, view, age_s) for view in views] or [InstanceRow(app, None, age_s)]


def with_processes(rows: Iterable[InstanceRow]) -> list[InstanceRow]:
    """Return the rows, each followed by one for every process below its worker."""
    found: list[InstanceRow] = []
    for row in rows:
        found.append(row)
        sample = present_sample(row.view) if row.view else None
        tree = process_branches(sample)
        found += [row._replace(branch=branch) for branch in tree]
        more = (sample.tree.children or 0) - len(tree) if sample else 0
        if more > 0:
            found.append(row._replace(more=more))
    return found


class _CellStyle(NamedTuple):
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
"""From wide to narrow: the first that fits is used, and the last one is shortened to fit. On a
terminal, the first is used only when an instance serves HTTP requests."""


def instance_table(rows: Iterable[InstanceRow], screen: TerminalTraits, now: float) -> list[str]:
    """Return the lines of the table for this terminal, or plain columns for a pipe.

    ``now`` is the wall clock, for the uptimes.
    """
    listed = list(rows)
    layouts = LAYOUTS if any(row.view and _serves(row.view) for row in listed) else LAYOUTS[1:]
    style = _CellStyle(now, screen.unicode, screen.is_tty and screen.unicode, screen.is_tty)
    if not screen.is_tty:
        return plain_table(*_filled(WIDE, listed, style))
    drafts = (_filled(layout, listed, style) for layout in layouts)
    columns, cells = next(
        (draft for draft in drafts if box_width(widths_of(*draft)) <= screen.width),
        _filled(LAYOUTS[-1], listed, style),
    )
    return boxed_table(columns, cells, screen)


def _filled(
    layout: Sequence[str], rows: Sequence[InstanceRow], style: _CellStyle
) -> tuple[list[TableColumn], list[list[TableCell]]]:
    columns = [_COLUMNS[name].column for name in layout]
    if not style.unicode:
        columns = [
            column._replace(title=column.title.replace("↺", "restarts")) for column in columns
        ]
    return columns, [[_cell(name, row, style) for name in layout] for row in rows]


def _cell(name: str, row: InstanceRow, style: _CellStyle) -> TableCell:
    unknown = TableCell("" if style.boxed else UNKNOWN)
    if row.more:
        return TableCell(_below(0, f"{row.more:,} smaller", style)) if name == "name" else unknown
    if row.branch is None:
        return _COLUMNS[name].cell(row, style)
    text = _BRANCH_TEXTS.get(name)
    return TableCell(text(row.branch, style)) if text else unknown


def title_of(app: AppView, view: InstanceView | None) -> str:
    """Return the target that names the row: ``web`` for the only instance, else ``web/0``."""
    if view is None or (len(app.instances) == 1 and view.record.instance == 0):
        return app.name
    return f"{app.name}/{view.record.instance}"


def status_word(app: AppView, view: InstanceView) -> str:
    """Return the status of an instance; ``done`` for an app that ran once and did its work."""
    return "done" if app.is_done(view.record) else view.record.status


def _status(row: InstanceRow, style: _CellStyle) -> TableCell:
    if row.view is None:
        return TableCell(_stale_word("stale", row.age_s, style), "dim")
    status = row.view.record.status
    shown = status_word(row.app, row.view)
    word = f"{GLYPHS[status]} {shown}" if style.glyphs else shown
    if is_stale(row.app):
        return TableCell(_stale_word(shown, row.age_s, style), "dim")
    if lost := manager_warning(row.app):
        return TableCell(f"{word} ({lost})", "yellow")
    loop = "" if status in ("stopped", "stopping") else crash_loop(row.view, style.now)
    if not loop:
        problem = problem_of(row.view)
        if problem:
            return TableCell(f"{word} {problem}", "red")
        warning = watch_warning(row.app.record, style.now)
        return (
            TableCell(f"{word} {warning}", "yellow")
            if warning
            else TableCell(word, COLOURS[status])
        )
    sign = "↺" if style.unicode else "restarts "
    return TableCell(f"{word} {sign}{loop}", "red" if status == "errored" else "yellow")


def _stale_word(status: str, age_s: float | None, style: _CellStyle) -> str:
    age = f" {format_uptime(age_s)}" if age_s is not None else ""
    mark = "? " if style.glyphs else ""
    return f"{mark}stale{age}" if status == "stale" else f"{mark}{status} (stale{age})"


def problem_of(view: InstanceView) -> str:
    """Return ``stuck 12s`` or ``unhealthy`` for an instance that is online and does not serve, else
    ""."""
    sample = present_sample(view) if view.record.status == "online" else None
    if sample is None:
        return ""
    if sample.stuck_s is not None and sample.stuck_s >= STUCK_SHOWN_S:
        return f"stuck {format_uptime(sample.stuck_s)}"
    return "unhealthy" if sample.health is not None and sample.health.ok is False else ""


def crash_loop(view: InstanceView, now: float) -> str:
    """Return ``12/min`` or ``3/5min`` for an instance that keeps crashing, else ""."""
    minute = view.restarts_within(60, now)
    if minute >= LOOP_IN_A_MINUTE:
        return f"{minute}/min"
    five = view.restarts_within(300, now)
    return f"{five}/5min" if five >= LOOP_IN_FIVE else ""


class _InstanceColumn(NamedTuple):
    column: TableColumn
    cell: Callable[[InstanceRow, _CellStyle], TableCell]


def _app_cell(
    read: "Callable[[AppRecord], object]",
) -> Callable[[InstanceRow, _CellStyle], TableCell]:
    def cell(row: InstanceRow, _: _CellStyle) -> TableCell:
        return TableCell(format_known(read(row.app.record)) if row.app.record else UNKNOWN)

    return cell


def _view_cell(
    read: Callable[[InstanceView], str],
) -> Callable[[InstanceRow, _CellStyle], TableCell]:
    def cell(row: InstanceRow, _: _CellStyle) -> TableCell:
        return TableCell(read(row.view) if row.view else UNKNOWN)

    return cell


def _watching(row: InstanceRow, style: _CellStyle) -> TableCell:
    return TableCell(watch_cell(row.app.record, style.now) if row.app.record else UNKNOWN)


def _name(row: InstanceRow, _: _CellStyle) -> TableCell:
    return TableCell(title_of(row.app, row.view), "bold")


def _user(row: InstanceRow, _: _CellStyle) -> TableCell:
    return TableCell(format_known(user_of(row.app, row.view)))


def _uptime(row: InstanceRow, style: _CellStyle) -> TableCell:
    return TableCell(format_uptime(uptime_s(row.view, style.now) if row.view else None))


def _measured(view: InstanceView, name: str) -> Any:
    sample = present_sample(view)
    return sample and figure(sample, name)


def _cpu(view: InstanceView) -> str:
    return format_percent(_measured(view, "cpu_percent"))


def _mem(view: InstanceView) -> str:
    return format_bytes(_measured(view, "rss_bytes"))


def _heap(view: InstanceView) -> str:
    return format_bytes(_measured(view, "heap_used_bytes"))


def _lag(view: InstanceView) -> str:
    return format_ms(_measured(view, "loop_lag_p95_ms"))


def _serves(view: InstanceView) -> bool:
    return _measured(view, "http_rps") is not None


def _http(view: InstanceView) -> str:
    return format_rate(_measured(view, "http_rps"))


_COLUMNS = {
    "id": _InstanceColumn(
        TableColumn("id", right=True), _view_cell(lambda view: str(view.record.id))
    ),
    "name": _InstanceColumn(TableColumn("name", shrinks=True), _name),
    "namespace": _InstanceColumn(
        TableColumn("namespace", shrinks=True), _app_cell(lambda app: app.namespace)
    ),
    "version": _InstanceColumn(
        TableColumn("version", shrinks=True), _app_cell(lambda app: app.version)
    ),
    "mode": _InstanceColumn(TableColumn("mode"), _app_cell(lambda app: app.mode)),
    "pid": _InstanceColumn(
        TableColumn("pid", right=True), _view_cell(lambda view: format_known(view.record.pid))
    ),
    "uptime": _InstanceColumn(TableColumn("uptime", right=True), _uptime),
    "↺": _InstanceColumn(
        TableColumn("↺", right=True), _view_cell(lambda view: str(view.record.restarts))
    ),
    "status": _InstanceColumn(TableColumn("status"), _status),
    "cpu": _InstanceColumn(TableColumn("cpu", right=True), _view_cell(_cpu)),
    "mem": _InstanceColumn(TableColumn("mem", right=True), _view_cell(_mem)),
    "user": _InstanceColumn(TableColumn("user", shrinks=True), _user),
    "watching": _InstanceColumn(TableColumn("watching"), _watching),
    "heap": _InstanceColumn(TableColumn("heap", right=True), _view_cell(_heap)),
    "lag": _InstanceColumn(TableColumn("lag p95", right=True), _view_cell(_lag)),
    "http": _InstanceColumn(TableColumn("http", right=True), _view_cell(_http)),
}


def _below(depth: int, name: str, style: _CellStyle) -> str:
    return "  " * depth + ("└ " if style.unicode else "- ") + name


def _branch_name(branch: Branch, style: _CellStyle) -> str:
    return _below(branch.depth, branch.process.name, style)


def _branch_uptime(branch: Branch, style: _CellStyle) -> str:
    started_at = branch.process.started_at
    return format_uptime(None if started_at is None else style.now - started_at)


_BRANCH_TEXTS: dict[str, Callable[[Branch, _CellStyle], str]] = {
    "name": _branch_name,
    "pid": lambda branch, _: str(branch.process.pid),
    "uptime": _branch_uptime,
    "cpu": lambda branch, _: format_percent(branch.process.cpu_percent),
    "mem": lambda branch, _: format_bytes(branch.process.rss_bytes),
    "heap": lambda branch, _: format_bytes(branch.process.heap_used_bytes),
    "lag": lambda branch, _: format_ms(branch.process.loop_lag_p95_ms),
}
"""Columns of a line about one process; the others are those of its worker."""
