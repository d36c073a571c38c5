"""``monit list``: one row per instance, or one JSON object."""

import time
from collections.abc import Sequence
from typing import Any

import click

from monit_agent.cli import output, terminal
from monit_agent.cli.apps import app_names, complete_target, home
from monit_agent.cli.columns import Row, table, with_trees
from monit_agent.cli.fields import instance_fields
from monit_agent.cli.fleet import gather, rows_of, tell_problems
from monit_agent.cli.outcome import Exit
from monit_agent.cli.verbs import choose, concerned
from monit_agent.client.live import LiveSource
from monit_agent.client.view import AppView

REDRAW_S = 1.0

HELP = """\b
Examples:
  monit list
  monit list --json | jq '.[] | select(.status != "online") | .app'
"""


@click.command("list", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=complete_target)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per instance.")
@click.option("--watch", is_flag=True, help="Draw it anew each second, until Ctrl-C.")
@click.option("--tree", is_flag=True, help="Show the processes below each worker too.")
def list_apps(targets: tuple[str, ...], as_json: bool, watch: bool, tree: bool) -> int:
    """List all instances with their state and what they use.

    The columns follow the width of the terminal; in a pipe all are printed, without a box. CPU is
    in percent of one core, mem is resident memory; both are sums over the instance's processes,
    which --tree lists one by one.
    """
    if watch:
        return _watch(home(), targets, as_json, tree)
    return print_list(home(), targets, as_json=as_json, tree=tree)


def print_list(
    folder: str, targets: Sequence[str], *, as_json: bool = False, tree: bool = False
) -> int:
    """Print the list once and give the exit code."""
    if not app_names(folder) and not targets:
        return _print_empty(folder, as_json)
    source = LiveSource(folder)
    try:
        wanted = concerned(targets, app_names(folder)) if targets else _everything
        gather(source, folder, wanted)
        rows = _rows(source, folder, targets)
        if as_json:
            output.write_json(_objects(rows, time.time()))
        else:
            shown = with_trees(rows) if tree else rows
            output.write_lines(table(shown, terminal.of_stdout(), time.time()))
        tell_problems(_apps_of(rows))
    finally:
        source.close()
    return Exit.DONE


def _print_empty(folder: str, as_json: bool) -> int:
    if as_json:
        output.write_json([])
    else:
        output.say(
            f"There are no apps in {folder} yet. Start one:\n"
            "  monit start app.py\n"
            "  monit start --name web -- python3 -m http.server 8000\n"
            "or look around first: monit demo"
        )
    return Exit.DONE


def _everything(_: str) -> bool:
    return True


def _rows(source: LiveSource, folder: str, targets: Sequence[str]) -> list[Row]:
    apps = source.fleet.apps
    if not targets:
        return rows_of(folder, apps.values())
    chosen = choose(source, targets)
    return rows_of(folder, [apps[name] for name in chosen.apps], chosen.instances)


def _apps_of(rows: Sequence[Row]) -> list[AppView]:
    return list({row.app.name: row.app for row in rows}.values())


def _objects(rows: Sequence[Row], now: float) -> list[dict[str, Any]]:
    return [instance_fields(row.app, row.view, now, row.age_s) for row in rows]


# ------------------------------------------------------------------------------ --watch


def _watch(folder: str, targets: Sequence[str], as_json: bool, tree: bool) -> int:
    source = LiveSource(folder)
    drawn = 0
    try:
        gather(source, folder, _everything)
        while True:
            rows = _rows(source, folder, targets)
            if as_json:
                output.write_json_line(_objects(rows, time.time()))
            else:
                drawn = _redraw(with_trees(rows) if tree else rows, drawn)
            _poll_for(source, REDRAW_S)
    except KeyboardInterrupt:
        return Exit.DONE
    finally:
        source.close()


def _poll_for(source: LiveSource, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        source.poll(left)


def _redraw(rows: Sequence[Row], drawn: int) -> int:
    """Draw the table over the last one and give how many lines it has."""
    screen = terminal.of_stdout()
    lines = table(rows, screen, time.time()) if rows else ["no apps yet"]
    if not screen.is_tty or terminal.is_dumb():
        output.write_lines([*lines, ""])
        return 0
    room = max(1, terminal.size().lines - 1)
    if len(lines) > room:
        lines = [*lines[: room - 1], f"and {len(lines) - room + 1} lines more: monit"]
    up = f"\x1b[{drawn}A" if drawn else ""
    body = "".join(f"{line}\x1b[K\n" for line in lines)
    output.write_raw(f"{up}\r{body}\x1b[J".encode(errors="backslashreplace"))
    return len(lines)
