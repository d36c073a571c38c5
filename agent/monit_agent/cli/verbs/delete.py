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
from monit_agent.wire.messages import Delete


@click.command("delete", epilog="\b\nExamples:\n  monit delete web\n  monit delete all\n")
@click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_target
)
def delete(targets: tuple[str, ...]) -> int:
    """Stop apps and remove them from the list. Their log files are kept."""
    folder = monit_home()
    for target in targets:
        app, slash, _ = target.partition("/")
        if slash:  # also where it is the only instance
            raise click.UsageError(
                f"{target} is an instance, and delete removes whole apps; "
                f"use monit stop {target}, or monit delete {app}"
            )
    with open_fleet(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
            return ExitCode.DONE
        for name in chosen.apps:
            if chosen.instance_numbers(source, name) is not None:
                raise click.UsageError(
                    f"delete removes whole apps; for a single instance use monit stop {name}/N "
                    f"or monit scale {name} -1"
                )
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
