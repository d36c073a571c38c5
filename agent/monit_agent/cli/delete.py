"""``monit delete``: stop apps and forget them."""

import os
from contextlib import closing

import click

from monit_agent.cli import output
from monit_agent.cli.apps import complete_target, home
from monit_agent.cli.farewell import Keepers
from monit_agent.cli.operate import Doing, carry_out
from monit_agent.cli.outcome import Exit
from monit_agent.cli.takeover import take_over
from monit_agent.cli.verbs import fleet_of
from monit_agent.wire.messages import Delete
from monit_agent.wire.places import app_places


@click.command("delete", epilog="\b\nExamples:\n  monit delete web\n  monit delete all\n")
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_target
)
def delete(targets: tuple[str, ...]) -> int:
    """Stop apps and forget them. Their log files stay where they are."""
    folder = home()
    with fleet_of(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.say("There are no apps.")
            return Exit.DONE
        for name in chosen.apps:
            if chosen.numbers(source, name) is not None:
                raise click.UsageError(
                    f"delete takes whole apps; for a single instance: monit stop {name}/N, or "
                    f"monit scale {name} -1"
                )
        for name in chosen.apps:
            if source.fleet.apps[name].link == "gone":
                take_over(source, folder, name)
        with closing(Keepers(source.fleet.apps[name] for name in chosen.apps)) as keepers:
            requests = dict.fromkeys(chosen.apps, Delete())
            code = carry_out(source, folder, requests, Doing("deleting", "deleted"))
            if code == Exit.DONE:
                keepers.await_end()
    for name in chosen.apps:
        places = app_places(folder, name)
        if not os.path.exists(places.state):
            output.say(f"deleted {name}; its log files stay in {places.logs}")
    return code
