"""The list as it is written once: a table or JSON."""

import time
from collections.abc import Sequence

from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.columns import InstanceRow, instance_table, with_processes
from monit_agent.cli.render.reports import report_other_versions, report_problems
from monit_agent.client.json_fields import instance_fields
from monit_agent.typed import Any


def write_rows(rows: Sequence[InstanceRow], *, as_json: bool, tree: bool) -> None:
    """Write rows to stdout, with ``tree`` also those of the processes below each worker."""
    if as_json:
        output.write_json(objects_of(rows, time.time()))
        return
    shown = with_processes(rows) if tree else rows
    output.write_lines(instance_table(shown, terminal.stdout_terminal(), time.time()))


def report_apps(rows: Sequence[InstanceRow]) -> None:
    """Report on stderr what is wrong with keepers and agents of these rows, and other versions."""
    apps = list({row.app.id: row.app for row in rows}.values())
    report_problems(apps)
    report_other_versions(apps)


def objects_of(rows: Sequence[InstanceRow], now: float) -> list[dict[str, Any]]:
    """Return the documented objects of these rows; ``now`` is the wall clock."""
    return [instance_fields(row.app, row.view, now, row.age_s) for row in rows]
