"""``monit scale``: how many instances an app has."""

import click

from monit_agent.cli import output
from monit_agent.cli.apps import complete_target, home
from monit_agent.cli.operate import Doing, carry_out
from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.cli.params import NegativeNumbers
from monit_agent.cli.verbs import fleet_of
from monit_agent.config.errors import BadInputError
from monit_agent.config.units import parse_scale
from monit_agent.wire.messages import Scale

HELP = """\b
Examples:
  monit scale web 4       four instances
  monit scale web +2      two more
  monit scale web -1      one less
"""


@click.command("scale", cls=NegativeNumbers, epilog=HELP)
@click.argument("app", shell_complete=complete_target)
@click.argument("count", metavar="N|+N|-N")
def scale(app: str, count: str) -> int:
    """Change how many instances an app has.

    New ones start; those with the highest numbers stop and go. Their logs stay.
    """
    folder = home()
    with fleet_of(folder, [app]) as (source, chosen):
        if "/" in app or len(chosen.apps) != 1:
            raise click.UsageError(f"{app!r}: scale takes one app, by its name")
        name = chosen.apps[0]
        now = len(source.fleet.apps[name].instances)
        try:
            wanted = parse_scale(count, now)
        except BadInputError as error:
            raise CommandError(Exit.USAGE, str(error)) from error
        code = carry_out(source, folder, {name: Scale(count=wanted)}, Doing("scaling", "scaled"))
        after = len(source.fleet.apps[name].instances)
    if code == Exit.DONE:
        output.say(f"{name}: {now} → {after} instances")
    return code
