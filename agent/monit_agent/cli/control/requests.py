"""Requests of verbs: progress while they run, the rows that they changed, the exit code."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import click

from monit_agent.cli.control.fleet import open_fleet, rows_of
from monit_agent.cli.control.hosts import by_host
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.logs.last_lines import last_output, lines_since
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.columns import instance_table
from monit_agent.cli.render.progress import ProgressLine
from monit_agent.client.commands.blocking import run_commands
from monit_agent.client.commands.operation import CommandProgress
from monit_agent.client.commands.start_order import StopOrder, known_order
from monit_agent.client.commands.works import AT_ONCE, WHOLE_APP, Order, RequestWork, run_works
from monit_agent.client.source import Source
from monit_agent.client.targets import LOCALHOST
from monit_agent.client.text.environment import environment_warnings
from monit_agent.client.text.manager import with_name
from monit_agent.config.app import inherited_env
from monit_agent.os_text import to_unicode
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.limits import REQUEST_BYTES
from monit_agent.wire.logfiles import NOWHERE, where_to_look
from monit_agent.wire.messages import Request, Stream
from monit_agent.wire.paths import app_paths

LAST_LINES = 10
NEW_WORKER_LINES = 80
"""Of a new worker that failed: gunicorn prints 70 lines of its own after the program's error."""
NAMED = 4
"""Instances that a progress line names one by one."""


RequestMaker = Callable[[tuple[int, ...] | None], Request]
"""Returns the request for these instances of an app; None means all of them."""


class CommandWords(NamedTuple):
    """Texts about a command: ``restarting``, ``restarted``."""

    running: str
    done: str
    interrupted: str = (
        "the request for {names} continues, and the apps keep running (see monit list)"
    )
    """Printed after Ctrl-C."""


def run_requests(
    source: Source,
    folder: str,
    requests: Mapping[AppId, Request],
    words: CommandWords,
    order: Order = AT_ONCE,
) -> ExitCode:
    """Send the requests, wait until they are done and print the rows that they changed.

    Apps whose agents do not answer are left out and make the exit code `ExitCode.NO_ANSWER`.
    """
    silent = report_silent_agents(source, requests)
    live = {name: request for name, request in requests.items() if name not in silent}
    ends = show_progress(request_in_order(source, live, order), words)
    concerned = {
        end.app.instance(number)
        for end in ends
        for number in (*end.done, *end.waiting, *(each for each, _ in end.failed))
    }
    print_instances(source, folder, [name for name in live if name in source.fleet.apps], concerned)
    code = report_results(source, ends)
    report_environment(source, live)
    return ExitCode.NO_ANSWER if silent else code


def request_in_order(
    source: Source, requests: Mapping[AppId, Request], order: Order
) -> Iterator[CommandProgress]:
    """Send the requests when ``order`` lets them; yield the progress as `run_commands` does."""
    if order is AT_ONCE:
        return run_commands(source, requests)
    works = {name: [RequestWork(name, request)] for name, request in requests.items()}
    return run_works(source, works, order)


def stop_order(source: Source, names: Iterable[AppId]) -> Order:
    """Return that each of these apps stops after those that come after it."""
    after = known_order(source.fleet.apps[name] for name in names)
    return StopOrder(after) if after else AT_ONCE


def report_environment(source: Source, names: Iterable[AppId]) -> None:
    """Report the env files that could not be read for the workers of these apps."""
    for name in names:
        app = source.fleet.apps.get(name)
        for warning in environment_warnings(app.record if app else None):
            output.write_message(f"{name}: {warning}")


def report_silent_agents(source: Source, names: Iterable[AppId]) -> set[AppId]:
    """Report the apps whose agents do not answer, and return them."""
    apps = source.fleet.apps
    silent = {name for name in names if apps[name].link in ("stale", "gone")}
    for name in sorted(silent):
        output.write_error(apps[name].problem or f"{name}: its agent does not answer")
    return silent


def show_progress(
    steps: Iterator[CommandProgress],
    words: CommandWords,
    running: Mapping[AppId, str] | None = None,
) -> list[CommandProgress]:
    """Show the steps as they come and return the last one of each app. ``running`` has the apps to
    which something else happens than ``words`` say.

    Ctrl-C ends the waiting and not the request: `CommandError` says so.
    """
    line = ProgressLine(terminal.terminal_size().columns)
    newest: dict[AppId, CommandProgress] = {}
    try:
        for step in steps:
            newest[step.app] = step
            if step.waiting:
                line.show(_progress_text(newest.values(), words, running or {}))
    except KeyboardInterrupt:
        line.clear()
        names = ", ".join(map(str, newest)) or "the apps"
        raise CommandError(
            ExitCode.INTERRUPTED,
            f"stopped waiting; {words.interrupted.format(names=names)}",
        ) from None
    finally:
        line.clear()
    return list(newest.values())


def _progress_text(
    steps: Iterable[CommandProgress], words: CommandWords, running: Mapping[AppId, str]
) -> str:
    parts: list[str] = []
    for step in steps:
        if not step.waiting:
            continue
        doing = running.get(step.app, words.running)
        if step.waiting == WHOLE_APP:
            parts += [f"{step.app} {text}" for _, text in step.steps] or [f"{doing} {step.app}"]
            continue
        done = len(step.done) + len(step.failed)
        total = done + len(step.waiting)
        parts.append(f"{doing} {step.app} {done}/{total}, {_unfinished_steps(step)}")
    return "; ".join(parts)


def _unfinished_steps(step: CommandProgress) -> str:
    if step.steps:
        each = [f"{step.app}/{number} {text}" for number, text in step.steps[:NAMED]]
        more = len(step.steps) - NAMED
    else:
        each = [f"{step.app}/{number}" for number in step.waiting[:NAMED]]
        each[0] = f"waiting for {each[0]}"
        more = len(step.waiting) - NAMED
    return ", ".join(each) + (f" and {more} more" if more > 0 else "")


def report_results(source: Source, ends: Iterable[CommandProgress]) -> ExitCode:
    """Report what failed, with the last lines of the failed workers; return the exit code."""
    code = ExitCode.DONE
    for end in ends:
        if end.error is not None:
            output.write_error(with_name(end.error, str(end.app)))
            code = ExitCode.FAILED
        for number in end.skipped:
            name = f"{end.app}/{number}"
            output.write_message(f"{name} is stopped; run monit start {name}")
        broken = dict(end.failed_replacements)
        for number, why in end.failed:
            if number not in broken:
                output.write_error(f"{end.app}/{number}: {why}")
                code = ExitCode.FAILED
        for number, lines in end.output:
            output.write_message(f"Last lines of the reload command of {end.app}/{number}:")
            for line in lines:
                output.write_message(f"  {line}")
        for number, since in end.failed_replacements[:NAMED]:
            _print_new_lines(source, end.app.instance(number), since)
        if end.failed and not broken:
            _print_last_lines(source, end.app.instance(end.failed[0][0]))
    return code


def report_deleted(folder: str, names: Iterable[AppId]) -> None:
    """Report which of these apps are deleted, and where their log files are."""
    for name in names:
        paths = app_paths(folder, name.app)
        if not os.path.exists(paths.state):
            output.write_message(f"deleted {name}; its log files are kept in {paths.logs}")


def report_dependencies(source: Source, failed: Iterable[AppId]) -> None:
    """Print the last lines of apps that failed after they had been online."""
    for name in failed:
        app = source.fleet.apps.get(name)
        broken = [v for v in app.instances.values() if v.record.status == "errored"] if app else []
        if broken:
            _print_last_lines(source, broken[0].identity)


def _print_new_lines(source: Source, who: InstanceId, since: float) -> None:
    """Print what an instance printed since the start of its new worker, which failed."""
    if who.app_id not in source.fleet.apps:
        return
    name = str(who)
    printed: dict[Stream, list[str]] = {
        stream: lines
        for stream in ("err", "out")
        if (lines := lines_since(source, who, stream, since, NEW_WORKER_LINES))
    }
    if not printed:
        nothing = f"{name} printed nothing since its new worker started"
        output.write_message(_elsewhere(source, who) or nothing)
    for stream, lines in printed.items():
        output.write_message(f"Printed by {name} since its new worker started ({stream}):")
        for line in lines:
            output.write_message(f"  {line}")


def _print_last_lines(source: Source, who: InstanceId) -> None:
    if who.app_id not in source.fleet.apps:
        return
    stream, lines = last_output(source, who, LAST_LINES, colour=False)
    name = str(who)
    if not lines:
        output.write_message(_elsewhere(source, who) or f"{name} printed nothing")
        return
    output.write_message(f"Last lines of {name} ({stream}):")
    for line in lines:
        output.write_message(f"  {line}")


def _elsewhere(source: Source, who: InstanceId) -> str:
    """Return where the output of an instance is, or that it is not kept; "" if it is in files."""
    record = source.fleet.apps[who.app_id].record
    if record is None:
        return ""
    where = where_to_look(record.log.to, who.app, who.instance)
    if where:
        return f"What {who} printed is {where}"
    dropped = [
        name
        for name, place in (("output", record.log.out), ("error", record.log.err))
        if place == NOWHERE
    ]
    return f"What {who} printed on standard {' and '.join(dropped)} is not kept" if dropped else ""


def print_instances(
    source: Source, folder: str, names: Iterable[AppId], who: set[InstanceId]
) -> None:
    """Print the rows of these instances, if there are any."""
    apps = [source.fleet.apps[name] for name in names]
    rows = [row for row in rows_of(folder, apps, who) if row.view is not None]
    if rows:
        output.write_lines(instance_table(rows, terminal.stdout_terminal(), time.time()))


# ---------------------------------------------------------------- one request per app


def request_targets(
    targets: Sequence[str],
    make_request: RequestMaker,
    words: CommandWords,
    *,
    stops: bool = False,
    host_by_host: bool = False,
) -> ExitCode:
    """Send each app that ``targets`` name its request; wait, and report the result. With ``stops``,
    apps get it before those that they come after. With ``host_by_host``, the apps of a host get it
    when those of the one before are done, and not at all when one of them failed."""
    folder = monit_home()
    with open_fleet(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
            return ExitCode.DONE
        requests = {
            name: make_request(chosen.instance_numbers(source, name)) for name in chosen.apps
        }
        order = stop_order(source, requests) if stops else AT_ONCE
        groups = by_host(requests) if host_by_host else [list(requests)]
        code = ExitCode.DONE
        for number, group in enumerate(groups):
            some = {name: requests[name] for name in group}
            code = run_requests(source, folder, some, words, order)
            if code != ExitCode.DONE:
                report_untouched(groups[number + 1 :])
                break
    if code == ExitCode.DONE:
        output.write_message(f"{words.done} {' '.join(targets)}")
    return code


def report_untouched(groups: Iterable[Sequence[AppId]]) -> None:
    """Report the apps of hosts that a command did not come to."""
    for group in groups:
        names = ", ".join(map(str, group))
        output.write_message(f"{group[0].host or LOCALHOST} was left as it is: {names}")


def current_environment(requested: bool) -> dict[str, str] | None:
    """Return this command's environment for the workers; None when it was not requested."""
    if not requested:
        return None
    env = inherited_env(os.environ)
    size = sum(len(to_unicode(text).encode()) + 5 for pair in env.items() for text in pair)
    if size > REQUEST_BYTES:
        raise click.UsageError(
            f"--update-env: this environment has {size} bytes, and the most is {REQUEST_BYTES}; "
            "unset large variables, or delete the app and start it again"
        )
    return env
