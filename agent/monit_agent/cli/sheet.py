"""What `monit describe` writes: everything of an app, for a person."""

import signal
import time
from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.cli import words
from monit_agent.cli.checksheet import check_pairs, health_pairs
from monit_agent.cli.columns import COLOURS, GLYPHS, title_of, trouble_of
from monit_agent.cli.fields import is_stale, present_sample, uptime_s
from monit_agent.cli.insidesheet import inside_pairs
from monit_agent.cli.ownsheet import own_pairs
from monit_agent.cli.terminal import Terminal
from monit_agent.cli.treesheet import tree_lines
from monit_agent.cli.visible import visible
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.messages import ActionsPart, AppRecord, Blocked, Exit, LogEnd
from monit_agent.wire.places import AppPlaces

LABEL = 14


class Sheet(NamedTuple):
    """What the lines are written for: a terminal, at a wall second, about this folder."""

    places: AppPlaces
    screen: Terminal
    now: float


class Extra(NamedTuple):
    """What had to be asked for one instance."""

    uss_bytes: int | None
    stream: str
    lines: list[str]
    """The last lines of that stream."""
    blocks: tuple[Blocked, ...] | None = None
    """Where its event loops were held up; None when nobody could be asked."""
    actions: ActionsPart | None = None
    """What can be triggered in it; None when nobody could be asked."""
    faults: tuple[str, ...] = ()
    """Errors inside its probes."""


def app_sheet(app: AppView, sheet: Sheet) -> list[str]:
    """Give the lines about the app as a whole."""
    places, screen, now = sheet
    record = app.record
    head = screen.paint(visible(app.name), "bold")
    if is_stale(app):
        head += screen.paint(f"  stale: {app.problem or 'its agent does not answer'}", "red")
    if record is None:
        return [head]
    command = " ".join((record.script, *record.args))
    pairs = [
        ("script", command),
        ("executed", " ".join(record.argv)),
        ("interpreter", record.interpreter or "none"),
        ("folder", record.cwd),
        ("user", record.user),
        ("namespace", record.namespace),
        ("version", words.known(record.version)),
        ("mode", f"{record.mode}, {words.counted(record.instances, 'instance')}"),
        ("port", words.known(record.port)),
        *_increment(record),
        *([("listens on", ", ".join(record.listen))] if record.listen else []),
        ("watching", "yes" if record.watching else "no"),
        ("created", _moment(record.created_at, now)),
        *_limits(record),
        ("keeper pid", words.known(record.keeper_pid if app.keeper_alive else None)),
        ("agent pid", words.known(app.agent_pid)),
        ("endpoints", f"pub ipc://{places.pub}"),
        ("", f"ctl ipc://{places.ctl}"),
        ("own logs", f"{places.agent_log}, {places.keeper_log}"),
    ]
    return [head, *_paired(pairs, screen)]


def _increment(record: AppRecord) -> list[tuple[str, str]]:
    counts = record.increment
    if counts is None:
        return []
    return [("counts", f"{counts.name}={counts.start} in instance 0, one more in each next one")]


def _limits(record: AppRecord) -> list[tuple[str, str]]:
    limits = record.limits
    again = (
        f"when it ends; gives up after {limits.max_restarts} unstable ends in a row"
        if limits.autorestart
        else "no"
    )
    if limits.stop_exit_codes:
        again += f"; not after exit code {', '.join(map(str, limits.stop_exit_codes))}"
    ready = f"having lived {words.ran_for(limits.min_uptime_s)}"
    check = record.checks.ready_url or " ".join(record.checks.ready_command)
    if record.wait_ready or check:
        word = f"{check} succeeds" if check else "READY=1"
        ready = f"{word} within {words.span(limits.listen_timeout_s)}"
    return [
        ("restarted", again),
        ("online means", ready),
        (
            "stopped by",
            f"{limits.stop_signal}, after {words.ran_for(limits.kill_timeout_s)} SIGKILL",
        ),
        ("max memory", words.size(limits.max_memory_bytes)),
        ("cron", words.known(limits.cron)),
        *check_pairs(record.checks),
    ]


def instance_sheet(app: AppView, view: InstanceView, extra: Extra, sheet: Sheet) -> list[str]:
    """Give the lines about one instance."""
    places, screen, now = sheet
    record, sample = view.record, present_sample(view)
    glyph = f"{GLYPHS[record.status]} " if screen.unicode and screen.is_tty else ""
    state = screen.paint(f"{glyph}{record.status}", COLOURS[record.status])
    if trouble := trouble_of(view):
        state += screen.paint(f" {trouble}", "red")
    head = f"{screen.paint(title_of(app, view), 'bold')}  {state}"
    usage = (
        f"cpu {words.percent(sample.cpu_percent)}, mem {words.size(sample.rss_bytes)} "
        f"(its own alone {words.size(extra.uss_bytes)}), {_counted(sample.threads, 'thread')}, "
        f"{_counted(sample.fds, 'descriptor')}, {words.known(sample.children)} children"
        if sample
        else words.UNKNOWN
    )
    counts = [view.restarts_within(minutes * 60, now) for minutes in (1, 5, 60)]
    pairs = [
        ("id", str(record.id)),
        ("pid", words.known(record.pid) + (" (adopted)" if record.adopted else "")),
        ("up", words.span(uptime_s(view, now))),
        ("wanted", record.wanted),
        ("reason", words.known(record.reason)),
        ("restarts", f"{record.restarts}, {record.unstable_restarts} unstable in a row"),
        (
            "ended unasked",
            "{} in the last minute, {} in 5 minutes, {} in an hour".format(*counts),
        ),
        ("uses", usage),
        *health_pairs(sample, now),
        *inside_pairs(sample, extra.blocks),
        *own_pairs(sample, extra.actions, extra.faults),
        *_exits(record.exits, now),
        *_logs(app, view, places),
    ]
    tree = tree_lines(sample, screen, now)
    return ["", head, *_paired(pairs, screen), *tree, *_said(extra, screen)]


def _counted(number: int | None, noun: str) -> str:
    return f"{words.UNKNOWN} {noun}s" if number is None else words.counted(number, noun)


def _exits(exits: Iterable[Exit], now: float) -> list[tuple[str, str]]:
    lines = [f"{_moment(end.at, now)}  {how(end)}" for end in reversed(tuple(exits))]
    labels = ["last exits", *[""] * len(lines)]
    return list(zip(labels, lines or ["none"], strict=False))


def how(end: Exit) -> str:
    """Say how a worker ended: ``exit code 1 after 1.5s``."""
    if end.signal is not None:
        what = f"killed by {_signal_name(end.signal)}"
    elif end.code is not None:
        what = f"exit code {end.code}"
    else:
        what = "gone, nobody saw how"
    return f"{what} after {words.ran_for(end.ran_s)}{' (asked for)' if end.asked else ''}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _logs(app: AppView, view: InstanceView, places: AppPlaces) -> list[tuple[str, str]]:
    number = view.record.instance
    ends = {name: app.logs.get((number, name)) for name in ("out", "err")}
    return [(f"log {name}", places.log(number, name) + _lost(end)) for name, end in ends.items()]


def _lost(end: LogEnd | None) -> str:
    return f"  ({words.size(end.lost_bytes)} LOST: disk full?)" if end and end.lost_bytes else ""


def _said(extra: Extra, screen: Terminal) -> list[str]:
    if not extra.lines:
        return [f"  {screen.paint('printed nothing yet', 'dim')}"]
    title = f"  {screen.paint(f'last lines of its {extra.stream} log:', 'cyan')}"
    return [title, *(f"    {line}" for line in extra.lines)]


def _paired(pairs: Iterable[tuple[str, str]], screen: Terminal) -> list[str]:
    return [f"  {screen.paint(label.ljust(LABEL), 'cyan')}{visible(text)}" for label, text in pairs]


def _moment(at: float, now: float) -> str:
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    return f"{shown} ({words.span(now - at)} ago)"
