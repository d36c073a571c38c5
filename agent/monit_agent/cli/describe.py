"""``monit describe``: everything of an app, on a sheet or as JSON.

The objects of ``--json``, one per instance, have the fields of ``monit list --json``
(``fields.py``) and besides::

    {
      "uss_bytes": 6815744,
      "blocked": [{"kind": "culprit", "function": "price", "file": "/srv/web/app.py", "line": 44,
                   "count": 3, "total_ms": 912.0, "max_ms": 304.1, "first_at": 1763817101.7,
                   "last_at": 1763817149.2, "going_on_ms": null,
                   "stack": [{"file": "/srv/web/app.py", "line": 44, "function": "price"}]}],
      "actions": [{"name": "gc", "help": "Collect garbage."}], "probe_faults": [],
      "reason": null, "adopted": false,
      "keeper_pid": 4690, "agent_pid": 4695,
      "endpoints": {"pub": "ipc:///…/apps/web/pub.sock", "ctl": "ipc:///…/apps/web/ctl.sock"},
      "logs": [{"stream": "out", "path": "/…/0.out.log", "begin": 0, "end": 52, "lost_bytes": 0}],
      "config": {"name": "web", "argv": ["…"], "limits": {"kill_timeout_s": 10.0}},
      "history": {
        "restarts_last_1_min": 0, "restarts_last_5_min": 0, "restarts_last_60_min": 1,
        "exits": [{"code": 1, "signal": null, "at": 1763817149.9, "ran_s": 86.2, "asked": false}],
        "events": [{"seq": 3, "at": 1763817150.2, "kind": "spawned", "instance": 0,
                    "text": "pid 4711", "by": null}]
      },
      "last_lines": {"stream": "err", "lines": ["Traceback …"]}
    }

``config`` is the `AppRecord` and an event a `Happening` of ``wire/messages.py``.
"""

import time
from typing import Any

import click
import msgspec

from monit_agent.cli import output, terminal
from monit_agent.cli.apps import complete_target, home
from monit_agent.cli.fields import exit_fields, instance_fields
from monit_agent.cli.fleet import fill_from_disk, is_known
from monit_agent.cli.outcome import Exit
from monit_agent.cli.sheet import Extra, Sheet, app_sheet, instance_sheet
from monit_agent.cli.tail import last_words
from monit_agent.cli.verbs import Chosen, fleet_of
from monit_agent.client.ask import ask_now
from monit_agent.client.live import LiveSource
from monit_agent.client.view import AppView, InstanceView
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
from monit_agent.wire.places import STREAMS, AppPlaces, app_places

LINES = 10

HELP = """\b
Examples:
  monit describe web/0
  monit describe web --json | jq '.[0].endpoints'
"""


@click.command("describe", epilog=HELP)
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_target
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per instance.")
def describe(targets: tuple[str, ...], as_json: bool) -> int:
    """Tell everything about an app or an instance.

    What it runs and how it is restarted, and of each instance its state, its last exits with their
    reason, and the last lines that it printed. The JSON has the fields of monit list --json and
    besides uss_bytes, keeper_pid, agent_pid, endpoints, logs, config and history.
    """
    folder = home()
    with fleet_of(folder, targets) as (source, chosen):
        if as_json:
            output.write_json(_objects(source, folder, chosen))
        else:
            output.write_lines(_sheet(source, folder, chosen))
        silent = [name for name in chosen.apps if source.fleet.apps[name].link in ("stale", "gone")]
    return Exit.NO_ANSWER if silent else Exit.DONE


def _views(app: AppView, chosen: Chosen) -> list[InstanceView]:
    return [view for _, view in sorted(app.instances.items()) if view.identity in chosen.instances]


def _extra(source: LiveSource, app: AppView, view: InstanceView, *, colour: bool) -> Extra:
    if app.link != "live":
        return Extra(None, "err", [])
    answer = ask_now(source, app.name, Usage(instance=view.record.instance))
    uss = answer.uss_bytes if isinstance(answer, UsagePart) else None
    told = ask_now(source, app.name, BlockedTable(instance=view.record.instance))
    blocks, faults = (told.blocks, told.faults) if isinstance(told, BlockedPart) else (None, ())
    can = ask_now(source, app.name, Actions(instance=view.record.instance))
    actions = can if isinstance(can, ActionsPart) else None
    first: Stream = "err" if _failed(view) else "out"
    stream, lines = last_words(source, view.identity, LINES, colour=colour, first=first)
    return Extra(uss, stream, lines, blocks, actions, faults)


def _failed(view: InstanceView) -> bool:
    """Whether what it said on standard error is likely to tell why."""
    last = view.record.exits[-1:]
    ended_badly = bool(last) and not last[0].asked and last[0].code != 0
    return view.record.status in ("errored", "backoff") or ended_badly


def _sheet(source: LiveSource, folder: str, chosen: Chosen) -> list[str]:
    screen, now = terminal.of_stdout(), time.time()
    lines: list[str] = []
    for name in chosen.apps:
        app, sheet = source.fleet.apps[name], Sheet(app_places(folder, name), screen, now)
        lines += [*([""] if lines else []), *app_sheet(app, sheet)]
        for view in _views(app, chosen):
            extra = _extra(source, app, view, colour=screen.colour)
            lines += instance_sheet(app, view, extra, sheet)
    return lines


def _objects(source: LiveSource, folder: str, chosen: Chosen) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = []
    for name in chosen.apps:
        app, places = source.fleet.apps[name], app_places(folder, name)
        age_s = None if is_known(app) and app.link == "live" else fill_from_disk(folder, app)
        for view in _views(app, chosen):
            now = time.time()
            extra = _extra(source, app, view, colour=False)
            fields = instance_fields(app, view, now, age_s)
            objects.append({**fields, **_more_fields(app, view, extra, places, now)})
    return objects


def _more_fields(
    app: AppView, view: InstanceView, extra: Extra, places: AppPlaces, now: float
) -> dict[str, Any]:
    record = app.record
    return {
        "uss_bytes": extra.uss_bytes,
        "blocked": None if extra.blocks is None else [_block_fields(b) for b in extra.blocks],
        "actions": None
        if extra.actions is None
        else [{"name": each.name, "help": each.help} for each in extra.actions.offers],
        "probe_faults": list(extra.faults),
        "reason": view.record.reason,
        "adopted": view.record.adopted,
        "keeper_pid": record.keeper_pid if record and app.keeper_alive else None,
        "agent_pid": app.agent_pid,
        "endpoints": {"pub": f"ipc://{places.pub}", "ctl": f"ipc://{places.ctl}"},
        "logs": [_log_fields(app, view.record.instance, name, places) for name in STREAMS],
        "config": msgspec.to_builtins(record) if record else None,
        "history": {
            "restarts_last_1_min": view.restarts_within(60, now),
            "restarts_last_5_min": view.restarts_within(300, now),
            "restarts_last_60_min": view.restarts_within(3600, now),
            "exits": [{**exit_fields(end), "asked": end.asked} for end in view.record.exits],
            "events": [
                msgspec.to_builtins(each)
                for each in app.happenings
                if each.instance in (None, view.record.instance)
            ],
        },
        "last_lines": {"stream": extra.stream, "lines": extra.lines},
    }


def _block_fields(block: Blocked) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(block)
    del fields["culprit"]
    named = block.stack[block.culprit] if block.culprit < len(block.stack) else None
    return {**{name: getattr(named, name, None) for name in ("function", "file", "line")}, **fields}


def _log_fields(app: AppView, instance: int, stream: str, places: AppPlaces) -> dict[str, Any]:
    end = app.logs.get((instance, stream))
    return {
        "stream": stream,
        "path": places.log(instance, stream),
        "begin": end and end.begin,
        "end": end and end.end,
        "lost_bytes": end and end.lost_bytes,
    }
