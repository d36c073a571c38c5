"""``monit run``: apps in the foreground, also as the first process of a container."""

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import (
    app_exists,
    memory_home,
    monit_home,
    needs_memory_home,
)
from monit_agent.cli.keepers.folders import check_length, make_folders
from monit_agent.cli.keepers.launches import launches_of_file, launches_of_targets
from monit_agent.cli.options.params import PM2_NAMES, SEPARATED, ParsedValue
from monit_agent.cli.options.start_options import (
    StartCommand,
    add_start_parameters,
    used_settings,
)
from monit_agent.config import values
from monit_agent.config.app import Launch
from monit_agent.config.errors import BadInputError, TargetNotFoundError
from monit_agent.config.target import is_config_file
from monit_agent.foreground.plan import STOP_TIMEOUT_S, Plan, PlannedApp, write_plan
from monit_agent.foreground.runner import SIGNALS
from monit_agent.keeper.runner import is_running, runner_from_json
from monit_agent.supervise.spec import spec_to_json
from monit_agent.system.files.file_lock import is_locked
from monit_agent.wire import paths
from monit_agent.wire.order import find_cycle, read_dependencies
from monit_agent.wire.paths import AppPaths, foreground_command

EARLIER_RUN_S = 15.0
"""Longer than the default kill timeout of the workers of an earlier run."""

HELP = """\b
Examples:
  monit run -- gunicorn app:app       run a command, with all options of monit start
  monit run -i 2 --port 8000 -- uvicorn main:app --port 8000
  monit run                           the apps of monit.toml or another config file
  monit run Procfile web              one app of it

\b
Signals: TERM, INT and QUIT stop everything, a second one kills what is left; HUP
reloads; USR1 opens log files again.

\b
Exit codes: 0 after a requested stop, or when every app is done; else 1, or with
a single app its own code (128 + n when signal n killed it).
"""


@click.command("run", cls=StartCommand, epilog=HELP, context_settings=PM2_NAMES)
@click.option(
    "--exit-on",
    type=click.Choice(["any", "all", "never"]),
    default="any",
    help="Exit when any app has failed for good, when all have, or never by itself. [default: any]",
)
@click.option(
    "--stop-timeout",
    type=ParsedValue("duration", values.parse_duration),
    metavar="TIME",
    help="Time in which a requested stop is finished; what is left a second before is killed. "
    "[default: 8s]",
)
@click.option(
    "--health-port",
    type=ParsedValue("address", values.parse_port_address),
    metavar="[HOST:]PORT",
    help="Answer health checks by HTTP: 200 when every instance is online, else 503.",
)
@add_start_parameters
@click.pass_context
def run(
    ctx: click.Context,
    targets: tuple[str, ...],
    exit_on: str,
    stop_timeout: float | None,
    health_port: tuple[str, int] | None,
    **parameters: Any,
) -> int:
    """Run apps in the foreground, for containers.

    TARGET is what monit start takes: a config file, with the names of some of its apps, or a
    script; after '--' stands a command. What the apps print goes to standard output and standard
    error, a whole line at a time; with several workers, each line begins with the worker's name.

    The apps end with this command, however it ends. Meanwhile other commands of monit work as
    usual, for example in a second shell of the container.
    """
    words: tuple[str, ...] = ctx.meta.get(SEPARATED, ())
    settings = used_settings(parameters)
    launches = _launches(targets, words, settings, parameters["profile"])
    _check_order(launches)
    folder = _home()
    plan = Plan(
        apps=tuple(_planned(folder, launch) for launch in launches),
        exit_on=exit_on,  # type: ignore[arg-type]
        stop_timeout_s=STOP_TIMEOUT_S if stop_timeout is None else stop_timeout,
        health=health_port,
    )
    # a signal that comes before the next program can handle it waits for that
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    command = foreground_command(write_plan(plan))
    os.execv(command[0], command)


def _launches(
    targets: Sequence[str], words: tuple[str, ...], settings: Mapping[str, Any], profile: str | None
) -> list[Launch]:
    names_file = is_config_file(targets[0]) if targets else not (words or "module" in settings)
    if names_file:
        return launches_of_file(targets, settings, words, profile)
    if profile:
        raise click.UsageError("--profile is for config files: monit run monit.toml --profile P")
    try:
        return launches_of_targets(targets, words, settings)
    except TargetNotFoundError as error:
        raise CommandError(ExitCode.NO_TARGET, str(error)) from error
    except BadInputError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error


def _check_order(launches: Sequence[Launch]) -> None:
    """Raise `CommandError` when an app would wait for ever, for one that this run does not have."""
    after = {each.spec.name: read_dependencies(each.spec.after) for each in launches}
    for name, dependencies in after.items():
        for each in dependencies:
            if each.app not in after:
                text = f"{name} comes after {each.app}, which is not part of this run"
                raise CommandError(ExitCode.USAGE, text)
    cycle = find_cycle(after)
    if cycle:
        text = f"the apps wait for each other: {' → '.join(cycle)}"
        raise CommandError(ExitCode.USAGE, text)


def _home() -> str:
    """Return the home: in memory where there can be no other, as with a read-only file system."""
    home = paths.home(os.environ)
    if not needs_memory_home(home):
        return monit_home()
    in_memory = memory_home(make=True)
    if in_memory is None:
        raise CommandError(
            ExitCode.FAILED,
            f"neither {home} nor /dev/shm can be written; "
            "mount a tmpfs and set MONIT_HOME to a folder in it",
        )
    return in_memory


def _planned(folder: str, launch: Launch) -> PlannedApp:
    """Return the app as the foreground process starts it; its folder is there then."""
    places = paths.app_paths(folder, launch.spec.name)
    check_length(places)
    if app_exists(folder, launch.spec.name):
        _await_end_of_earlier_run(places)
    has_logs = os.path.isdir(places.logs) and bool(os.listdir(places.logs))
    make_folders(folder, places)
    order = {"spec": spec_to_json(launch.spec), "env": launch.env, "named": launch.named}
    return PlannedApp(places.folder, order, logs_are_new=not has_logs)


def _await_end_of_earlier_run(places: AppPaths) -> None:
    """Wait until an app has ended whose `monit run` was killed.

    Raise `CommandError` when the app belongs to nobody of that kind: it would be gone afterwards.
    """
    try:
        with open(places.state, "rb") as file:
            runner = runner_from_json(json.load(file).get("runner"))
    except (OSError, ValueError, TypeError, AttributeError):
        runner = None
    if runner is None or is_running(runner):
        whose = "exists" if runner is None else f"is run by another monit run (pid {runner.pid})"
        raise CommandError(
            ExitCode.FAILED,
            f"{places.name} {whose} in {os.path.dirname(os.path.dirname(places.folder))}; choose "
            "another --name, or set MONIT_HOME to another folder for this command",
        )
    end = time.monotonic() + EARLIER_RUN_S
    while is_locked(places.lock):
        if time.monotonic() > end:
            raise CommandError(
                ExitCode.FAILED,
                f"{places.name} is still being stopped, because an earlier monit run was killed; "
                f"see monit list {places.name}",
            )
        time.sleep(0.05)
