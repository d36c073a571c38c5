"""Config files on the command line: which one is meant, and its errors as exit codes."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.render import output
from monit_agent.config.errors import BadInputError, TargetNotFoundError
from monit_agent.config.files.faults import ConfigFaultsError, shown_path
from monit_agent.config.files.find import find_config

if TYPE_CHECKING:
    from monit_agent.config.files.config import Config


@contextmanager
def config_errors() -> Generator[None]:
    """Raise the errors of config files as `CommandError`: all faults are printed, the code is 2."""
    try:
        yield
    except ConfigFaultsError as error:
        for fault in error.faults[:-1]:
            output.write_error(str(fault))
        raise CommandError(ExitCode.USAGE, str(error.faults[-1])) from error
    except TargetNotFoundError as error:
        raise CommandError(ExitCode.NO_TARGET, str(error)) from error
    except BadInputError as error:
        raise CommandError(ExitCode.USAGE, str(error)) from error


def config_path(given: str | None, here: str) -> str:
    """Return the absolute path of the config file: ``given``, or the one in the folder ``here``."""
    if given is not None:
        path = os.path.normpath(os.path.join(here, os.path.expanduser(given)))
        if not os.path.isfile(path):
            why = "is a folder" if os.path.isdir(path) else "does not exist"
            raise CommandError(ExitCode.NO_TARGET, f"the config file {given} {why}")
        return path
    found, others = find_config(here)
    if found is None:
        raise CommandError(
            ExitCode.NO_TARGET,
            f"there is no config file in {here}: neither monit.toml, pyproject.toml with "
            "[tool.monit], ecosystem.config.js (or .json, .yaml), nor Procfile",
        )
    for other in others:
        output.write_message(f"{shown_path(found)} is used, and {shown_path(other)} is not")
    return found


def chosen_profile(given: str | None) -> str | None:
    """Return the profile of the command line or of the environment; None without one."""
    return given or os.environ.get("MONIT_PROFILE") or None


def print_notes(config: "Config") -> None:
    """Print what has no effect in the file."""
    for note in config.notes:
        output.write_message(str(note))
