"""One start of a keeper: started, its answer read, and its app's start confirmed."""

import os
import time
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.spawns import SpawnKeeper
from monit_agent.system import jsonline
from monit_agent.system.claim import claim_address
from monit_agent.system.sockets import socket
from monit_agent.system.suppress import suppress
from monit_agent.typed import Any
from monit_agent.wire.paths import AppPaths

ANSWER_S = 60.0
"""A keeper answers within a tenth of a second; a machine that boots is busy."""
ANSWER_BYTES = 64 * 1024


class ConfirmedStart:
    """Starts the keeper of an app that exists. ``done(problem)`` is called once: with None when
    the keeper has started what was to run."""

    def __init__(
        self, loop: Loop, paths: AppPaths, spawn: SpawnKeeper, done: Callable[[str | None], None]
    ) -> None:
        self._loop = loop
        self._spawn_keeper = spawn
        self._paths = paths
        self._done = done
        self._answer = b""
        self._pipe = -1
        self._asking: socket.socket | None = None
        self._alarm = f"start {paths.name}"

    def begin(self) -> None:
        """Spawn the keeper."""
        try:
            self._spawn()
        except OSError as error:
            self._end(f"a keeper cannot be started: {error.strerror}")
            return
        self._loop.watch(self._pipe, self._read_answer)
        self._loop.set_alarm(self._alarm, time.monotonic() + ANSWER_S, self._no_answer)

    def _spawn(self) -> None:
        opened = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)]
        try:
            self._pipe, writer = os.pipe()
            opened.append(writer)
            opened.append(_open_log(self._paths.keeper_log))
            self._spawn_keeper(self._paths.folder, opened)
        finally:
            for fd in opened:
                os.close(fd)

    def _read_answer(self, _events: int) -> None:
        part = os.read(self._pipe, ANSWER_BYTES)
        self._answer += part
        if part and b"\n" not in part and len(self._answer) < ANSWER_BYTES:
            return
        self._close_pipe()
        try:
            answer: Any = jsonline.load(self._answer)
            problem = None if answer["ok"] is True else str(answer["message"])
        except (KeyError, TypeError, ValueError):
            problem = f"its keeper did not start; see {self._paths.keeper_log}"
        if problem is None:
            self._confirm()
        else:
            self._end(problem)

    def _confirm(self) -> None:
        """Ask the keeper something: it answers when it has started the app's workers."""
        for address in (self._paths.keeper, claim_address(self._paths.folder)):
            asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                asking.setblocking(False)
                asking.connect(address)
                asking.send(b'{"id":0,"do":"hello","role":"boot"}\n')
            except OSError:
                asking.close()
                continue
            self._asking = asking
            self._loop.watch(asking.fileno(), lambda _events: self._end(None))
            return
        self._end(None)  # it said that it runs

    def _no_answer(self) -> None:
        self._end(f"its keeper did not answer within {ANSWER_S:.0f} s")

    def _end(self, problem: str | None) -> None:
        self._loop.set_alarm(self._alarm, None, self._no_answer)
        self._close_pipe()
        if self._asking is not None:
            self._loop.unwatch(self._asking.fileno())
            self._asking.close()
            self._asking = None
        self._done(problem)

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            with suppress(KeyError, OSError):
                self._loop.unwatch(self._pipe)
            os.close(self._pipe)
            self._pipe = -1


def _open_log(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:  # a full disk must not keep an app from its keeper
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
