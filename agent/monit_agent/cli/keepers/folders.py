"""The folders of an app: made for a new one, removed again when it does not start."""

import contextlib
import os
import shutil
import stat

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.system.files.file_lock import is_locked
from monit_agent.system.files.ownership import NotOursError, check_ours, make_private
from monit_agent.wire.paths import HOME_NAMES, SOCKET_PATH_MAX, AppPaths, apps_folder

FOLDER_TRIES = 5
"""How often a folder is created again that a failed command removed in the meantime."""


def check_length(paths: AppPaths) -> None:
    """Raise `CommandError` when the paths of the app's sockets are too long."""
    path = paths.too_long()
    if path is not None:
        raise CommandError(
            ExitCode.FAILED,
            f"the socket path {path} has {len(os.fsencode(path))} bytes, and the most is "
            f"{SOCKET_PATH_MAX}; set MONIT_HOME to a shorter folder, or choose a shorter --name",
        )


def make_folders(home: str, paths: AppPaths) -> list[str]:
    """Create the missing folders, 0700; return those that were created, outermost first.

    Other commands may create and remove folders for their apps at the same time.
    """
    made: list[str] = []
    try:
        for folder in (home, apps_folder(home), paths.folder):
            _make_folder(folder, made)
        check_ours((home, apps_folder(home), paths.folder))
        make_private(home, HOME_NAMES)
        if not os.access(paths.folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "permission denied", paths.folder)
    except NotOursError as error:
        remove_folders(made, paths)
        raise CommandError(ExitCode.FAILED, str(error)) from error
    except OSError as error:
        remove_folders(made, paths)
        raise CommandError(
            ExitCode.FAILED,
            f"cannot use the folder {error.filename or home}: {error.strerror or error}; "
            "set MONIT_HOME to a folder that you can write to",
        ) from error
    return made


def _make_folder(folder: str, made: list[str]) -> None:
    """Create a folder and its missing parents, 0700; add those that were created to ``made``."""
    for tries_left in reversed(range(FOLDER_TRIES)):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            is_folder = _is_folder(folder)
            if is_folder:
                return
            if is_folder is False or not tries_left:
                raise
        except FileNotFoundError:
            above = os.path.dirname(folder)
            if not tries_left or above == folder:
                raise
            _make_folder(above, made)
        else:
            made.append(folder)
            return


def _is_folder(path: str) -> bool | None:
    """Return whether a folder is at ``path``; None when nothing is there."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def remove_folders(made: list[str], paths: AppPaths) -> None:
    """Remove the folders that this command created, unless they are in use."""
    if paths.folder in made and not is_locked(paths.lock):
        shutil.rmtree(paths.folder, ignore_errors=True)
    for folder in reversed(made):
        with contextlib.suppress(OSError):  # not empty: another command put something there
            os.rmdir(folder)
