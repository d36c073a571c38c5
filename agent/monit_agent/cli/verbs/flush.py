"""``monit flush``: empty log files."""

import click

from monit_agent.cli.control.requests import CommandWords, request_targets
from monit_agent.cli.options.params import targets_argument
from monit_agent.wire.messages import Flush


@click.command("flush", epilog="\b\nExample:\n  monit flush web\n")
@targets_argument
def flush(targets: tuple[str, ...]) -> int:
    """Delete the content of the log files of apps or instances."""
    return request_targets(
        targets,
        lambda numbers: Flush(instances=numbers),
        CommandWords("emptying the logs of", "emptied the logs of"),
    )
