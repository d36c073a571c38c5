"""``monit signal``: send a signal to workers."""

import click

from monit_agent.cli.control.hosts import host_option
from monit_agent.cli.control.requests import CommandWords, request_targets
from monit_agent.cli.options.params import ParsedValue, targets_argument
from monit_agent.config.values import parse_signal
from monit_agent.wire.messages import SendSignal


@click.command(
    "signal", epilog="\b\nExamples:\n  monit signal HUP web\n  monit signal 10 all --group\n"
)
@click.argument("signal", type=ParsedValue("signal", parse_signal), metavar="SIGNAL")
@targets_argument
@click.option(
    "--group",
    is_flag=True,
    help="Send the signal to all processes in the process group of each worker.",
)
@host_option
def send_signal(signal: int, targets: tuple[str, ...], group: bool) -> int:
    """Send a signal to the workers of apps or instances.

    SIGNAL is a name, with or without SIG, or a number. A worker that exits because of the signal
    is restarted as usual.
    """
    return request_targets(
        targets,
        lambda numbers: SendSignal(signal=str(signal), instances=numbers, group=group),
        CommandWords("signalling", "signalled"),
    )
