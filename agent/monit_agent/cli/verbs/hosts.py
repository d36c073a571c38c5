"""``monit hosts``: which other machines can be reached, and what is wrong with the others."""

import os
from contextlib import closing
from typing import Any

import click

from monit_agent.cli.control.hosts import wait_for_hosts
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.table import TableCell, TableColumn, boxed_table, plain_table
from monit_agent.client.hosts.fleet_source import FleetSource
from monit_agent.client.hosts.names import Host, HostError, hosts_file, parse_hosts, read_groups
from monit_agent.client.text.format import UNKNOWN
from monit_agent.client.view import Fleet, HostView

HELP = """\b
Examples:
  monit hosts                 every host of hosts.toml
  monit hosts @prod web9      these
"""

_COLUMNS = ("host", "ssh", "state", "monit", "apps")


@click.command("hosts", epilog=HELP)
@click.argument("hosts", nargs=-1, metavar="[HOST|@GROUP]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per host.")
def hosts(hosts: tuple[str, ...], as_json: bool) -> int:
    """Check which other machines can be reached, and what is wrong with the others.

    Without arguments, the hosts of all groups in hosts.toml are tried. The names of hosts are
    ssh's: ports, users and keys are in ~/.ssh/config.
    """
    named = _named(hosts)
    with closing(FleetSource(monit_home(), named)) as source:
        wait_for_hosts(source)
        fleet = source.fleet
        found = [(host, fleet.hosts[host.name]) for host in named if host.name in fleet.hosts]
        if as_json:
            output.write_json([_fields(host, view, fleet) for host, view in found])
        else:
            output.write_lines(_table([_texts(host, view, fleet) for host, view in found]))
        for _, view in found:
            if view.problem is not None:
                output.write_error(view.problem)
    reached = all(view.state == "live" for _, view in found)
    return ExitCode.DONE if reached else ExitCode.NO_ANSWER


def _named(words: tuple[str, ...]) -> tuple[Host, ...]:
    path = hosts_file(os.environ)
    try:
        found = parse_hosts(words or [f"@{group}" for group in read_groups(path)], path)
    except HostError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error
    if not found:
        raise CommandError(
            ExitCode.USAGE,
            f'no hosts are named; name some, or write {path}: [prod] and hosts = ["web1"]',
        )
    return found


def _apps(view: HostView, fleet: Fleet) -> int | None:
    return sum(app.host == view.name for app in fleet.apps) if view.is_listed else None


def _fields(host: Host, view: HostView, fleet: Fleet) -> dict[str, Any]:
    return {
        "host": host.name,
        "ssh": host.ssh,
        "state": view.state,
        "problem": view.problem,
        "version": view.version,
        "read_only": view.read_only if view.version is not None else None,
        "clock_ahead_s": view.clock_ahead_s if view.version is not None else None,
        "apps": _apps(view, fleet),
        "received_bytes": view.received_bytes if view.version is not None else None,
    }


def _texts(host: Host, view: HostView, fleet: Fleet) -> list[str]:
    apps = _apps(view, fleet)
    state = f"{view.state}, read-only" if view.read_only else view.state
    shown = UNKNOWN if apps is None else str(apps)
    return [host.name, host.ssh, state, view.version or UNKNOWN, shown]


def _table(rows: list[list[str]]) -> list[str]:
    screen = terminal.stdout_terminal()
    columns = [TableColumn(name, right=name == "apps", shrinks=name == "ssh") for name in _COLUMNS]
    cells = [[TableCell(text) for text in row] for row in rows]
    return boxed_table(columns, cells, screen) if screen.is_tty else plain_table(columns, cells)
