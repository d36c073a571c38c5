"""``monit stop``: stop apps or instances."""

import click

from monit_agent.cli.control.hosts import confirm_many, host_option
from monit_agent.cli.control.requests import CommandWords, request_targets
from monit_agent.cli.options.params import targets_argument
from monit_agent.wire.messages import Stop


@click.command("stop", epilog="\b\nExample:\n  monit stop web api/2\n")
@targets_argument
@host_option
@click.option("--yes", is_flag=True, help="Do not ask before stopping all apps of other machines.")
def stop(targets: tuple[str, ...], yes: bool) -> int:
    """Stop apps or single instances; they stay in the list and can be started again.

    A worker gets its stop signal (default SIGTERM). When the kill timeout is over, the worker and
    its child processes get SIGKILL. An app stops before the apps that it starts after (--after).
    """
    confirm_many(targets, yes=yes)
    return request_targets(
        targets,
        lambda numbers: Stop(instances=numbers),
        CommandWords("stopping", "stopped"),
        stops=True,
    )
