"""``monit reset``: set restart counters to zero."""

import click

from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import CommandWords, request_targets
from monit_agent.cli.options.params import targets_argument
from monit_agent.wire.messages import Reset


@click.command("reset", epilog="\b\nExample:\n  monit reset all\n")
@targets_argument
@host_option
def reset(targets: tuple[str, ...]) -> int:
    """Set the restart counters of apps or instances to zero and clear their lists of exits."""
    return request_targets(
        targets, lambda numbers: Reset(instances=numbers), CommandWords("resetting", "reset")
    )
