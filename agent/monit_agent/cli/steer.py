"""The verbs that send one request to each app that is meant."""

import os
from collections.abc import Callable, Sequence

import click

from monit_agent.cli import output
from monit_agent.cli.apps import complete_target, home
from monit_agent.cli.operate import Doing, carry_out
from monit_agent.cli.outcome import Exit
from monit_agent.cli.params import Parsed
from monit_agent.cli.verbs import fleet_of
from monit_agent.config import units
from monit_agent.config.app import worker_env
from monit_agent.wire.limits import REQUEST_BYTES
from monit_agent.wire.messages import (
    Flush,
    Request,
    Reset,
    Restart,
    SendSignal,
    Stop,
)

Make = Callable[[tuple[int, ...] | None], Request]
"""Make the request for these instances of an app; None means all of them."""

targets_argument = click.argument(
    "targets", nargs=-1, required=True, metavar="TARGET...", shell_complete=complete_target
)
update_env_option = click.option(
    "--update-env", is_flag=True, help="Give the workers the environment of this command."
)


def steer(targets: Sequence[str], make: Make, doing: Doing) -> Exit:
    """Send each app that ``targets`` name the request of ``make``; wait, and say how it went."""
    folder = home()
    with fleet_of(folder, targets) as (source, chosen):
        if not chosen.apps:
            output.say("There are no apps.")
            return Exit.DONE
        requests = {name: make(chosen.numbers(source, name)) for name in chosen.apps}
        code = carry_out(source, folder, requests, doing)
    if code == Exit.DONE:
        output.say(f"{doing.done} {' '.join(targets)}")
    return code


def todays_env(wanted: bool) -> dict[str, str] | None:
    """Give this command's environment for the workers; None when it was not asked for."""
    if not wanted:
        return None
    env = {
        name: value
        for name, value in worker_env(os.environ, {}).items()
        if name.isprintable() and _is_text(value)
    }
    size = sum(len(name.encode()) + len(value.encode()) + 8 for name, value in env.items())
    if size > REQUEST_BYTES:
        raise click.UsageError(
            f"--update-env: this environment has {size} bytes, and at most {REQUEST_BYTES} "
            "can be sent; unset what is large, or delete the app and start it anew"
        )
    return env


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8 cannot travel as text
        return False
    return True


@click.command("stop", epilog="\b\nExample:\n  monit stop web api/2\n")
@targets_argument
def stop(targets: tuple[str, ...]) -> int:
    """Stop apps or single instances; they stay listed and can be started again.

    Each worker gets its stop signal (TERM), and KILL when its time is over, with all its children.
    """
    return steer(targets, lambda numbers: Stop(instances=numbers), Doing("stopping", "stopped"))


@click.command("restart", epilog="\b\nExample:\n  monit restart web --update-env\n")
@targets_argument
@update_env_option
def restart(targets: tuple[str, ...], update_env: bool) -> int:
    """Stop and start apps or instances, all of them at once.

    What was stopped is started. To replace instances one by one, use monit reload.
    """
    env = todays_env(update_env)
    return steer(
        targets,
        lambda numbers: Restart(instances=numbers, env=env),
        Doing("restarting", "restarted"),
    )


@click.command("reset", epilog="\b\nExample:\n  monit reset all\n")
@targets_argument
def reset(targets: tuple[str, ...]) -> int:
    """Set restart counters and the list of exits to zero."""
    return steer(targets, lambda numbers: Reset(instances=numbers), Doing("resetting", "reset"))


@click.command("flush", epilog="\b\nExample:\n  monit flush web\n")
@targets_argument
def flush(targets: tuple[str, ...]) -> int:
    """Empty the log files of apps or instances. What was in them is gone."""
    return steer(
        targets,
        lambda numbers: Flush(instances=numbers),
        Doing("emptying the logs of", "emptied the logs of"),
    )


@click.command(
    "signal", epilog="\b\nExamples:\n  monit signal HUP web\n  monit signal 10 all --group\n"
)
@click.argument("signal", type=Parsed("signal", units.parse_signal), metavar="SIGNAL")
@targets_argument
@click.option("--group", is_flag=True, help="To all processes of each worker's group.")
def send_signal(signal: int, targets: tuple[str, ...], group: bool) -> int:
    """Send a signal to the workers of apps or instances.

    SIGNAL is a name with or without SIG, or a number. What ends by it is started again as usual.
    """
    return steer(
        targets,
        lambda numbers: SendSignal(signal=str(signal), instances=numbers, group=group),
        Doing("signalling", "signalled"),
    )
