"""``monit list``: one row or one JSON object per instance."""

import time
from collections.abc import Sequence

import click

from monit_agent.cli.control.fleet import (
    app_filter,
    open_source,
    report_host_problems,
    rows_of,
    wait_for_agents,
)
from monit_agent.cli.control.hosts import host_option, named_hosts
from monit_agent.cli.control.selection import select_targets
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import app_names, complete_target, monit_home
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.columns import InstanceRow, instance_table, with_processes
from monit_agent.cli.render.listing import objects_of, report_apps, write_rows
from monit_agent.client.source import Source

REDRAW_S = 1.0

HELP = """\b
Examples:
  monit list
  monit list --json | jq '.[] | select(.status != "online") | .app'
"""


@click.command("list", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per instance.")
@click.option("--watch", is_flag=True, help="Refresh every second until Ctrl-C.")
@host_option
@click.option("--tree", is_flag=True, help="Also show the child processes of each worker.")
def list_apps(targets: tuple[str, ...], as_json: bool, watch: bool, tree: bool) -> int:
    """List instances with their state and resource usage.

    The columns depend on the width of the terminal. In a pipe, all columns are printed, without a
    box. The column cpu is in percent of one core, mem is resident memory; both are sums over all
    processes of the instance. Use --tree to list these processes.
    """
    if watch:
        return _watch(monit_home(), targets, as_json, tree)
    return print_list(monit_home(), targets, as_json=as_json, tree=tree)


def print_list(
    folder: str, targets: Sequence[str], *, as_json: bool = False, tree: bool = False
) -> int:
    """Print the list once and return the exit code."""
    if not named_hosts() and not app_names(folder) and not targets:
        return _print_empty(folder, as_json)
    source = open_source(folder)
    try:
        included = app_filter(targets, app_names(folder)) if targets else _every_app
        wait_for_agents(source, folder, included)
        rows = _rows(source, folder, targets)
        write_rows(rows, as_json=as_json, tree=tree)
        report_host_problems(source)
        report_apps(rows)
        unreached = any(host.state == "lost" for host in source.fleet.hosts.values())
    finally:
        source.close()
    return ExitCode.NO_ANSWER if unreached else ExitCode.DONE


def _print_empty(folder: str, as_json: bool) -> int:
    if as_json:
        output.write_json([])
    else:
        output.write_message(
            f"No apps in {folder} yet. Start one:\n"
            "  monit start app.py\n"
            "  monit start --name web -- python3 -m http.server 8000\n"
            "or try monit demo first"
        )
    return ExitCode.DONE


def _every_app(_: str) -> bool:
    return True


def _rows(source: Source, folder: str, targets: Sequence[str]) -> list[InstanceRow]:
    apps = source.fleet.apps
    if not targets:
        return rows_of(folder, apps.values())
    chosen = select_targets(source.fleet, targets)
    return rows_of(folder, [apps[name] for name in chosen.apps], chosen.instances)


# ------------------------------------------------------------------------------ --watch


def _watch(folder: str, targets: Sequence[str], as_json: bool, tree: bool) -> int:
    source = open_source(folder)
    drawn = 0
    try:
        wait_for_agents(source, folder, _every_app)
        while True:
            rows = _rows(source, folder, targets)
            if as_json:
                output.write_json_line(objects_of(rows, time.time()))
            else:
                drawn = _redraw(with_processes(rows) if tree else rows, drawn)
            _poll_for(source, REDRAW_S)
    except KeyboardInterrupt:
        return ExitCode.DONE
    finally:
        source.close()


def _poll_for(source: Source, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        source.poll(left)


def _redraw(rows: Sequence[InstanceRow], drawn: int) -> int:
    """Draw the table over the last one and return its number of lines."""
    screen = terminal.stdout_terminal()
    lines = instance_table(rows, screen, time.time()) if rows else ["no apps"]
    if not screen.is_tty or terminal.is_dumb():
        output.write_lines([*lines, ""])
        return 0
    room = max(1, terminal.terminal_size().lines - 1)
    if len(lines) > room:
        lines = [
            *lines[: room - 1],
            f"and {len(lines) - room + 1} more lines; run monit to see all",
        ]
    up = f"\x1b[{drawn}A" if drawn else ""
    body = "".join(f"{line}\x1b[K\n" for line in lines)
    output.write_raw(f"{up}\r{body}\x1b[J".encode(errors="backslashreplace"))
    return len(lines)
