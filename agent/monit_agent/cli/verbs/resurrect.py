"""``monit resurrect``: start again what was running, after a reboot."""

from collections.abc import Iterable

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.requests import report_silent_agents
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.keepers.restored import restore_apps
from monit_agent.cli.render import output
from monit_agent.cli.render.reports import report_problems
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId

HELP = """\b
Examples:
  monit resurrect              after a reboot: every app as it was
  monit resurrect web          only this one
To let the machine do this at every boot: monit startup
"""


@click.command("resurrect", epilog=HELP)
@click.argument("targets", nargs=-1, metavar="[TARGET...]", shell_complete=complete_target)
def resurrect(targets: tuple[str, ...]) -> int:
    """Start again what was running when the machine, or everything of monit, went down.

    Each app gets its keeper back, with the number of instances, the settings and the named
    variables that it had. What was stopped, or had finished, stays stopped. Where monit had given
    up, it tries again. Workers that still run are adopted and not restarted. Apps that have their
    keepers are left as they are.
    """
    folder = monit_home()
    with open_fleet(folder, targets or ("all",)) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
            return ExitCode.DONE
        gone = [name for name in chosen.apps if source.fleet.apps[name].link == "gone"]
        there = [name for name in chosen.apps if name not in gone]
        silent = report_silent_agents(source, there)
        codes = restore_apps(source, folder, gone)
        known = [name for name in chosen.apps if name not in silent and not codes.get(name)]
        report_problems(source.fleet.apps[name] for name in known)
        _report(source, gone, [name for name in there if name not in silent])
    return max(ExitCode.NO_ANSWER if silent else ExitCode.DONE, *codes.values(), ExitCode.DONE)


def _report(source: Source, gone: Iterable[AppId], there: Iterable[AppId]) -> None:
    """Report what stays stopped, and what has its keeper already."""
    for name in gone:
        stopped = [
            view.identity
            for view in source.fleet.apps[name].instances.values()
            if view.record.status == "stopped"
        ]
        whole = len(stopped) == len(source.fleet.apps[name].instances)
        if stopped:
            what = str(name) if whole else ", ".join(map(str, stopped))
            output.write_message(f"{what} was stopped and stays stopped")
    names = ", ".join(map(str, there))
    if names:
        output.write_message(f"already there: {names}")
