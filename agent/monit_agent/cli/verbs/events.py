"""``monit events``: what happened to apps, from the agents' files, then live.

``--json`` prints one object on each line::

    {"host": "", "app": "web", "instance": 0, "at": 1763817150.2, "kind": "exited",
     "text": "killed by signal 9 (SIGKILL) after 2h03m", "by": null, "seq": 17}

The kinds are those of `EventKind` in ``wire/messages.py``; a newer monit may have others.
"""

import contextlib
import time
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple, get_args

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import report_silent_agents
from monit_agent.cli.control.selection import TargetSelection, select_targets
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.options.params import ParsedValue
from monit_agent.cli.render import output
from monit_agent.cli.render.visible import visible
from monit_agent.client.commands.blocking import TICK_S, request_and_wait
from monit_agent.client.source import Source
from monit_agent.client.text.format import format_date_and_time
from monit_agent.config import values
from monit_agent.wire.ids import AppId
from monit_agent.wire.limits import EVENTS_READ
from monit_agent.wire.messages import (
    Answer,
    EventKind,
    EventRecord,
    EventsPart,
    EventsRange,
    Refused,
)

EVENTS = 30
"""How many are shown without ``--since``."""

HELP = """\b
Examples:
  monit events                             the last events of every app
  monit events web --since 02:30           what happened to web since half past two
  monit events --kind exited --kind errored --since 1d --json
  monit events --follow --json | while read -r event; do ...; done
"""


KINDS: tuple[str, ...] = get_args(EventKind)


class _Shown(NamedTuple):
    app: AppId
    event: EventRecord


@click.command("events", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option(
    "--since",
    type=ParsedValue("time", lambda text: values.parse_moment(text, time.time())),
    metavar="TIME",
    help="Show all events since 10m (ago), 14:03 or an ISO date, instead of -n.",
)
@click.option(
    "--until",
    type=ParsedValue("time", lambda text: values.parse_moment(text, time.time())),
    metavar="TIME",
    help="Show only events before this time.",
)
@click.option(
    "-n",
    "--lines",
    type=ParsedValue("number", lambda text: values.parse_number(text, 0, 10_000)),
    default=EVENTS,
    metavar="N",
    help=f"Number of recent events to show. [default: {EVENTS}]",
)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Show only this kind.")
@click.option("-f", "--follow", is_flag=True, help="Continue with new events.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@host_option
def events(
    targets: tuple[str, ...],
    *,
    since: float | None,
    until: float | None,
    lines: int,
    kinds: tuple[str, ...],
    follow: bool,
    as_json: bool,
) -> int:
    """Show what happened to apps: starts, exits, reloads, commands and who gave them.

    Agents keep 10,000 events of each app on disk. Without TARGET, the events of all apps are
    shown.
    """
    if follow and until is not None:
        raise click.UsageError("--until has an end, --follow has none; leave one of them out")
    targets = targets or ("all",)
    with open_fleet(monit_home(), targets) as (source, chosen):
        silent = report_silent_agents(source, chosen.apps)
        request = EventsRange(
            since=since or 0.0, until=until, limit=EVENTS_READ if kinds or since else lines
        )
        answers = {
            app: request_and_wait(source, app, request) for app in chosen.apps if app not in silent
        }
        found = [
            shown
            for app, answer in answers.items()
            if isinstance(answer, EventsPart)
            for shown in (_Shown(app, event) for event in answer.events)
            if _is_chosen(shown, chosen, kinds)
        ]
        _refuse_unknown_kinds(kinds, answers.values())
        found.sort(key=lambda each: (each.event.at, each.app, each.event.seq))
        _write(found if since is not None else found[-lines or len(found) :], as_json=as_json)
        refused = {app: each for app, each in answers.items() if isinstance(each, Refused)}
        for app, answer in refused.items():
            output.write_error(f"{app}: {answer.message}")
        if follow:
            return _follow(source, targets, found, kinds, as_json=as_json)
    if silent:
        return ExitCode.NO_ANSWER
    return ExitCode.FAILED if refused else ExitCode.DONE


def _refuse_unknown_kinds(kinds: tuple[str, ...], answers: Iterable[Answer]) -> None:
    """Refuse a word that is no kind. One that an agent of a newer version has used is a kind."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if not unknown:
        return
    used = {
        event.kind
        for answer in answers
        if isinstance(answer, EventsPart)
        for event in answer.events
    }
    for kind in unknown:
        if kind not in used:
            near = get_close_matches(kind, sorted({*KINDS, *used}), n=1)
            guess = f"did you mean {near[0]}?" if near else f"kinds: {', '.join(KINDS)}"
            raise click.UsageError(f"{kind!r} is not a kind of event; {guess}")
        output.write_message(f"{kind!r} is a kind of another version of monit")


def _is_chosen(shown: _Shown, chosen: TargetSelection, kinds: tuple[str, ...]) -> bool:
    instance = shown.event.instance
    return (
        shown.app in chosen.apps
        and (instance is None or not _excludes(chosen, shown.app, instance))
        and (not kinds or shown.event.kind in kinds)
    )


def _excludes(chosen: TargetSelection, app: AppId, instance: int) -> bool:
    """Return whether the targets name other instances of the app only."""
    numbers = {each.instance for each in chosen.instances if each.app_id == app}
    return bool(numbers) and instance not in numbers


def _follow(
    source: Source,
    targets: tuple[str, ...],
    shown: Iterable[_Shown],
    kinds: tuple[str, ...],
    *,
    as_json: bool,
) -> ExitCode:
    """Write new events until Ctrl-C, also those of apps that appear later.

    What an app's view holds is compared with what was shown: nothing is missed that came while an
    answer was waited for, or that an agent had to tell after it was away.
    """
    seen = {_key(each) for each in shown}
    seen |= {_key(each) for each in _known(source)}
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            new = [each for each in _known(source) if _key(each) not in seen]
            seen.update(map(_key, new))
            with contextlib.suppress(CommandError):  # the targets are deleted; they may come back
                chosen = select_targets(source.fleet, targets)
                _write([each for each in new if _is_chosen(each, chosen, kinds)], as_json=as_json)
            source.poll(TICK_S)
    return ExitCode.INTERRUPTED


def _known(source: Source) -> list[_Shown]:
    return [_Shown(app.id, event) for app in source.fleet.apps.values() for event in app.events]


def _key(shown: _Shown) -> tuple[AppId, float, int]:
    return shown.app, shown.event.at, shown.event.seq


def _write(found: Iterable[_Shown], *, as_json: bool) -> None:
    for each in found:
        if as_json:
            output.write_json_line(_fields(each))
        else:
            output.write_lines([_line(each)])


def _fields(shown: _Shown) -> dict[str, Any]:
    app, event = shown
    return {
        "host": app.host,
        "app": app.app,
        "instance": event.instance,
        "at": event.at,
        "kind": event.kind,
        "text": event.text,
        "by": event.by,
        "seq": event.seq,
    }


def _line(shown: _Shown) -> str:
    app, event = shown
    who = str(app) if event.instance is None else f"{app}/{event.instance}"
    by = f"  (by {event.by})" if event.by else ""
    kind = event.kind.replace("_", " ")
    return visible(
        f"{format_date_and_time(event.at)}  {who:<16} {kind:<14} {event.text}{by}"
    ).rstrip()
