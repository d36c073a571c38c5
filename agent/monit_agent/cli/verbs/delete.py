"""``monit delete``: stop apps and remove them."""

from contextlib import closing

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.requests import (
    CommandWords,
    report_deleted,
    run_requests,
    stop_order,
)
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import complete_target, monit_home
from monit_agent.cli.keepers.keepers import take_over
from monit_agent.cli.render import output
from monit_agent.client.commands.keeper_exits import KeeperExits
from monit_agent.client.targets import PartOfAppError, refuse_parts
from monit_agent.wire.messages import Delete


@click.command("delete", epilog="\b\nExamples:\n  monit delete web\n  monit delete all\n")
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_target
)
def delete(targets: tuple[str, ...]) -> int:
    """Stop apps and remove them from the list. Their log files are kept.

    Only whole apps are deleted. An id means the app if it has no other instance. To remove one of
    several instances, use monit scale.
    """
    folder = monit_home()
    with open_fleet(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
            return ExitCode.DONE
        try:
            refuse_parts(source.fleet, targets)
        except PartOfAppError as error:
            raise click.UsageError(str(error)) from error
        gone = [name for name in chosen.apps if source.fleet.apps[name].link == "gone"]
        codes = take_over(source, folder, gone)
        known = [name for name in chosen.apps if not codes.get(name)]
        with closing(KeeperExits(source.fleet.apps[name] for name in known)) as keepers:
            requests = dict.fromkeys(known, Delete())
            words, order = CommandWords("deleting", "deleted"), stop_order(source, known)
            code = run_requests(source, folder, requests, words, order)
            if code == ExitCode.DONE:
                keepers.wait()
    report_deleted(folder, chosen.apps)
    return max(code, *codes.values(), ExitCode.DONE)
