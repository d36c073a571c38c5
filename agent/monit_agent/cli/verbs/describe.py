"""``monit describe``: everything about an app, as text or as JSON.

The objects of ``--json``, one per instance, have the fields of ``monit list --json``
(``render/json_fields.py``) and these::

    {
      "uss_bytes": 6815744,
      "blocked": [{"kind": "callback", "function": "price", "file": "/srv/web/app.py", "line": 44,
                   "count": 3, "total_ms": 912.0, "max_ms": 304.1, "first_at": 1763817101.7,
                   "last_at": 1763817149.2, "going_on_ms": null,
                   "stack": [{"file": "/srv/web/app.py", "line": 44, "function": "price"}]}],
      "actions": [{"name": "gc", "help": "Collect garbage."}], "probe_faults": [],
      "all_instances": {"http_rps": 80.1, "http_p95_ms": 9.9, "metrics": {}},
      "reason": null, "adopted": false,
      "keeper_pid": 4690, "agent_pid": 4695,
      "endpoints": {"pub": "ipc:///…/apps/web/pub.sock", "ctl": "ipc:///…/apps/web/ctl.sock"},
      "logs": [{"stream": "out", "path": "/…/0.out.log", "begin": 0, "end": 52, "lost_bytes": 0,
                "dropped_bytes": 0, "rotated": 0, "rotated_bytes": 0}],
      "config": {"name": "web", "argv": ["…"], "policy": {"kill_timeout_s": 10.0}},
      "history": {
        "restarts_last_1_min": 0, "restarts_last_5_min": 0, "restarts_last_60_min": 1,
        "exits": [{"code": 1, "signal": null, "at": 1763817149.9, "ran_s": 86.2,
                   "requested": false}],
        "events": [{"seq": 3, "at": 1763817150.2, "kind": "spawned", "instance": 0,
                    "text": "pid 4711", "by": null}]
      },
      "last_crash": {"at": 1763817149.9, "reason": "ValueError: bad", "hint": ""},
      "last_lines": {"stream": "err", "lines": ["Traceback …"]}
    }

``all_instances`` has figures of the app as a whole, with percentiles over what all its instances
did; null when fewer than two have a probe. ``config`` is the `AppRecord` and an event a
`EventRecord` of ``wire/messages.py``.

With ``--crash`` the objects are the reports of ``wire/messages.py`` (`CrashReport`) with ``host``
and ``app``, newest first for each instance; a line has ``stream``, ``offset``, ``at``, ``line``.
With ``--env`` there is an object for each variable: ``host``, ``app``, ``name`` and ``source``.
"""

import time
from typing import Any

import click
import msgspec

from monit_agent.cli.control.fleet import fill_from_disk, has_answered, open_fleet
from monit_agent.cli.control.hosts import home_of, host_option
from monit_agent.cli.control.selection import TargetSelection
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.logs.last_lines import crash_reports, last_output
from monit_agent.cli.options.params import ParsedValue
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.crashes import crash_fields, crash_lines
from monit_agent.cli.render.describe import (
    DescribeContext,
    InstanceDetails,
    app_lines,
    instance_lines,
    log_path,
)
from monit_agent.client.commands.blocking import request_and_wait
from monit_agent.client.json_fields import app_fields, exit_fields, instance_fields
from monit_agent.client.source import Source
from monit_agent.client.text.environment import variable_sources
from monit_agent.client.view import AppView, InstanceView
from monit_agent.config import values
from monit_agent.config.errors import BadInputError
from monit_agent.wire.limits import CRASHES
from monit_agent.wire.messages import (
    Actions,
    ActionsPart,
    Blocked,
    BlockedPart,
    BlockedTable,
    Stream,
    Usage,
    UsagePart,
)
from monit_agent.wire.paths import STREAMS, AppPaths, app_paths

LINES = 10

HELP = """\b
Examples:
  monit describe web/0
  monit describe web --json | jq '.[0].endpoints'
  monit describe web --env                names of the variables, and where each is from
  monit describe web --crash              what led to the last crash: lines, metrics, changes
"""


def _parse_crashes(text: str) -> int:
    try:
        return values.parse_number(text, 1, CRASHES)
    except BadInputError as error:
        raise BadInputError(
            f"{error}; write the target first: monit describe web --crash"
        ) from error


@click.command("describe", epilog=HELP)
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_target
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per instance.")
@click.option(
    "--crash",
    "crashes",
    type=ParsedValue("number", _parse_crashes),
    is_flag=False,
    flag_value=1,
    metavar="[N]",
    help="Show what led to the last unplanned exit of each instance, or to its last N.",
)
@click.option(
    "--env",
    "variables",
    is_flag=True,
    help="List the environment variables of the workers and where each is from; no values.",
)
@host_option
def describe(targets: tuple[str, ...], as_json: bool, crashes: int | None, variables: bool) -> int:
    """Show everything about apps or instances.

    For each app: what it runs and its settings. For each instance: its state, its resource usage,
    its last exits and its last log lines. The JSON objects have the fields of monit list --json
    and also uss_bytes, keeper_pid, agent_pid, endpoints, logs, config and history.
    """
    folder = monit_home()
    with open_fleet(folder, targets) as (source, chosen):
        if crashes is not None:
            _show_crashes(source, chosen, crashes, as_json=as_json)
        elif variables:
            _show_variables(source, chosen, as_json=as_json)
        elif as_json:
            output.write_json(_objects(source, folder, chosen))
        else:
            output.write_lines(_lines(source, folder, chosen))
        silent = [name for name in chosen.apps if source.fleet.apps[name].link in ("stale", "gone")]
    return ExitCode.NO_ANSWER if silent else ExitCode.DONE


def _show_crashes(source: Source, chosen: TargetSelection, limit: int, *, as_json: bool) -> None:
    found = [
        (view, report)
        for name in chosen.apps
        for view in _views(source.fleet.apps[name], chosen)
        for report in crash_reports(source, view.identity, limit)
    ]
    if as_json:
        output.write_json([crash_fields(view, report) for view, report in found])
        return
    screen, now = terminal.stdout_terminal(), time.time()
    lines: list[str] = []
    for view, report in found:
        lines += [*([""] if lines else []), *crash_lines(view.identity, report, screen, now)]
    output.write_lines(lines)
    if not found:
        output.write_message("no unplanned exit is known")


def _show_variables(source: Source, chosen: TargetSelection, *, as_json: bool) -> None:
    records = {name: source.fleet.apps[name].record for name in chosen.apps}
    sources = {name: variable_sources(record) for name, record in records.items() if record}
    if as_json:
        output.write_json([
            {"host": name.host, "app": name.app, "name": variable, "source": where}
            for name, pairs in sources.items()
            for variable, where in pairs
        ])  # fmt: skip
        return
    for name, pairs in sources.items():
        width = max((len(variable) for variable, _ in pairs), default=0)
        head = [f"{name}:"] if len(sources) > 1 else []
        output.write_lines([*head, *(f"{each.ljust(width)}  {where}" for each, where in pairs)])


def _views(app: AppView, chosen: TargetSelection) -> list[InstanceView]:
    return [view for _, view in sorted(app.instances.items()) if view.identity in chosen.instances]


def _ask_for_details(
    source: Source, app: AppView, view: InstanceView, *, colour: bool
) -> InstanceDetails:
    if app.link != "live":
        return InstanceDetails(None, "err", [])
    answer = request_and_wait(source, app.id, Usage(instance=view.record.instance))
    uss = answer.uss_bytes if isinstance(answer, UsagePart) else None
    blocked = request_and_wait(source, app.id, BlockedTable(instance=view.record.instance))
    blocks, faults = (
        (blocked.blocks, blocked.faults) if isinstance(blocked, BlockedPart) else (None, ())
    )
    offered = request_and_wait(source, app.id, Actions(instance=view.record.instance))
    actions = offered if isinstance(offered, ActionsPart) else None
    first: Stream = "err" if _failed(view) else "out"
    stream, lines = last_output(source, view.identity, LINES, colour=colour, first=first)
    crash = next(iter(crash_reports(source, view.identity, 1)), None)
    return InstanceDetails(uss, stream, lines, blocks, actions, faults, crash)


def _failed(view: InstanceView) -> bool:
    """Return whether standard error is likely to hold the reason of a failure."""
    last = view.record.exits[-1:]
    crashed = bool(last) and not last[0].requested and last[0].code != 0
    return view.record.status in ("errored", "backoff") or crashed


def _lines(source: Source, folder: str, chosen: TargetSelection) -> list[str]:
    screen, now = terminal.stdout_terminal(), time.time()
    lines: list[str] = []
    for name in chosen.apps:
        app, context = (
            source.fleet.apps[name],
            DescribeContext(app_paths(home_of(name, source.fleet, folder), name.app), screen, now),
        )
        lines += [*([""] if lines else []), *app_lines(app, context)]
        for view in _views(app, chosen):
            details = _ask_for_details(source, app, view, colour=screen.colour)
            lines += instance_lines(app, view, details, context)
    return lines


def _objects(source: Source, folder: str, chosen: TargetSelection) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = []
    for name in chosen.apps:
        app = source.fleet.apps[name]
        paths = app_paths(home_of(name, source.fleet, folder), name.app)
        age_s = None if has_answered(app) and app.link == "live" else fill_from_disk(folder, app)
        for view in _views(app, chosen):
            now = time.time()
            details = _ask_for_details(source, app, view, colour=False)
            fields = instance_fields(app, view, now, age_s)
            objects.append({**fields, **_more_fields(app, view, details, paths, now)})
    return objects


def _more_fields(
    app: AppView, view: InstanceView, details: InstanceDetails, paths: AppPaths, now: float
) -> dict[str, Any]:
    record = app.record
    return {
        "uss_bytes": details.uss_bytes,
        "blocked": None if details.blocks is None else [_block_fields(b) for b in details.blocks],
        "actions": None
        if details.actions is None
        else [{"name": each.name, "help": each.help} for each in details.actions.offers],
        "probe_faults": list(details.faults),
        "all_instances": app_fields(app.sample),
        "reason": view.record.reason,
        "adopted": view.record.adopted,
        "keeper_pid": record.keeper_pid if record and app.keeper_alive else None,
        "agent_pid": app.agent_pid,
        "endpoints": {"pub": f"ipc://{paths.pub}", "ctl": f"ipc://{paths.ctl}"},
        "logs": [_log_fields(app, view.record.instance, name, paths) for name in STREAMS],
        "config": msgspec.to_builtins(record) if record else None,
        "history": {
            "restarts_last_1_min": view.restarts_within(60, now),
            "restarts_last_5_min": view.restarts_within(300, now),
            "restarts_last_60_min": view.restarts_within(3600, now),
            "exits": [
                {**exit_fields(end), "requested": end.requested} for end in view.record.exits
            ],
            "events": [
                msgspec.to_builtins(each)
                for each in app.events
                if each.instance in (None, view.record.instance)
            ],
        },
        "last_crash": None
        if details.crash is None
        else {
            "at": details.crash.exit.at,
            "reason": details.crash.reason,
            "hint": details.crash.hint,
        },
        "last_lines": {"stream": details.stream, "lines": details.lines},
    }


def _block_fields(block: Blocked) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(block)
    del fields["blocking_frame"]
    named = block.stack[block.blocking_frame] if block.blocking_frame < len(block.stack) else None
    return {**{name: getattr(named, name, None) for name in ("function", "file", "line")}, **fields}


def _log_fields(app: AppView, instance: int, stream: str, paths: AppPaths) -> dict[str, Any]:
    end = app.logs.get((instance, stream))
    return {
        "stream": stream,
        "path": log_path(app, instance, stream, paths),
        "begin": end and end.begin,
        "end": end and end.end,
        "lost_bytes": end and end.lost_bytes,
        "dropped_bytes": end and end.dropped_bytes,
        "rotated": end and end.rotated,
        "rotated_bytes": end and end.rotated_bytes,
    }
