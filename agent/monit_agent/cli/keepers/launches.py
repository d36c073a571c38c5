"""What a command line starts: the targets, or the apps of a config file, made into launches."""

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click

from monit_agent.cli.control.config_files import (
    chosen_profile,
    config_errors,
    config_path,
    print_notes,
)
from monit_agent.cli.control.current_folder import current_folder
from monit_agent.config.app import Launch, is_program, make_launch
from monit_agent.config.errors import BadInputError
from monit_agent.config.options import BY_KEY
from monit_agent.config.ports import absolute_sockets

ARGUMENTS = "put arguments for the app after '--': "

ONLY_ONE_APP = ("name", "port", "listen")
"""Options that two apps cannot have with the same value."""


def launches_of_targets(
    targets: Sequence[str], words: tuple[str, ...], settings: Mapping[str, Any]
) -> list[Launch]:
    """Return what each of the targets starts; without a target, what the options and words do."""
    here, module = current_folder(), settings.get("module")
    if targets and module:
        raise click.UsageError(
            f"-m {module} and the script {targets[0]!r} cannot be one app; {ARGUMENTS}"
            + _with_arguments(["-m", module], targets)
        )
    for target in targets if "watch" in settings and len(targets) > 1 else ():
        if os.path.isdir(os.path.join(here, target)):
            raise click.UsageError(
                f"--watch takes no folder ({target}): it watches the folder of --cwd, and "
                "--ignore-watch PATTERN leaves files out"
            )
    for target in targets[1:]:
        if not is_program(target, settings, os.environ, here):
            raise click.UsageError(
                f"{target!r} is not a script; {ARGUMENTS}"
                + _with_arguments(targets[:1], targets[1:])
            )
    for key in ONLY_ONE_APP:
        if key in settings and len(targets) > 1:
            raise click.UsageError(
                f"{BY_KEY[key].flags[-1]} is for one app, and these are {len(targets)}; start them "
                f"one by one, or {ARGUMENTS}" + _with_arguments(targets[:1], targets[1:])
            )
    launches = [
        make_launch(target, words, settings, os.environ, here) for target in targets or [None]
    ]
    first_of: dict[str, str] = {}
    for launch in launches:
        name, script = launch.spec.name, launch.spec.script
        if name in first_of:
            raise BadInputError(
                f"{first_of[name]} and {script} would both be called {name}; "
                "start them one by one with --name"
            )
        first_of[name] = script
    return launches


def _with_arguments(app: Sequence[str], arguments: Sequence[str]) -> str:
    return f"monit start {shlex.join(app)} -- {shlex.join(arguments)}"


# ---------------------------------------------------------------- the apps of a config file


def typed_in() -> str:
    """Return the current folder; raise `CommandError` when it is gone."""
    with config_errors():
        return current_folder()


def launches_of_file(
    targets: Sequence[str],
    settings: Mapping[str, Any],
    words: Sequence[str],
    profile: str | None,
) -> list[Launch]:
    """Return the apps of the config file that is the first target, or of the one in the current
    folder; of those the other targets name, if any."""
    from monit_agent.config.files.config import make_launches, read_config  # noqa: PLC0415 — 20 ms
    from monit_agent.config.files.start_order import with_needed  # noqa: PLC0415

    here = typed_in()
    path = config_path(targets[0] if targets else None, here)
    if words:
        raise click.UsageError(
            f"arguments after '--' are for one app; write them into {os.path.basename(path)}"
        )
    with config_errors():
        config = read_config(path, chosen_profile(profile), os.environ)
        # options of the command line are for the apps that were named
        names = targets[1:] if settings else with_needed(config.entries, targets[1:])
        launches = make_launches(config, os.environ, names, _from_here(settings, here))
    print_notes(config)
    for key in ONLY_ONE_APP:
        if key in settings and len(launches) > 1:
            raise click.UsageError(
                f"{BY_KEY[key].flags[-1]} is for one app, and these are {len(launches)}; "
                f"name the one: monit start {os.path.basename(path)} NAME …"
            )
    return launches


class FileLaunches(NamedTuple):
    """The apps of a config file."""

    path: str
    launches: list[Launch]
    """Of those that were chosen."""
    names: frozenset[str]
    """Of all of them."""


def file_launches(file: str | None, only: Sequence[str], profile: str | None) -> FileLaunches:
    """Return the apps of a config file, which is found where it is not given; those called
    ``only``, if there are any."""
    from monit_agent.config.files.config import make_launches, read_config  # noqa: PLC0415 — 20 ms

    path = config_path(file, typed_in())
    with config_errors():
        config = read_config(path, chosen_profile(profile), os.environ)
        launches = make_launches(config, os.environ, only)
    print_notes(config)
    return FileLaunches(path, launches, frozenset(entry.name for entry in config.entries))


def _from_here(settings: Mapping[str, Any], here: str) -> dict[str, Any]:
    """Return settings of the command line with paths that do not count from the file's folder."""
    changed = dict(settings)
    if "cwd" in changed:
        changed["cwd"] = os.path.join(here, os.path.expanduser(changed["cwd"]))
    if "env-file" in changed:
        changed["env-file"] = tuple(os.path.join(here, path) for path in changed["env-file"])
    if "listen" in changed:
        changed["listen"] = absolute_sockets(changed["listen"], here)
    return changed
