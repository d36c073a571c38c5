"""``monit history``: figures of the past, from the agents' files.

``--json`` prints an array, one object for each metric of each instance::

    [{"host": "", "app": "web", "instance": 0, "metric": "http_p95_ms", "own": false, "unit": "",
      "step_s": 60, "points": [{"at": 1763817120.0, "low": 8.1, "high": 70.2, "mean": 21.4,
                                "samples": 60}]}]

``instance`` is null for the app as a whole: percentiles over what all its instances did, and sums.
That is known when two or more instances have a probe, and shown when all instances are asked for.
``at`` is the begin of a step in wall seconds. A step of which nothing is known has no point.
"""

import csv
import io
import time
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, NamedTuple

import click
from msgspec.structs import replace

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import report_silent_agents
from monit_agent.cli.control.selection import TargetSelection
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.options.params import ParsedValue
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.plot import chart, sparkline
from monit_agent.cli.render.table import TableCell, TableColumn, plain_table
from monit_agent.cli.render.visible import visible
from monit_agent.client.commands.blocking import request_and_wait
from monit_agent.client.source import Source
from monit_agent.client.text.format import (
    format_bytes,
    format_clock,
    format_date_and_time,
    format_ms,
    format_number,
    format_percent,
    format_rate,
    format_short_number,
)
from monit_agent.client.view import AppView
from monit_agent.config import values
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import HistoryColumn, HistoryPart, HistoryRange, Refused
from monit_agent.wire.metrics import FIGURES, SHORT_NAMES

SINCE_S = 3600.0
SHORT = (
    "cpu_percent",
    "rss_bytes",
    "heap_used_bytes",
    "loop_lag_p99_ms",
    "http_rps",
    "http_errors_per_s",
    "http_p95_ms",
)
"""What is shown when no metric is named, as far as it is known, with all own metrics."""

SPARK = 40
"""Columns of the line of blocks in a table."""

HELP = """\b
Examples:
  monit history web                              the last hour of every instance of web
  monit history web/0 rss_bytes --since 7d --plot
  monit history web http_p95_ms --since 02:00 --until 03:00 --step 10s --csv > night.csv
  monit history web --json | jq '.[].points[-1]'
"""


class _Column(NamedTuple):
    """One metric of one instance, or of the app as a whole."""

    app: AppView
    instance: InstanceId | None
    part: HistoryPart
    column: HistoryColumn

    @property
    def begin(self) -> float:
        return self.part.begin

    @property
    def end(self) -> float:
        return self.part.begin + self.part.steps * self.part.step_s

    @property
    def name(self) -> str:
        return self.app.name if self.instance is None else str(self.instance)


@click.command("history", epilog=HELP)
@click.argument("target", shell_complete=complete_target)
@click.argument("metrics", nargs=-1, metavar="[METRIC]...")
@click.option(
    "--since",
    type=ParsedValue("time", lambda text: values.parse_moment(text, time.time())),
    metavar="TIME",
    help="Begin 24h (ago), at 14:03 or at an ISO date. [default: 1h]",
)
@click.option(
    "--until",
    type=ParsedValue("time", lambda text: values.parse_moment(text, time.time())),
    metavar="TIME",
    help="End at this time. [default: now]",
)
@click.option(
    "--step",
    type=ParsedValue("duration", values.parse_duration),
    metavar="DURATION",
    help="Length of a step, from 1s on. [default: fits the output]",
)
@click.option("--json", "output_format", flag_value="json", help="Print JSON.")
@click.option("--csv", "output_format", flag_value="csv", help="Print comma-separated values.")
@click.option("--plot", "output_format", flag_value="plot", help="Draw a chart of each metric.")
@host_option
def history(
    target: str,
    metrics: tuple[str, ...],
    *,
    since: float | None,
    until: float | None,
    step: float | None,
    output_format: str | None,
) -> int:
    """Show metrics of the past.

    Agents keep one second of precision for the last hour, 10 seconds for a day and one minute for
    30 days: the smallest, largest and mean value of each step. METRIC is a field of monit list
    --json, its short name (cpu, mem, heap, lag, http, latency, files) or one of the app's own
    metrics; all known ones can be seen with --json.
    """
    if step is not None and (step < 1 or step != int(step)):
        raise click.UsageError(f"--step {step:g}s: a step is a whole number of seconds, at least 1")
    now = time.time()
    with open_fleet(monit_home(), [target]) as (source, chosen):
        silent = report_silent_agents(source, chosen.apps)
        request = HistoryRange(
            instance=0,
            since=now - SINCE_S if since is None else since,
            until=until,
            step_s=None if step is None else int(step),
            names=(*metrics, *(SHORT_NAMES[name] for name in metrics if name in SHORT_NAMES)),
        )
        columns = _columns(source, chosen, request, output_format)
        own = {each.column.name for each in columns if each.column.own}
        hidden = {SHORT_NAMES[name] for name in own & SHORT_NAMES.keys()} - {*metrics}
        columns = [each for each in columns if not metrics or each.column.name not in hidden]
    if not columns and not silent:
        raise CommandError(ExitCode.FAILED, _why_nothing(target, metrics))
    _write(columns, output_format)
    return ExitCode.NO_ANSWER if silent else ExitCode.DONE


def _columns(
    source: Source, chosen: TargetSelection, request: HistoryRange, output_format: str | None
) -> list[_Column]:
    """Return what the agents know, by instance and metric."""
    columns: list[_Column] = []
    step_s = request.step_s or _fitting_step(request, output_format)
    for name in chosen.apps:
        app = source.fleet.apps[name]
        if app.link != "live":
            continue
        instances = [each for each in sorted(chosen.instances) if each.app_id == name]
        whole = [None] if 1 < len(instances) == len(app.instances) else []
        for instance in [*whole, *instances]:
            number = None if instance is None else instance.instance
            asked = replace(request, instance=number, step_s=step_s)
            answer = request_and_wait(source, name, asked, timeout_s=15.0)
            if isinstance(answer, Refused) and instance is not None:
                raise CommandError(ExitCode.FAILED, f"{name}: {answer.message}")
            if isinstance(answer, HistoryPart):
                shown = (each for each in answer.columns if _is_shown(each, request, output_format))
                columns += [
                    _Column(app, instance, answer, each) for each in sorted(shown, key=_order)
                ]
    return columns


def _fitting_step(request: HistoryRange, output_format: str | None) -> int | None:
    """Return the length of steps for a chart of a terminal's width; None for data."""
    if output_format in ("json", "csv"):
        return None
    steps = SPARK if output_format is None else max(40, terminal.stdout_terminal().width)
    span = (time.time() if request.until is None else request.until) - request.since
    return max(1, int(span / steps))


def _is_shown(column: HistoryColumn, request: HistoryRange, output_format: str | None) -> bool:
    if request.names or output_format in ("json", "csv"):
        return True
    return column.own or column.name in SHORT


def _order(column: HistoryColumn) -> tuple[bool, int, str]:
    known = list(FIGURES)
    place = 0 if column.own or column.name not in FIGURES else known.index(column.name)
    return column.own, place, column.name


def _why_nothing(target: str, metrics: tuple[str, ...]) -> str:
    named = f" of {', '.join(map(visible, metrics))}" if metrics else ""
    unknown = [name for name in metrics if name not in FIGURES and name not in SHORT_NAMES]
    near = get_close_matches(unknown[0], [*FIGURES, *SHORT_NAMES], n=1) if unknown else []
    if near:
        return f"{target} has no metric {unknown[0]!r}; did you mean {near[0]}?"
    return (
        f"nothing{named} is known of {target} in that time; monit history {target} --json lists"
        " what is known of the last hour"
    )


def _write(columns: list[_Column], output_format: str | None) -> None:
    match output_format:
        case "json":
            output.write_json([_fields(each) for each in columns])
        case "csv":
            output.write_lines(_csv_lines(columns))
        case "plot":
            output.write_lines(line for each in columns for line in _plot(each))
        case _:
            output.write_lines(_table(columns))


def _fields(shown: _Column) -> dict[str, Any]:
    app, instance, part, column = shown
    return {
        "host": app.id.host,
        "app": app.id.app,
        "instance": None if instance is None else instance.instance,
        "metric": column.name,
        "own": column.own,
        "unit": column.unit,
        "step_s": part.step_s,
        "points": [
            {"at": at, "low": low, "high": high, "mean": mean, "samples": samples}
            for at, low, high, mean, samples in _points(shown)
        ],
    }


def _points(shown: _Column) -> Iterator[tuple[float, float, float, float, int]]:
    column = shown.column
    steps = zip(column.low, column.high, column.mean, column.samples, strict=True)
    for number, (low, high, mean, samples) in enumerate(steps):
        if low is not None and high is not None and mean is not None:
            yield shown.begin + number * shown.part.step_s, low, high, mean, samples


def _csv_lines(columns: list[_Column]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", "app", "instance", "metric", "low", "high", "mean", "samples"])
    for each in columns:
        for at, low, high, mean, samples in _points(each):
            moment = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(at))
            writer.writerow([
                moment, each.app.name, "" if each.instance is None else each.instance.instance,
                each.column.name, low, high, mean, samples,
            ])  # fmt: skip
    yield from text.getvalue().splitlines()


def _table(columns: list[_Column]) -> list[str]:
    unicode = terminal.stdout_terminal().unicode
    titles = [
        TableColumn("instance"),
        TableColumn("metric"),
        TableColumn("now", right=True),
        TableColumn("min", right=True),
        TableColumn("avg", right=True),
        TableColumn("max", right=True),
        TableColumn("at"),
        TableColumn("trend"),
    ]
    rows = [
        [TableCell(visible(text)) for text in (each.name, each.column.name, *_summary(each))]
        + [TableCell(sparkline(each.column.high, SPARK, unicode=unicode))]
        for each in columns
    ]
    return plain_table(titles, rows)


def _summary(shown: _Column) -> tuple[str, ...]:
    """Return the texts of now, min, avg, max, and of when the largest value was."""
    points = list(_points(shown))
    last_at, _, _, last, _ = points[-1]
    is_now = last_at + 2 * shown.part.step_s >= shown.end
    at, _, high, _, _ = max(points, key=lambda point: point[2])
    total = sum(point[4] for point in points)
    mean = sum(point[3] * point[4] for point in points) / total
    numbers = (last if is_now else None, min(point[1] for point in points), mean, high)
    written = tuple(_text(shown.column, number) for number in numbers)
    long = shown.end - shown.begin > 86400
    return *written, format_date_and_time(at)[5:16] if long else format_clock(at)


def _plot(shown: _Column) -> Iterator[str]:
    traits = terminal.stdout_terminal()
    now, low, mean, high, at = _summary(shown)
    yield visible(
        f"{shown.name} {shown.column.name}  now {now}  min {low}  avg {mean}  max {high} at {at}"
    )
    yield from chart(
        shown.column.high,
        (shown.begin, shown.end),
        traits.width,
        lambda value: _text(shown.column, value),
        unicode=traits.unicode,
    )
    yield ""


def _text(column: HistoryColumn, value: float | None) -> str:
    """Return a number of a metric in its unit; the unit of a figure is the end of its name."""
    if column.own:
        return format_number(value, column.unit)
    for end, write in _UNITS.items():
        if column.name.endswith(end):
            return write(value)
    return "-" if value is None else format_short_number(value)


_UNITS = {
    "_bytes": format_bytes,
    "_percent": format_percent,
    "_ms": format_ms,
    "_rps": format_rate,
    "_per_s": format_rate,
}
