"""``monit doctor``: check this machine and monit's own processes."""

import os

import click

from monit_agent.cli.doctor.findings import FAIL, OK, WARN, Examined, Finding
from monit_agent.cli.doctor.processes import ask_keeper
from monit_agent.cli.doctor.table import CHECKS
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import app_names, monit_home
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.visible import visible
from monit_agent.wire.paths import app_paths

COLOURS = {OK: "green", WARN: "yellow", FAIL: "red"}
NAME_WIDTH = max(len(check.name) for check in CHECKS)

Row = tuple[str, Finding]
"""The name of a check, and one of its findings."""


@click.command(
    "doctor", epilog="\b\nExample:\n  monit doctor --json | jq '.[] | select(.status != \"ok\")'\n"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per finding.")
def doctor(as_json: bool) -> int:
    """Check the home, keepers and agents, hooks, limits, disk, clock, boot, and the terminal.

    Each line is ok, warn or fail, with what to do. Nothing is changed. The exit code is 1 if
    anything fails, else 0.
    """
    rows = _examine(monit_home())
    if as_json:
        output.write_json([{"check": name, **finding._asdict()} for name, finding in rows])
    else:
        output.write_lines(_lines(rows, terminal.stdout_terminal()))
    failed = any(finding.status == FAIL for _, finding in rows)
    return ExitCode.FAILED if failed else ExitCode.DONE


def _examine(home: str) -> list[Row]:
    names = [name for name in app_names(home) if os.path.exists(app_paths(home, name).state)]
    examined = Examined(home, os.environ, {name: ask_keeper(home, name) for name in names})
    return [(check.name, finding) for check in CHECKS for finding in check.examine(examined)]


def _lines(rows: list[Row], screen: terminal.TerminalTraits) -> list[str]:
    lines: list[str] = []
    for name, finding in rows:
        status = screen.paint(f"{finding.status:<4}", COLOURS[finding.status])
        lines.append(f"{status}  {name:<{NAME_WIDTH}}  {visible(finding.text)}")
        if finding.todo:
            lines.append(f"      {'':<{NAME_WIDTH}}  {visible(finding.todo)}")
    return lines
