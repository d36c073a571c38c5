"""``monit unstartup``: undo ``monit startup``; the apps keep running."""

import os
import shlex
import time

import click

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.boot_link import ask_boot
from monit_agent.cli.render import output
from monit_agent.cli.units.files import remove_unit
from monit_agent.cli.units.manager import state_of, systemctl, systemd_runs
from monit_agent.cli.units.service import Service, service_of
from monit_agent.cli.units.systemd import unit_name, unit_path
from monit_agent.cli.verbs.startup import for_option, own_manager_option

LEAVE_S = 30.0
"""Time for the main process to exit: it does so at once, when it does not start."""
LOOK_S = 0.1


HELP = """\b
Examples:
  sudo monit unstartup                     remove the unit of the system
  monit unstartup --user                   remove the unit of your own systemd
"""


@click.command("unstartup", epilog=HELP)
@own_manager_option
@for_option
def unstartup(own_manager: bool, user: str | None) -> int:
    """Remove the systemd unit that monit startup wrote.

    The apps keep running; at the next boot they are not started.
    """
    service = service_of(user)
    path = unit_path(service, own_manager=own_manager)
    if not os.path.exists(path):
        other = unit_path(service, own_manager=not own_manager)
        hint = f"; there is {other}" if os.path.exists(other) else ""
        output.write_message(f"nothing to undo: there is no {path}{hint}")
        return ExitCode.DONE
    if not own_manager and os.getuid() != 0:
        line = ["sudo", "env", f"MONIT_HOME={service.home}", *service.command]
        raise CommandError(
            ExitCode.FAILED,
            "a unit of the system needs root, and nothing was changed. Run:\n\n"
            f"  {shlex.join([*line, 'unstartup', '--for', service.user])}",
        )
    if systemd_runs():
        systemctl("disable", unit_name(service, own_manager=own_manager), own_manager=own_manager)
        _leave(service, own_manager=own_manager)
    remove_unit(path)
    if systemd_runs():
        systemctl("daemon-reload", own_manager=own_manager)
    output.write_message(f"{path} is removed; the apps keep running, and no boot starts them")
    return ExitCode.DONE


def _leave(service: Service, *, own_manager: bool) -> None:
    """Let the unit's main process exit and leave the apps running, and wait until systemd knows.

    Without its file the unit would have no `KillMode=process`: systemd would kill all apps.
    """
    unit = unit_name(service, own_manager=own_manager)
    end = time.monotonic() + LEAVE_S
    while state_of(unit, "is-active", own_manager=own_manager) not in ("inactive", "failed"):
        if time.monotonic() > end:
            raise CommandError(
                ExitCode.FAILED,
                f"{unit} is disabled and not removed: its main process does not exit (see "
                f"systemctl status {unit}); run monit unstartup again",
            )
        ask_boot(service.home, {"do": "leave"}, user=service.uid)
        time.sleep(LOOK_S)
