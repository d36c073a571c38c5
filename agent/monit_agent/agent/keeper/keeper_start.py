"""Starts a keeper for an app that has none, and knows why one did not start."""

import os
import resource
from collections.abc import Mapping
from typing import Any, cast

from monit_agent.agent.agent_loop import AgentLoop, reap_later
from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.journal import log
from monit_agent.agent.keeper.held_sockets import HeldSockets
from monit_agent.system import jsonline
from monit_agent.wire.paths import AppPaths, keeper_command

FIRST_S, CAP_S = 0.25, 5.0
"""Seconds between two attempts, doubled from the first to the last."""

ANSWER_BYTES = 64 * 1024


class KeeperStart:
    """Attempts to start a keeper, which inherits ``sockets``; ``problem`` says why the last one
    failed, None when it did not or is not over."""

    def __init__(self, paths: AppPaths, sockets: HeldSockets, surroundings: Surroundings) -> None:
        self._sockets = sockets
        self.problem: str | None = None
        self._paths = paths
        self._surroundings = surroundings
        self._wait_s = FIRST_S
        self._due_at = 0.0
        self._child: int | None = None
        self._answer = -1

    def succeeded(self) -> None:
        """Note that a keeper serves."""
        self.problem = None
        self._wait_s, self._due_at = FIRST_S, 0.0
        self._close_answer()

    def start_when_due(self, now: float) -> None:
        """Start a keeper, unless one is starting or the last attempt was just made. ``now`` is the
        monotonic time."""
        self._reap()
        if self._child is None and now >= self._due_at:
            self._start()
            self._due_at = now + self._wait_s
            self._wait_s = min(self._wait_s * 2, CAP_S)

    def close(self, loop: AgentLoop) -> None:
        """Watch nothing any more; a keeper that was started is reaped when it exits."""
        self._close_answer()
        if self._child is not None:
            reap_later(loop.shared, self._child)

    def _start(self) -> None:
        log("no keeper answers; starting one")
        # the agent's own raised limit must not reach the workers: programs that use select()
        # rely on a low one
        raised = resource.getrlimit(resource.RLIMIT_NOFILE)
        output = errors = -1
        try:
            self._answer, output = os.pipe()
            errors = self._open_log()
            resource.setrlimit(resource.RLIMIT_NOFILE, self._surroundings.files)
            with self._sockets.inherited():
                command = keeper_command(self._paths.folder)
                self._child = _spawn(command, self._surroundings.env, output, errors)
        except OSError as error:
            self.problem = f"a keeper cannot be started: {error.strerror}"
            log(self.problem)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, raised)
            for fd in (output, errors):
                if fd >= 0:
                    os.close(fd)

    def _open_log(self) -> int:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            return os.open(self._paths.keeper_log, flags, 0o600)
        except OSError:  # a full disk must not keep an app from its keeper
            return os.open(os.devnull, os.O_WRONLY)

    def _reap(self) -> None:
        if self._child is None:
            return
        try:
            pid, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._child, 0
        if pid:
            self._child = None
            self.problem = (
                self._read_answer() or f"it exited with wait status {status}, see keeper.log"
            )
            log(f"the keeper {pid} did not start: {self.problem}")

    def _read_answer(self) -> str | None:
        """Return the reason that the keeper gave on its standard output."""
        os.set_blocking(self._answer, False)
        try:
            answer: Any = jsonline.load(os.read(self._answer, ANSWER_BYTES))
        except (OSError, ValueError):
            return None
        finally:
            self._close_answer()
        if not isinstance(answer, dict):
            return None
        message = cast("dict[str, Any]", answer).get("message")
        return message if isinstance(message, str) else None

    def _close_answer(self) -> None:
        if self._answer >= 0:
            os.close(self._answer)
            self._answer = -1


def _spawn(command: list[str], env: Mapping[str, str], output: int, errors: int) -> int:
    return os.posix_spawn(
        command[0],
        command,
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, errors, 2),
        ],
        setsid=True,
    )
