"""``monit startup``: let the machine run ``monit boot`` when it starts."""

import os
import shlex
import sys

import click

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.render import output
from monit_agent.cli.units import others
from monit_agent.cli.units.check import check_unit
from monit_agent.cli.units.files import write_unit
from monit_agent.cli.units.manager import systemctl, systemd_runs
from monit_agent.cli.units.service import Service, service_of
from monit_agent.cli.units.systemd import (
    unit_name,
    unit_path,
    unit_text,
)

PLATFORMS = ("systemd", "openrc", "launchd")

HELP = """\b
Examples:
  monit startup --user             a unit of your own, without root
  sudo monit startup --for alice   a unit of the system that runs as alice
  monit startup --print            print the unit and change nothing
  monit startup --check            is everything in place for the next boot?
"""

own_manager_option = click.option(
    "--user", "own_manager", is_flag=True, help="A unit of your own systemd manager; needs no root."
)
for_option = click.option(
    "-u", "--for", "user", metavar="USER", help="Whose apps. [default: whoever runs this]"
)


@click.command("startup", epilog=HELP)
@click.argument(
    "platform", type=click.Choice(PLATFORMS), required=False, metavar="[systemd|openrc|launchd]"
)
@own_manager_option
@for_option
@click.option("--print", "only_print", is_flag=True, help="Print the unit; change nothing.")
@click.option("--check", is_flag=True, help="Check what is installed; exit with 1 if it is not.")
def startup(
    platform: str | None, own_manager: bool, user: str | None, only_print: bool, check: bool
) -> int:
    """Write a systemd unit that starts the apps at boot, enable it and start it.

    The unit runs monit boot, which starts what was running before. Apps that run already keep
    running. For OpenRC and launchd the service is printed.
    """
    if own_manager and user is not None:
        raise click.UsageError("--user is for your own apps; leave out --for")
    service = service_of(user)
    if service.uid == os.getuid():
        monit_home()  # refuses a home of another user
    platform = platform or _platform_here()
    if platform in ("openrc", "launchd"):
        return _print_other(platform, service)
    if check:
        return check_unit(service, own_manager=own_manager)
    path = unit_path(service, own_manager=own_manager)
    text = unit_text(service, own_manager=own_manager)
    if only_print:
        output.write_lines(text.splitlines())
        output.write_message(f"belongs into {path}; monit startup writes, enables and starts it")
        return ExitCode.DONE
    _refuse_where_impossible(service, own_manager=own_manager)
    write_unit(path, text, service)
    name = unit_name(service, own_manager=own_manager)
    systemctl("daemon-reload", own_manager=own_manager)
    systemctl("enable", "--now", name, own_manager=own_manager)
    output.write_message(f"{path} is written, enabled and started")
    return check_unit(service, own_manager=own_manager)


def _platform_here() -> str:
    if sys.platform == "darwin":
        return "launchd"
    return "openrc" if os.path.exists("/run/openrc") and not systemd_runs() else "systemd"


def _print_other(platform: str, service: Service) -> int:
    name = others.service_name(service)
    if platform == "openrc":
        text, next_step = others.openrc_text(service), others.OPENRC_NEXT
    else:
        text, next_step = others.launchd_text(service), others.LAUNCHD_NEXT
    output.write_lines(text.splitlines())
    output.write_message(next_step.format(name=name))
    return ExitCode.DONE


def _refuse_where_impossible(service: Service, *, own_manager: bool) -> None:
    if not own_manager and os.getuid() != 0:
        line = ["sudo", "env", f"MONIT_HOME={service.home}", f"PATH={service.path}"]
        line += [*service.command, "startup", "--for", service.user]
        raise CommandError(
            ExitCode.FAILED,
            "a unit of the system needs root, and nothing was changed. Run:\n\n"
            f"  {shlex.join(line)}\n\nor, without root: monit startup --user",
        )
    if not systemd_runs():
        raise CommandError(
            ExitCode.FAILED,
            "systemd does not run here, and nothing was changed. monit startup --print, monit "
            "startup openrc and monit startup launchd print a service; in a container use "
            "monit run; with cron this line does it: @reboot monit resurrect",
        )
