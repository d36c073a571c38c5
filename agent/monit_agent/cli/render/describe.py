"""What `monit describe` writes: everything about an app and its instances, for a person."""

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monit_agent import __version__
from monit_agent.cli.render.columns import COLOURS, GLYPHS, problem_of, status_word, title_of
from monit_agent.cli.render.table import TableCell, TableColumn, plain_table
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.cli.render.visible import visible
from monit_agent.client.json_fields import is_stale, present_sample, uptime_s
from monit_agent.client.process_trees import Branch, process_branches
from monit_agent.client.text.environment import environment_pairs, schedule_pairs
from monit_agent.client.text.format import (
    UNKNOWN,
    format_bytes,
    format_date_and_time,
    format_duration,
    format_known,
    format_ms,
    format_number,
    format_percent,
    format_quantity,
    format_rate,
    format_uptime,
)
from monit_agent.client.text.manager import manager_problems, other_version
from monit_agent.client.text.outcomes import exit_text, health_text
from monit_agent.client.text.settings import mode_text, setting_pairs
from monit_agent.client.text.shell import script_words, shell_words
from monit_agent.client.text.watch import watch_text
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.limits import STUCK_SHOWN_S
from monit_agent.wire.logfiles import (
    NOWHERE,
    chosen_path,
    is_one_stream,
    stream_names,
    where_to_look,
)
from monit_agent.wire.messages import (
    ActionsPart,
    AlertMute,
    AppRecord,
    Blocked,
    CollectorFigures,
    CrashReport,
    Exit,
    HeapFigures,
    HttpFigures,
    LogEnd,
    LogSettings,
    LoopFigures,
    Metric,
    Sample,
    SchedulingFigures,
    TreeFigures,
)
from monit_agent.wire.paths import AppPaths

LABEL_WIDTH = 18

BLOCKS_SHOWN = 5
"""Places that blocked an event loop; ``--json`` has them all."""

METRICS_SHOWN = 20
"""The app's own metrics; ``--json`` has them all."""

Pair = tuple[str, str]
"""A label and its text."""


class DescribeContext(NamedTuple):
    """What the lines are written for: an app's files, a terminal, a wall time."""

    paths: AppPaths
    screen: TerminalTraits
    now: float


class InstanceDetails(NamedTuple):
    """What the agent was asked about one instance."""

    uss_bytes: int | None
    stream: str
    lines: list[str]
    """The last lines of that stream."""
    blocks: tuple[Blocked, ...] | None = None
    """Where its event loops were blocked; None when the agent did not answer."""
    actions: ActionsPart | None = None
    """What can be triggered in it; None when the agent did not answer."""
    faults: tuple[str, ...] = ()
    """Errors inside its probes."""
    crash: CrashReport | None = None
    """What is known of its last unplanned exit."""


# ---------------------------------------------------------------- the app


def app_lines(app: AppView, context: DescribeContext) -> list[str]:
    """Return the lines about the app as a whole."""
    paths, screen, now = context
    record = app.record
    head = screen.paint(visible(app.name), "bold")
    if is_stale(app):
        head += screen.paint(f"  stale: {app.problem or 'its agent does not answer'}", "red")
    if record is None:
        return [head]
    pairs = [
        ("script", shell_words(script_words(record))),
        ("command", shell_words(record.argv)),
        ("started by", record.user),
        ("version", format_known(record.version)),
        ("mode", mode_text(record)),
        ("created", _time_and_age(record.created_at, now)),
        *([("config file", record.origin_file)] if record.origin_file else []),
        *setting_pairs(record),
        *(("problem", text) for text in manager_problems(app) if not is_stale(app)),
        *_alert_pairs(app, None, now),
        *(("muted", _mute_text(mute)) for mute in app.mutes),
        *_watch_pairs(record, now),
        *_whole_app_pairs(app.sample),
        *schedule_pairs(record),
        *environment_pairs(record.environment),
        ("keeper pid", format_known(record.keeper_pid if app.keeper_alive else None)),
        ("agent pid", format_known(app.agent_pid)),
        ("monit versions", _versions_text(app, record)),
        ("endpoints", f"pub ipc://{paths.pub}"),
        ("", f"ctl ipc://{paths.ctl}"),
        (
            "monit's own logs",
            f"{_path(paths.agent_log)}, {_path(paths.keeper_log)}",
        ),
    ]
    return [head, *_pair_lines(pairs, screen)]


def _versions_text(app: AppView, record: AppRecord) -> str:
    keeper, agent = format_known(record.keeper_version), format_known(app.agent_version)
    installed = f", installed {__version__}; run monit upgrade" if other_version(app) else ""
    return f"keeper {keeper}, agent {agent}{installed}"


def _alert_pairs(app: AppView, instance: int | None, now: float) -> list[Pair]:
    lines = [
        f"{alert.rule}: {alert.text}, for {format_duration(now - alert.since)}"
        + (f" ({alert.silent})" if alert.silent else "")
        for alert in app.alerts
        if alert.instance == instance
    ]
    return _listed("alert", lines)


def _mute_text(mute: AlertMute) -> str:
    what = f"alerts of rule {mute.rule}" if mute.rule else "all alerts"
    return f"{what} until {format_date_and_time(mute.until)}"


def _watch_pairs(record: AppRecord, now: float) -> list[Pair]:
    text = watch_text(record.watch, now)
    return [("watch state", text)] if text else []


# ---------------------------------------------------------------- one instance


def instance_lines(
    app: AppView, view: InstanceView, details: InstanceDetails, context: DescribeContext
) -> list[str]:
    """Return the lines about one instance."""
    paths, screen, now = context
    record, sample = view.record, present_sample(view)
    glyph = f"{GLYPHS[record.status]} " if screen.unicode and screen.is_tty else ""
    state = screen.paint(f"{glyph}{status_word(app, view)}", COLOURS[record.status])
    if problem := problem_of(view):
        state += screen.paint(f" {problem}", "red")
    head = f"{screen.paint(title_of(app, view), 'bold')}  {state}"
    counts = [view.restarts_within(minutes * 60, now) for minutes in (1, 5, 60)]
    pairs = [
        ("id", str(record.id)),
        ("pid", format_known(record.pid) + (" (adopted)" if record.adopted else "")),
        ("user", format_known(sample and sample.user)),
        *([("revision", visible(sample.revision))] if sample and sample.revision else []),
        ("uptime", format_duration(uptime_s(view, now))),
        ("desired", record.desired),
        ("reason", format_known(record.reason)),
        ("restarts", str(record.restarts)),
        *_alert_pairs(app, record.instance, now),
        ("failed starts", f"{record.failed_starts} in a row"),
        ("crashes", "{} in 1 minute, {} in 5 minutes, {} in 1 hour".format(*counts)),
        *(_usage_pairs(sample.tree, details.uss_bytes) if sample else []),
        *_health_pairs(sample, now),
        *_probe_pairs(sample, details.blocks),
        *_own_pairs(sample, details.actions, details.faults),
        *_exit_pairs(record.exits, now),
        *_crash_pairs(app, details.crash, screen),
        *_log_pairs(app, view, paths),
    ]
    lines = _pair_lines(pairs, screen)
    return ["", head, *lines, *_process_lines(sample, screen, now), *_output(details, screen)]


def _usage_pairs(figures: TreeFigures, uss_bytes: int | None) -> list[Pair]:
    return [
        ("cpu", format_percent(figures.cpu_percent)),
        ("memory", f"{format_bytes(figures.rss_bytes)}, {format_bytes(uss_bytes)} not shared"),
        ("processes", "-" if figures.children is None else str(1 + figures.children)),
        ("threads", format_known(figures.threads)),
        ("open files", format_known(figures.fds)),
    ]


def _health_pairs(sample: Sample | None, now: float) -> list[Pair]:
    pairs: list[Pair] = []
    if sample is not None and sample.stuck_s is not None and sample.stuck_s >= STUCK_SHOWN_S:
        pairs.append(("stuck", f"event loop blocked for {format_duration(sample.stuck_s)}"))
    health = sample.health if sample else None
    if health is not None:
        age = f" ({format_duration(now - health.at)} ago)" if health.at is not None else ""
        pairs.append(("health", health_text(health.ok, health.text, health.failures) + age))
    return pairs


# ---------------------------------------------------------------- from the probe


def _probe_pairs(sample: Sample | None, blocks: tuple[Blocked, ...] | None) -> list[Pair]:
    """Return heap, event loop, requests and what blocked the loop; without a probe one line."""
    if sample is None:
        return []
    if sample.heap is None and sample.loop is None:
        return [("probe", "none reports from this worker")]
    return [
        ("heap", _heap_text(sample.heap or HeapFigures())),
        *_collector_pairs(sample.collector),
        *_loop_pairs(sample.loop, sample.scheduling),
        *_http_pairs(sample.http),
        *_block_pairs(blocks or ()),
    ]


def _heap_text(heap: HeapFigures) -> str:
    if heap.source == "rss":
        return f"{format_bytes(heap.size_bytes)} resident, used part unknown"
    text = f"{format_bytes(heap.used_bytes)} used of {format_bytes(heap.size_bytes)}"
    if heap.limit_bytes is None:
        return text
    limit = format_bytes(heap.limit_bytes)
    return f"{text}; limit {limit} ({format_percent(heap.limit_percent)} used)"


def _collector_pairs(collector: CollectorFigures | None) -> list[Pair]:
    if collector is None:
        return []
    return [("gc", f"{collector.collections} collections, {format_ms(collector.total_ms)} total")]


def _whole_app_pairs(sample: Sample | None) -> list[Pair]:
    """Return what is known of all instances together, percentiles above all."""
    if sample is None:
        return []
    loop = _loop_pairs(sample.loop, sample.scheduling) if sample.loop else []
    return [*loop, *_http_pairs(sample.http), *_own_pairs(sample, None, ())]


def _loop_pairs(loop: LoopFigures | None, scheduling: SchedulingFigures | None) -> list[Pair]:
    if loop is None:
        delay = format_ms(scheduling.delay_p95_ms if scheduling else None)
        return [("event loop", "none seen"), ("thread delay p95", delay)]
    use = None if loop.utilization is None else 100.0 * loop.utilization
    lag = _percentiles(loop.lag_p50_ms, loop.lag_p95_ms, loop.lag_p99_ms, loop.lag_max_ms)
    return [
        ("event loop", f"{loop.type}, busy {format_percent(use)}"),
        ("event loop lag", lag),
    ]


def _percentiles(*milliseconds: float | None) -> str:
    names = ("p50", "p95", "p99", "max")
    pairs = zip(names, milliseconds, strict=True)
    return ", ".join(f"{name} {format_ms(value)}" for name, value in pairs)


def _http_pairs(http: HttpFigures | None) -> list[Pair]:
    if http is None:
        return []
    rates = f"{format_rate(http.requests_per_s)}, errors {format_rate(http.errors_per_s)}"
    return [
        ("http requests", f"{rates}, {http.in_flight} in flight"),
        ("http latency", _percentiles(http.p50_ms, http.p95_ms, http.p99_ms, http.max_ms)),
    ]


def _block_pairs(blocks: tuple[Blocked, ...]) -> list[Pair]:
    lines = [_block_text(block) for block in blocks[:BLOCKS_SHOWN]]
    if len(blocks) > BLOCKS_SHOWN:
        lines.append(f"and {len(blocks) - BLOCKS_SHOWN} more places; see --json")
    return _listed("blocked at", lines)


def _block_text(block: Blocked) -> str:
    where = "unknown"
    if block.blocking_frame < len(block.stack):
        frame = block.stack[block.blocking_frame]
        where = f"{frame.function} {os.path.basename(frame.file)}:{frame.line}"
    kind = "" if block.kind == "callback" else f" ({block.kind})"
    now = f", now for {format_ms(block.going_on_ms)}" if block.going_on_ms else ""
    return (
        f"{where}{kind}: {format_quantity(block.count, 'time')}, "
        f"{format_ms(block.total_ms)} total, longest {format_ms(block.max_ms)}{now}"
    )


# ---------------------------------------------------------------- the app's own metrics


def _own_pairs(
    sample: Sample | None, actions: ActionsPart | None, faults: tuple[str, ...]
) -> list[Pair]:
    """Return the app's own metrics, what can be triggered, and errors inside the probes."""
    metrics = sample.metrics if sample else {}
    lines = [f"{name}  {metric_text(each)}" for name, each in list(metrics.items())[:METRICS_SHOWN]]
    if len(metrics) > METRICS_SHOWN:
        lines.append(f"and {len(metrics) - METRICS_SHOWN} more; see --json")
    if actions is not None and actions.lost_metrics:
        lines.append(f"and {format_quantity(actions.lost_metrics, 'metric')} over the limit")
    offers = actions.offers if actions is not None else ()
    offered = [f"{offer.name}  {offer.help}".rstrip() for offer in offers]
    return [
        *_listed("metrics", lines),
        *_listed("actions", offered),
        *_listed("probe errors", faults),
    ]


def metric_text(metric: Metric) -> str:
    """Return ``17 orders, 0.4/s``, or ``mean 3 ms, p95 8 ms, 12/s``."""
    if metric.kind == "text":
        return metric.text or UNKNOWN
    if metric.kind == "gauge":
        return format_number(metric.value, metric.unit)
    rate = f"{format_number(metric.rate)}/s"
    if metric.kind == "counter":
        return f"{format_number(metric.value, metric.unit)}, {rate}"
    parts = (("mean", metric.value), ("p50", metric.p50), ("p95", metric.p95), ("p99", metric.p99))
    measured = [(name, value) for name, value in parts if value is not None]
    texts = [f"{name} {format_number(value, metric.unit)}" for name, value in measured]
    return ", ".join([*texts, rate])


# ---------------------------------------------------------------- exits, logs, output


def _exit_pairs(exits: Iterable[Exit], now: float) -> list[Pair]:
    lines = [f"{_time_and_age(end.at, now)}  {exit_text(end)}" for end in reversed(tuple(exits))]
    return _listed("last exits", lines or ["none"])


def _crash_pairs(app: AppView, crash: CrashReport | None, screen: TerminalTraits) -> list[Pair]:
    if crash is None:
        return []
    reason = screen.paint(visible(crash.reason) or "it printed nothing", "red")
    hint = [("", visible(crash.hint))] if crash.hint else []
    more = f"see monit describe {app.name}/{crash.instance} --crash"
    return [("crash reason", reason), *hint, ("", more)]


def _log_pairs(app: AppView, view: InstanceView, paths: AppPaths) -> list[Pair]:
    number = view.record.instance
    ends = {name: app.logs.get((number, name)) for name in ("out", "err")}
    return [
        (f"{name} log", _log_text(app, number, name, paths) + _rotated(end) + _lost(end))
        for name, end in ends.items()
    ]


def _log_text(app: AppView, instance: int, stream: str, paths: AppPaths) -> str:
    journal = app.record is not None and app.record.log.to == "journald"
    if journal:
        return where_to_look("journald", app.name, instance)
    return _path(log_path(app, instance, stream, paths))


def log_path(app: AppView, instance: int, stream: str, paths: AppPaths) -> str:
    """Return the file of a stream, ``journald``, or that nothing is kept of it."""
    log = app.record.log if app.record is not None else LogSettings()
    if log.to in ("journald", NOWHERE):
        return log.to
    chosen = chosen_path(log.out, log.err, stream)
    if is_one_stream(log.out, log.err):
        chosen = log.out
    return chosen if chosen == NOWHERE else stream_names(paths, instance, stream, chosen).log


def _path(path: str) -> str:
    """Return a path that can be copied into a shell."""
    return shell_words((path,))


def _rotated(end: LogEnd | None) -> str:
    if not end or not end.rotated:
        return ""
    files = "file" if end.rotated == 1 else "files"
    return f"  (and {end.rotated} rotated {files}, {format_bytes(end.rotated_bytes)})"


def _lost(end: LogEnd | None) -> str:
    if not end:
        return ""
    dropped = f"  ({format_bytes(end.dropped_bytes)} removed before their time, see the events)"
    lost = f"  ({format_bytes(end.lost_bytes)} lost; is the disk full?)"
    return (dropped if end.dropped_bytes else "") + (lost if end.lost_bytes else "")


def _output(details: InstanceDetails, screen: TerminalTraits) -> list[str]:
    if not details.lines:
        return [f"  {screen.paint('no output yet', 'dim')}"]
    title = f"  {screen.paint(f'last lines of the {details.stream} log:', 'cyan')}"
    return [title, *(f"    {line}" for line in details.lines)]


# ---------------------------------------------------------------- processes below the worker

_PROCESS_COLUMNS = (
    *(TableColumn("pid", right=True), TableColumn("name"), TableColumn("uptime", right=True)),
    *(
        TableColumn(title, right=True)
        for title in ("cpu", "mem", "threads", "fds", "heap", "lag p95", "busy")
    ),
)


def _process_lines(sample: Sample | None, screen: TerminalTraits, now: float) -> list[str]:
    """Return a table of the processes with a title; nothing when the worker is alone."""
    tree = process_branches(sample)
    if sample is None or not tree:
        return []
    children = sample.tree.children or len(tree)
    hidden = f", the {len(tree)} largest of {children:,}" if children > len(tree) else ""
    title = f"  {screen.paint(f'child processes{hidden}:', 'cyan')}"
    worst = sample.loop.pid if sample.loop else None
    rows = [_process_row(branch, worst, now) for branch in tree]
    return [title, *(f"    {line}" for line in plain_table(_PROCESS_COLUMNS, rows))]


def _process_row(branch: Branch, worst: int | None, now: float) -> list[TableCell]:
    process = branch.process
    age_s = None if process.started_at is None else now - process.started_at
    use = process.loop_utilization
    lag = format_ms(process.loop_lag_p95_ms)
    return [
        TableCell(text)
        for text in (
            str(process.pid),
            "  " * branch.depth + process.name,
            format_uptime(age_s),
            format_percent(process.cpu_percent),
            format_bytes(process.rss_bytes),
            format_known(process.threads),
            format_known(process.fds),
            format_bytes(process.heap_used_bytes),
            f"{lag} (worst)" if process.pid == worst else lag,
            format_percent(None if use is None else 100.0 * use),
        )
    ]


# ---------------------------------------------------------------- labels and texts


def _listed(label: str, texts: Sequence[str]) -> list[Pair]:
    """Return one pair per text; only the first has the label."""
    return list(zip([label, *[""] * len(texts)], texts, strict=False))


def _pair_lines(pairs: Iterable[Pair], screen: TerminalTraits) -> list[str]:
    return [
        f"  {screen.paint(label.ljust(LABEL_WIDTH), 'cyan')}{visible(text)}"
        for label, text in pairs
    ]


def _time_and_age(at: float, now: float) -> str:
    return f"{format_date_and_time(at)} ({format_duration(now - at)} ago)"
