"""What is saved of an app in its folder: its spec and the variables that were named for it."""

import os
from typing import Any, NamedTuple

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.apps import app_names
from monit_agent.supervise.spec import AppSpec, BadSpecError, spec_from_json
from monit_agent.system import jsonline
from monit_agent.system.files.named_env import read_named
from monit_agent.system.files.own_file import read_own_file
from monit_agent.wire.paths import app_paths

SavedApp = tuple[AppSpec, dict[str, str]]
"""The spec of an app, and its named variables."""


class SavedSlot(NamedTuple):
    """What is saved of an instance and decides about its start after a reboot."""

    instance: int
    desired: str
    finished: bool


def read_apps(folder: str, names: tuple[str, ...] = ()) -> list[SavedApp]:
    """Return the apps of the home ``folder``, or those with these names, in order of creation.

    Raise `CommandError` for a name that no app has.
    """
    known = app_names(folder)
    for name in names:
        if name not in known:
            shown = ", ".join(known) or "there are no apps"
            raise CommandError(ExitCode.NO_TARGET, f"no app {name!r}; apps: {shown}")
    found: list[SavedApp] = []
    for name in names or known:
        paths = app_paths(folder, name)
        found.append((read_spec(paths.state, name), read_variables(paths.env, name)))
    return sorted(found, key=lambda each: each[0].created_at)


def read_variables(path: str, name: str) -> dict[str, str]:
    """Return the variables that were named for the app; they stay."""
    try:
        named = read_named(path)
    except OSError as error:
        raise CommandError(
            ExitCode.FAILED, f"{name}: cannot read {path} ({error}); start the app from its script"
        ) from error
    return {os.fsdecode(variable): os.fsdecode(value) for variable, value in named.items()}


def read_slots(path: str, name: str) -> list[SavedSlot]:
    """Return the instances of an app as its state file has them, or raise `CommandError`."""
    try:
        state: Any = jsonline.load(read_own_file(path))
        return [
            SavedSlot(slot["instance"], slot["desired"], slot.get("finished", False))
            for slot in state["slots"]
            if not slot["removing"]
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CommandError(ExitCode.FAILED, f"{name}: cannot read {path} ({error})") from error


def read_spec(path: str, name: str) -> AppSpec:
    """Return the spec of an app from its state file, or raise `CommandError`."""
    try:
        state: Any = jsonline.load(read_own_file(path))
        return spec_from_json(state["spec"])
    except (OSError, ValueError, KeyError, TypeError, BadSpecError) as error:
        raise CommandError(
            ExitCode.FAILED, f"{name}: cannot read {path} ({error}); start the app from its script"
        ) from error
