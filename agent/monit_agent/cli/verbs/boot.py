"""``monit boot``: the main process of a unit."""

import os

import click

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.wire.paths import boot_command


@click.command("boot")
def boot() -> int:
    """Start what was running before, and keep the keepers of all apps running, in the foreground.

    The unit that monit startup writes runs this. The form for containers is monit run.

    An app whose keeper and agent are both gone gets a new keeper. Apps that are started meanwhile
    belong to this process's unit. SIGTERM and Ctrl-C stop all apps; what runs then comes back with
    the next monit boot. kill -9 leaves them running.
    """
    command = boot_command(monit_home())
    try:
        os.execv(command[0], command)
    except OSError as error:
        raise CommandError(ExitCode.FAILED, f"cannot run {command[0]}: {error.strerror}") from error
