"""``monit reload``: new workers for old, so many at a time; and how to call that off."""

from collections.abc import Sequence

import click

from monit_agent.cli import output
from monit_agent.cli.apps import home
from monit_agent.cli.operate import Doing, carry_out
from monit_agent.cli.outcome import Exit
from monit_agent.cli.params import Parsed
from monit_agent.cli.steer import steer, targets_argument, todays_env, update_env_option
from monit_agent.cli.verbs import fleet_of
from monit_agent.config import units
from monit_agent.wire.messages import CancelReload, Reload

RELOADING = Doing(
    "reloading",
    "reloaded",
    "the reload of {names} goes on; monit reload {names} --cancel ends it",
)

HELP = """\b
Examples:
  monit reload web
  monit reload web --parallel 4     four at a time
  monit reload web --cancel         no more; what is done stays done
"""


@click.command("reload", epilog=HELP)
@targets_argument
@click.option(
    "--parallel",
    type=Parsed("number", lambda text: units.parse_number(text, 1, units.INSTANCES_MAX)),
    metavar="K",
    help="Replace so many instances of an app at once [1].",
)
@click.option("--cancel", is_flag=True, help="End the reload that is under way.")
@update_env_option
def reload(targets: tuple[str, ...], parallel: int | None, cancel: bool, update_env: bool) -> int:
    """Replace instances one after another, each online before the next.

    Where instances share a port the new worker starts beside the old one, and no request is lost.
    Everywhere else the old one is stopped first: with --parallel K, K are away at a time.
    When a new worker does not come online the reload ends there, and fails; the old one stays where
    a port is shared. What is stopped is not started.

    With --cancel, new workers that are not ready yet go and the old ones stay; an instance whose
    old worker was told to stop already gets its new one.
    """
    if cancel:
        if parallel is not None or update_env:
            raise click.UsageError("--cancel ends a reload and takes no other options")
        return _cancel(targets)
    env = todays_env(update_env)
    return steer(
        targets,
        lambda numbers: Reload(instances=numbers, env=env, parallel=parallel or 1),
        RELOADING,
    )


def _cancel(targets: Sequence[str]) -> Exit:
    parts = [target for target in targets if "/" in target]
    if parts:
        app = parts[0].partition("/")[0]
        raise click.UsageError(
            f"{parts[0]!r}: a reload is cancelled as a whole: monit reload {app} --cancel"
        )
    folder = home()
    with fleet_of(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.say("There are no apps.")
            return Exit.DONE
        requests = {name: CancelReload() for name in chosen.apps}
        code = carry_out(source, folder, requests, Doing("cancelling the reload of", "cancelled"))
        for name in chosen.apps:
            roll = source.fleet.apps[name].roll
            if code == Exit.DONE and roll is not None and roll.failed:
                output.say(f"{name}: the reload was {roll.failed}")
    return code
