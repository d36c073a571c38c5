"""``monit alerts``: what fires now, and muting it.

``--json`` prints one object::

    {
      "alerts": [{"host": "", "app": "web", "instance": 0, "rule": "loop-lag",
                  "since": 1763817150.2, "for_s": 312.4, "ends": false, "value": 312.0,
                  "threshold": 250.0, "metric": "loop_lag_p99_ms",
                  "text": "event loop lag p99 312 ms, above 250 ms for 1m",
                  "announced": true, "silent": ""}],
      "mutes": [{"host": "", "app": "web", "rule": "loop-lag", "until": 1763820750.2,
                 "by": "ann:712 (monit alerts, pts/0)"}],
      "hooks": [{"host": "", "app": "web", "hook": "webhook", "target": "https://example.org/…",
                 "sent": 3, "failed": 0, "dropped": 0, "waiting": 0, "at": 1763817150.9,
                 "problem": null}]
    }

``monit alerts test --json`` prints an array, one object for each hook::

    [{"host": "", "app": "web", "hook": "command", "target": "/usr/local/bin/page", "ok": true,
      "text": "exit code 0", "took_s": 0.21}]

An ``instance`` or a ``rule`` that is ``null`` means the app, or every rule. `AlertRecord` in
``wire/messages.py`` documents the fields.
"""

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.requests import report_silent_agents
from monit_agent.cli.control.selection import TargetSelection
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.options.params import ParsedValue
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.table import TableCell, TableColumn, boxed_table, plain_table
from monit_agent.cli.render.visible import visible
from monit_agent.client.commands.blocking import request_and_wait
from monit_agent.client.text.format import (
    format_date_and_time,
    format_duration,
    format_setting_s,
)
from monit_agent.client.view import AppView
from monit_agent.config import values
from monit_agent.config.errors import BadInputError
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import (
    AlertMute,
    AlertRecord,
    AlertTestPart,
    HookRecord,
    HookResult,
    MuteAlerts,
    Refused,
    TestAlert,
)

SHOW = "show"

TEST_S = 15.0
"""Longer than any hook may take."""

NO_HOOK = "it has no hook; set alerts.command or alerts.webhook (docs/alerts.md)"

HELP = """\b
Examples:
  monit alerts                              what fires now, of every app
  monit alerts web --json
  monit alerts mute web --for 2h            announce nothing of web for two hours
  monit alerts mute web --rule loop-lag --for 1d
  monit alerts unmute web
  monit alerts test web                     send a trial notice through its hooks

\b
Rules that are on: errored, crash-loop, out-of-memory, unhealthy, stuck,
loop-lag, memory, http-errors, disk. docs/alerts.md describes them.
"""


class AlertsGroup(click.Group):
    """A group whose first word may also be a target: ``monit alerts web``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read anything but a command or a request for help as a call of `SHOW`."""
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = [SHOW, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> Any:
        """Complete commands, and the names of apps."""
        return [
            *super().shell_complete(ctx, incomplete),
            *complete_target(ctx, self.commands[SHOW].params[0], incomplete),
        ]


@click.group("alerts", cls=AlertsGroup, epilog=HELP)
def alerts() -> None:
    """Show which alerts fire now, since when, and why; or mute them for some time.

    'monit alerts TARGET' shows those of some apps. An alert is an event when it fires and when it
    is over: see monit events --kind alert_fired --kind alert_cleared.
    """


@alerts.command(SHOW)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(targets: tuple[str, ...], *, as_json: bool) -> int:
    """Show which alerts fire now. The word show may be left out."""
    with open_fleet(monit_home(), targets or ("all",)) as (source, chosen):
        silent = report_silent_agents(source, chosen.apps)
        apps = [source.fleet.apps[name] for name in chosen.apps if name not in silent]
        now = time.time()
        found = [
            (app.id, alert)
            for app in apps
            for alert in app.alerts
            if _is_chosen(app, alert.instance, chosen)
        ]
        hooks = [(app.id, hook) for app in apps for hook in app.hooks]
        mutes = [(app.id, mute) for app in apps for mute in app.mutes]
    if as_json:
        output.write_json(
            {
                "alerts": [alert_fields(app, alert, now) for app, alert in found],
                "mutes": [_mute_fields(app, mute) for app, mute in mutes],
                "hooks": [_fields_of(app, hook) for app, hook in hooks],
            }
        )
    else:
        _write(found, mutes, now)
        for app, hook in hooks:
            if hook.problem:
                output.write_error(f"{app}: {visible(hook.problem)}")
    return ExitCode.NO_ANSWER if silent else ExitCode.DONE


def _parse_mute_time(text: str) -> float:
    if text.strip().replace(".", "", 1).isdecimal() and float(text):
        raise BadInputError(f"{text!r} has no unit; write for example 30m or 2h")
    return values.parse_duration(text)


@alerts.command("mute")
@click.argument(
    "targets", nargs=-1, required=True, metavar="APP...", shell_complete=complete_target
)
@click.option("--rule", metavar="RULE", help="Mute only this rule. [default: all rules]")
@click.option(
    "--for",
    "seconds",
    required=True,
    type=ParsedValue("duration", _parse_mute_time),
    metavar="TIME",
    help="How long, such as 30m, 2h or 7d.",
)
def mute(targets: tuple[str, ...], *, rule: str | None, seconds: float) -> int:
    """Announce nothing that fires in these apps for some time.

    What still fires afterwards is announced then. That an alert is over is announced all the same.
    """
    if seconds <= 0:
        raise click.UsageError("--for 0: use monit alerts unmute to end a mute")
    return _request_mute(targets, MuteAlerts(rule=rule, seconds=seconds))


@alerts.command("unmute")
@click.argument(
    "targets", nargs=-1, required=True, metavar="APP...", shell_complete=complete_target
)
@click.option("--rule", metavar="RULE", help="End only the mute of this rule. [default: all mutes]")
def unmute(targets: tuple[str, ...], *, rule: str | None) -> int:
    """End a mute before its time."""
    return _request_mute(targets, MuteAlerts(rule=rule, seconds=0.0))


@alerts.command("test")
@click.argument(
    "targets", nargs=-1, required=True, metavar="APP...", shell_complete=complete_target
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(targets: tuple[str, ...], *, as_json: bool) -> int:
    """Send a trial notice through the hooks of apps, and print what came of it.

    Each hook is tried once. The exit code is 1 when one failed, or an app has none.
    """
    failed = False
    found: list[tuple[AppId, HookResult]] = []
    with open_fleet(monit_home(), targets) as (source, chosen):
        silent = report_silent_agents(source, chosen.apps)
        for app in [each for each in chosen.apps if each not in silent]:
            answer = request_and_wait(source, app, TestAlert(), TEST_S)
            if isinstance(answer, AlertTestPart) and answer.results:
                found += [(app, result) for result in answer.results]
                continue
            failed = True
            message = visible(answer.message) if isinstance(answer, Refused) else NO_HOOK
            output.write_error(f"{app}: {message}")
    if as_json:
        output.write_json([_fields_of(app, result) for app, result in found])
    else:
        output.write_lines(_result_line(app, result) for app, result in found)
    if silent:
        return ExitCode.NO_ANSWER
    return ExitCode.FAILED if failed or not all(each.ok for _, each in found) else ExitCode.DONE


def _result_line(app: AppId, result: HookResult) -> str:
    state = "delivered" if result.ok else "failed"
    return visible(
        f"{app}: {result.hook} {result.target}: {state}, {result.text}, {result.took_s:.2f} s"
    )


def _fields_of(app: AppId, record: HookRecord | HookResult) -> dict[str, Any]:
    return {"host": app.host, "app": app.app, **msgspec.structs.asdict(record)}


def _request_mute(targets: Sequence[str], request: MuteAlerts) -> ExitCode:
    what = f"rule {request.rule}" if request.rule else "all rules"
    done = f"muted for {format_setting_s(request.seconds)}" if request.seconds else "unmuted"
    failed = False
    with open_fleet(monit_home(), targets) as (source, chosen):
        silent = report_silent_agents(source, chosen.apps)
        for app in chosen.apps:
            answer = None if app in silent else request_and_wait(source, app, request)
            if isinstance(answer, Refused):
                failed = True
                output.write_error(f"{app}: {visible(answer.message)}")
            elif answer is not None:
                output.write_message(f"{app}: {what} {done}")
    if silent:
        return ExitCode.NO_ANSWER
    return ExitCode.FAILED if failed else ExitCode.DONE


def _is_chosen(app: AppView, instance: int | None, chosen: TargetSelection) -> bool:
    """Return whether the targets name the instance, or the whole app."""
    numbers = {each.instance for each in chosen.instances if each.app_id == app.id}
    return instance is None or not numbers or instance in numbers


def alert_fields(app: AppId, alert: AlertRecord, now: float) -> dict[str, Any]:
    """Return the documented object of an alert."""
    return {
        "host": app.host,
        "app": app.app,
        "instance": alert.instance,
        "rule": alert.rule,
        "since": alert.since,
        "for_s": round(max(0.0, now - alert.since), 1),
        "ends": alert.ends,
        "value": alert.value,
        "threshold": alert.threshold,
        "metric": alert.metric,
        "text": alert.text,
        "announced": alert.announced,
        "silent": alert.silent,
    }


def _mute_fields(app: AppId, mute: AlertMute) -> dict[str, Any]:
    return {
        "host": app.host,
        "app": app.app,
        "rule": mute.rule,
        "until": mute.until,
        "by": mute.by,
    }


_COLUMNS = (
    TableColumn("instance"),
    TableColumn("rule"),
    TableColumn("for", right=True),
    TableColumn("state"),
    TableColumn("what", shrinks=True),
)


def _write(
    found: list[tuple[AppId, AlertRecord]], mutes: list[tuple[AppId, AlertMute]], now: float
) -> None:
    screen = terminal.stdout_terminal()
    if found:
        rows = [
            [
                TableCell(visible(str(app) if a.instance is None else f"{app}/{a.instance}")),
                TableCell(visible(a.rule)),
                TableCell(format_duration(now - a.since)),
                TableCell(state_text(a), "yellow" if a.ends or a.silent else "red"),
                TableCell(visible(a.text)),
            ]
            for app, a in found
        ]
        lines = (
            boxed_table(_COLUMNS, rows, screen) if screen.is_tty else plain_table(_COLUMNS, rows)
        )
        output.write_lines(lines)
    else:
        output.write_message("No alert fires.")
    for app, each in mutes:
        what = f"rule {each.rule}" if each.rule else "all rules"
        by = f" (by {each.by})" if each.by else ""
        output.write_message(f"{app}: {what} muted until {format_date_and_time(each.until)}{by}")


def state_text(alert: AlertRecord) -> str:
    """Return ``firing``, ``ends``, and why it is silent."""
    state = "ends" if alert.ends else "firing"
    return f"{state}, {alert.silent}" if alert.silent else state
