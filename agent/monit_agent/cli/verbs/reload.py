"""``monit reload``: replace workers without downtime, and cancel that."""

from collections.abc import Sequence

import click

from monit_agent.cli.control.fleet import open_fleet
from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import (
    CommandWords,
    current_environment,
    request_targets,
    run_requests,
)
from monit_agent.cli.exit_codes import ExitCode
from monit_agent.cli.keepers.apps import monit_home
from monit_agent.cli.options.params import ParsedValue, targets_argument, update_env_option
from monit_agent.cli.render import output
from monit_agent.config import values
from monit_agent.wire.messages import CancelReload, Reload

RELOADING = CommandWords(
    "reloading",
    "reloaded",
    "the reload of {names} continues; run monit reload {names} --cancel to cancel it",
)

HELP = """\b
Examples:
  monit reload web
  monit reload web --parallel 4     replace four at a time
  monit reload web --cancel         keep the instances that are replaced already
"""


@click.command("reload", epilog=HELP)
@targets_argument
@click.option(
    "--parallel",
    type=ParsedValue("number", lambda text: values.parse_number(text, 1, values.INSTANCES_MAX)),
    metavar="K",
    help="Number of instances of an app to replace at once. [default: 1]",
)
@click.option("--cancel", is_flag=True, help="Cancel the running reload.")
@update_env_option
@host_option
def reload(targets: tuple[str, ...], parallel: int | None, cancel: bool, update_env: bool) -> int:
    """Replace instances one by one; each must be online before the next.

    If the instances share a port, the old worker stops only after the new one is online, so that
    no request is lost. The same is done for apps that listen on no port. Where each worker opens a
    port of its own, the old worker stops first; with --parallel K, K instances are down at the same
    time. If a new worker does not come online, the reload ends with an error, and an old worker
    that was not stopped first keeps running. Stopped instances are not started.

    A program with --reload-command or --reload-signal reloads itself: no worker is replaced, as
    long as no variable or setting of the worker has changed since it was started. If the command
    fails, its last lines are printed and the worker is left as it is.

    With --cancel, new workers that are not ready yet are stopped and the old ones keep running. An
    instance whose old worker is already stopping still gets its new one.
    """
    if cancel:
        if parallel is not None or update_env:
            raise click.UsageError("--cancel cannot be combined with other options")
        return _cancel(targets)
    env = current_environment(update_env)
    return request_targets(
        targets,
        lambda numbers: Reload(instances=numbers, env=env, parallel=parallel or 1),
        RELOADING,
        host_by_host=True,
    )


def _cancel(targets: Sequence[str]) -> ExitCode:
    parts = [target for target in targets if "/" in target]
    if parts:
        app = parts[0].partition("/")[0]
        raise click.UsageError(
            f"{parts[0]!r}: only whole apps can be cancelled: monit reload {app} --cancel"
        )
    folder = monit_home()
    with open_fleet(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.write_message("There are no apps.")
            return ExitCode.DONE
        requests = {name: CancelReload() for name in chosen.apps}
        code = run_requests(
            source, folder, requests, CommandWords("cancelling the reload of", "cancelled")
        )
        for name in chosen.apps:
            rollout = source.fleet.apps[name].rollout
            if code == ExitCode.DONE and rollout is not None and rollout.failed:
                output.write_message(f"{name}: the reload was {rollout.failed}")
    return code
