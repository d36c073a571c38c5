"""Carrying out a command: progress while it runs, the rows that it changed, its exit code."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from monit_agent.cli import output, terminal
from monit_agent.cli.columns import table
from monit_agent.cli.fleet import rows_of
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.cli.progress import Progress as ProgressLine
from monit_agent.cli.tail import last_words, lines_since
from monit_agent.client.ask import operate
from monit_agent.client.live import LiveSource
from monit_agent.client.operation import Progress
from monit_agent.client.view import Identity
from monit_agent.wire.messages import Request, Stream

LAST_LINES = 10

NAMED = 4
"""Instances that a line of progress names one by one."""


class Doing(NamedTuple):
    """The words for a command while it runs: ``restarting``, ``restarted``."""

    now: str
    done: str
    goes_on: str = "what was asked of {names} goes on, and so do the apps: monit list"
    """What is said when somebody stops watching."""


def carry_out(
    source: LiveSource, folder: str, requests: Mapping[str, Request], doing: Doing
) -> Exit:
    """Send the commands, wait until they are done and print the rows that they changed.

    Apps whose agents do not answer are left out and make the exit code `Exit.NO_ANSWER`.
    """
    silent = tell_silent(source, requests)
    live = {name: request for name, request in requests.items() if name not in silent}
    ends = follow(operate(source, live), doing)
    concerned = {
        Identity(end.app, number)
        for end in ends
        for number in (*end.done, *end.waiting, *(each for each, _ in end.failed))
    }
    print_rows(source, folder, [name for name in live if name in source.fleet.apps], concerned)
    code = tell_ends(source, ends)
    return Exit.NO_ANSWER if silent else code


def tell_silent(source: LiveSource, names: Iterable[str]) -> set[str]:
    """Say which of these apps' agents do not answer, and give their names."""
    apps = source.fleet.apps
    silent = {name for name in names if apps[name].link in ("stale", "gone")}
    for name in sorted(silent):
        output.complain(apps[name].problem or f"{name}: its agent does not answer")
    return silent


def follow(steps: Iterator[Progress], doing: Doing) -> list[Progress]:
    """Show the steps as they come and give the last one of each app.

    Ctrl-C stops the watching and not the command; it raises `CommandError` saying so.
    """
    line = ProgressLine(terminal.size().columns)
    newest: dict[str, Progress] = {}
    try:
        for step in steps:
            newest[step.app] = step
            if step.waiting:
                line.show(_sentence(newest.values(), doing))
    except KeyboardInterrupt:
        line.clear()
        names = ", ".join(newest) or "the apps"
        raise CommandError(
            Exit.INTERRUPTED,
            f"stopped watching; {doing.goes_on.format(names=names)}",
        ) from None
    finally:
        line.clear()
    return list(newest.values())


def _sentence(steps: Iterable[Progress], doing: Doing) -> str:
    parts: list[str] = []
    for step in steps:
        if not step.waiting:
            continue
        if step.waiting == (-1,):  # the app as a whole
            parts.append(f"{doing.now} {step.app}")
            continue
        done = len(step.done) + len(step.failed)
        whole = done + len(step.waiting)
        parts.append(f"{doing.now} {step.app} {done}/{whole}, {_what_goes_on(step)}")
    return "; ".join(parts)


def _what_goes_on(step: Progress) -> str:
    if step.steps:
        each = [f"{step.app}/{number} {text}" for number, text in step.steps[:NAMED]]
        more = len(step.steps) - NAMED
    else:
        each = [f"{step.app}/{number}" for number in step.waiting[:NAMED]]
        each[0] = f"waiting for {each[0]}"
        more = len(step.waiting) - NAMED
    return ", ".join(each) + (f" and {more} more" if more > 0 else "")


def tell_ends(source: LiveSource, ends: Iterable[Progress]) -> Exit:
    """Say what failed, with the last lines of the workers that did; give the exit code."""
    code = Exit.DONE
    for end in ends:
        if end.trouble is not None:
            output.complain(end.trouble)
            code = Exit.FAILED
        for number in end.left:
            name = f"{end.app}/{number}"
            output.say(f"{name} is stopped and stays so; monit start {name} starts it.")
        broken = dict(end.broken)
        for number, why in end.failed:
            if number not in broken:
                output.complain(f"{end.app}/{number}: {why}")
                code = Exit.FAILED
        for number, since in end.broken[:NAMED]:
            _tell_what_it_printed(source, Identity(end.app, number), since)
        if end.failed and not broken:
            _tell_last_words(source, Identity(end.app, end.failed[0][0]))
    return code


def _tell_what_it_printed(source: LiveSource, who: Identity, since: float) -> None:
    """Show what came from an instance since its new worker, which failed, was started."""
    if who.app not in source.fleet.apps:
        return
    name = f"{who.app}/{who.instance}"
    said: dict[Stream, list[str]] = {
        stream: lines
        for stream in ("err", "out")
        if (lines := lines_since(source, who, stream, since, LAST_LINES))
    }
    if not said:
        output.say(f"{name} has printed nothing since its new worker was started.")
    for stream, lines in said.items():
        output.say(f"Printed by {name} since its new worker was started ({stream}):")
        for line in lines:
            output.say(f"  {line}")


def _tell_last_words(source: LiveSource, who: Identity) -> None:
    if who.app not in source.fleet.apps:
        return
    stream, lines = last_words(source, who, LAST_LINES, colour=False)
    name = f"{who.app}/{who.instance}"
    if not lines:
        output.say(f"{name} printed nothing.")
        return
    output.say(f"The last lines of {name} ({stream}):")
    for line in lines:
        output.say(f"  {line}")


def print_rows(source: LiveSource, folder: str, names: Iterable[str], who: set[Identity]) -> None:
    """Print the rows of these instances, if there are any."""
    apps = [source.fleet.apps[name] for name in names]
    rows = [row for row in rows_of(folder, apps, who) if row.view is not None]
    if rows:
        output.write_lines(table(rows, terminal.of_stdout(), time.time()))
