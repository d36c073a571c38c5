"""``monit scale``: change the number of instances of an app."""

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import CommandWords, run_requests
from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.options.params import NegativeNumbers
from monit_agent.cli.render import output
from monit_agent.config.errors import BadInputError
from monit_agent.config.values import parse_scale
from monit_agent.wire.messages import Scale

HELP = """\b
Examples:
  monit scale web 4       set four instances
  monit scale web +2      add two
  monit scale web -1      remove one
"""


@click.command("scale", cls=NegativeNumbers, epilog=HELP)
@click.argument("app", shell_complete=complete_target)
@click.argument("count", metavar="N|+N|-N")
@host_option
def scale(app: str, count: str) -> int:
    """Change the number of instances of an app.

    New instances are started. Instances with the highest numbers are stopped and removed; their
    log files are kept.
    """
    folder = monit_home()
    with open_fleet(folder, [app]) as (source, chosen):
        if "/" in app or len(chosen.apps) != 1:
            raise click.UsageError(f"{app!r}: scale needs the name of one app")
        name = chosen.apps[0]
        now = len(source.fleet.apps[name].instances)
        try:
            count_after = parse_scale(count, now)
        except BadInputError as error:
            raise CommandError(ExitCode.USAGE, str(error)) from error
        code = run_requests(
            source, folder, {name: Scale(count=count_after)}, CommandWords("scaling", "scaled")
        )
        after = len(source.fleet.apps[name].instances)
    if code == ExitCode.DONE:
        output.write_message(f"{name}: {now} → {after} instances")
    return code
