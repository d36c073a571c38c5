"""Starts the keeper of an app, and reads the one line that it answers."""

import json
import os
from collections.abc import Callable
from typing import Any

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.spawns import SpawnKeeper
from monit_agent.system import jsonline
from monit_agent.wire.paths import AppPaths

ANSWER_BYTES = 64 * 1024

Started = Callable[[str | None], None]
"""Is called with why the keeper does not run, None when it does."""


def start_keeper(
    loop: Loop,
    paths: AppPaths,
    order: dict[str, Any] | None,
    spawn: SpawnKeeper,
    started: Started,
) -> None:
    """Start a keeper: with ``order`` for a new app, without it to take over an app that runs."""
    order_fd = os.memfd_create("order", os.MFD_CLOEXEC)  # however long, it never blocks
    if order is not None:
        with open(order_fd, "wb", closefd=False) as file:
            file.write(jsonline.dump(order))
        os.lseek(order_fd, 0, os.SEEK_SET)
    answer, output = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    errors = _open_log(paths.keeper_log)
    try:
        spawn(paths.folder, (order_fd, output, errors))
    except OSError as error:
        os.close(answer)
        started(f"{paths.name}: a keeper cannot be started: {error.strerror}")
        return
    finally:
        for fd in (order_fd, output, errors):
            os.close(fd)
    _KeeperAnswer(loop, paths, answer, started)


class _KeeperAnswer:
    """The line that a starting keeper prints."""

    def __init__(self, loop: Loop, paths: AppPaths, fd: int, started: Started) -> None:
        self._loop = loop
        self._paths = paths
        self._fd = fd
        self._started = started
        self._line = b""
        loop.watch(fd, self._read)

    def _read(self, _events: int) -> None:
        try:
            part = os.read(self._fd, ANSWER_BYTES)
        except BlockingIOError:
            return
        self._line += part
        if part and b"\n" not in self._line and len(self._line) < ANSWER_BYTES:
            return
        self._loop.unwatch(self._fd)
        os.close(self._fd)
        self._started(self._problem())

    def _problem(self) -> str | None:
        try:
            answer: Any = json.loads(self._line)
        except ValueError:
            return f"{self._paths.name}: its keeper did not start; see {self._paths.keeper_log}"
        return None if answer.get("ok") is True else str(answer.get("message"))


def _open_log(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)  # a keeper works without its log
