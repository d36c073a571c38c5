"""The folder in which the user typed the command."""

import os

from monit_agent.config.errors import BadInputError


def current_folder() -> str:
    """Return the folder as the user entered it: through a symbolic link that a later release moves,
    and not where that link points now."""
    try:
        entered = os.environ.get("PWD", "")
        if os.path.isabs(entered) and _is_same_folder(entered, "."):
            return entered
        return os.getcwd()
    except FileNotFoundError as error:
        raise BadInputError("the current folder was removed; cd to another one") from error


def _is_same_folder(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
