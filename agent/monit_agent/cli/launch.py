"""Bringing a keeper to life, and leaving nothing behind when that fails."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from typing import Any, NamedTuple, cast

from monit_agent.cli.outcome import CommandError, Exit
from monit_agent.config.app import Launch
from monit_agent.supervise.spec import to_json
from monit_agent.wire.places import (
    SOCKET_PATH_MAX,
    AppPlaces,
    app_places,
    apps_folder,
    keeper_command,
)

ANSWER_WITHIN_S = 20.0
"""A keeper says that it is up within some hundredths of a second; a busy machine gets more."""

FOLDER_TRIES = 5
"""How often a folder is made anew that another command, which failed, takes away meanwhile."""

_LINE_MAX_BYTES = 64 * 1024


class Started(NamedTuple):
    """What a keeper said of itself."""

    pid: int


def launch_app(home: str, launch: Launch) -> Started:
    """Make the app's folders and start its keeper; on any failure nothing is left of either.

    Raises `CommandError` when the home cannot be used or the keeper refuses.
    """
    places = app_places(home, launch.spec.name)
    _check_length(places)
    made = make_folders(home, places)
    message = json.dumps({"spec": to_json(launch.spec), "env": launch.env}).encode()
    with contextlib.ExitStack() as undo:
        undo.callback(unmake_folders, made, places)
        started = _run_keeper(places, message)
        undo.pop_all()
    return started


def adopt_app(home: str, app: str) -> Started:
    """Start a keeper for an app whose keeper is gone; it takes over what still runs."""
    return _run_keeper(app_places(home, app), None)


def _check_length(places: AppPlaces) -> None:
    path = places.too_long()
    if path is not None:
        raise CommandError(
            Exit.FAILED,
            f"the path {path} has {len(os.fsencode(path))} bytes, and a socket's path may have "
            f"{SOCKET_PATH_MAX}; set MONIT_HOME to a shorter folder, or choose a shorter --name",
        )


def make_folders(home: str, places: AppPlaces) -> list[str]:
    """Make what is missing of the folders, 0700; give those that were made, outermost first.

    Others may do the same for their apps at this moment, or take away what they made.
    """
    made: list[str] = []
    try:
        for folder in (home, apps_folder(home), places.folder):
            _make_folder(folder, made)
        os.chmod(home, 0o700)
        if not os.access(places.folder, os.W_OK | os.X_OK):
            raise PermissionError(13, "you may not write there", places.folder)
    except OSError as error:
        unmake_folders(made, places)
        raise CommandError(
            Exit.FAILED,
            f"cannot keep anything in {error.filename or home}: {error.strerror or error}; "
            "set MONIT_HOME to a folder that you may write to",
        ) from error
    return made


def _make_folder(folder: str, made: list[str]) -> None:
    """Make a folder and those above it, 0700, as far as they are missing; add those to ``made``."""
    for tries_left in reversed(range(FOLDER_TRIES)):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            if os.path.isdir(folder):
                return
            if not tries_left or os.path.lexists(folder):
                raise
        except FileNotFoundError:
            above = os.path.dirname(folder)
            if not tries_left or above == folder:
                raise
            _make_folder(above, made)
        else:
            made.append(folder)
            return


def unmake_folders(made: list[str], places: AppPlaces) -> None:
    """Remove the folders that this command made, unless somebody else uses them by now."""
    if places.folder in made and not _locked(places):
        shutil.rmtree(places.folder, ignore_errors=True)
    for folder in reversed(made):
        with contextlib.suppress(OSError):  # not empty: somebody else put something there
            os.rmdir(folder)


def _locked(places: AppPlaces) -> bool:
    try:
        with open(places.lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _run_keeper(places: AppPlaces, message: bytes | None) -> Started:
    try:
        trouble = os.open(places.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise CommandError(
            Exit.FAILED, f"cannot write {places.keeper_log}: {error.strerror or error}"
        ) from error
    said_before = os.fstat(trouble).st_size
    try:
        keeper = subprocess.Popen(
            keeper_command(places.folder),
            stdin=subprocess.DEVNULL if message is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=trouble,
            cwd="/",
            start_new_session=True,
        )
    finally:
        os.close(trouble)
    with contextlib.ExitStack() as undo:
        undo.callback(keeper.wait)
        undo.callback(keeper.kill)
        answer = _converse(keeper, message)
        if answer is None:
            why = _last_words(places, said_before) or "it said nothing"
            raise CommandError(Exit.FAILED, f"{places.name}: its keeper did not come up: {why}")
        if answer.get("ok") is not True:
            raise CommandError(Exit.FAILED, str(answer.get("message", "the keeper refused")))
        undo.pop_all()
    return Started(pid=int(answer["pid"]))


def _converse(keeper: "subprocess.Popen[bytes]", message: bytes | None) -> dict[str, Any] | None:
    """Hand the keeper what it needs and read its one line; None when there is none in time."""
    if keeper.stdin is not None and message is not None:
        with contextlib.suppress(BrokenPipeError), keeper.stdin as pipe:
            pipe.write(message)
    line = _read_line(keeper)
    try:
        answer: Any = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None


def _read_line(keeper: "subprocess.Popen[bytes]") -> bytes:
    if keeper.stdout is None:
        return b""
    end = time.monotonic() + ANSWER_WITHIN_S
    line = b""
    with keeper.stdout as pipe:
        while not line.endswith(b"\n") and len(line) < _LINE_MAX_BYTES:
            readable, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
            part = os.read(pipe.fileno(), 4096) if readable else b""
            if not part:
                break
            line += part
    return line


def _last_words(places: AppPlaces, start: int) -> str:
    try:
        with open(places.keeper_log, "rb") as file:
            file.seek(start)
            text = file.read(_LINE_MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""
    return " / ".join(text.strip().splitlines()[-3:])
