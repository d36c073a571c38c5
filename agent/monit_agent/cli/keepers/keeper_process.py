"""The process of a keeper that starts: a child of ``monit boot``, or of this command."""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from typing import Any, cast

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.keepers.boot_link import ask_boot
from monit_agent.keeper.forked import ForkedKeepers
from monit_agent.system import jsonline
from monit_agent.wire.paths import AppPaths, home_of, keeper_command

ANSWER_WITHIN_S = 20.0
"""A keeper answers within some hundredths of a second; a busy machine needs more."""
KILL_S = 10.0
_LINE_MAX_BYTES = 64 * 1024


class SeveralKeepers:
    """What starts several keepers shares: the process from which they are forked. For threads."""

    def __init__(self, home: str) -> None:
        nowhere = (subprocess.DEVNULL, subprocess.DEVNULL)
        self._forked = ForkedKeepers(home, lambda command, fd: _start(command, (fd, *nowhere)))
        self._lock = threading.Lock()

    def fork(self, folder: str, fds: tuple[int, int, int]) -> int | None:
        """Fork a keeper and return its pid; None where it must be started."""
        with self._lock:
            return self._forked.fork(folder, fds)

    def close(self) -> None:
        """Fork no more."""
        self._forked.close()


class KeeperProcess:
    """A keeper of the app of ``paths``, started at once: forked if it is one of ``several``. Raise
    `CommandError` while ``monit boot`` stops all apps, OSError where no process can be started."""

    def __init__(self, paths: AppPaths, several: SeveralKeepers | None) -> None:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as its_own:
            errors = _open_log(paths.keeper_log)
            its_own.callback(os.close, errors)
            self.log_size = os.fstat(errors).st_size
            """Length of its log before it started."""
            stdin, self._to_keeper = os.pipe()
            its_own.callback(os.close, stdin)
            ours.callback(os.close, self._to_keeper)
            self._from_keeper, stdout = os.pipe()
            its_own.callback(os.close, stdout)
            ours.callback(os.close, self._from_keeper)
            self._pidfd = _spawn(paths, (stdin, stdout, errors), several)
            ours.pop_all()

    def request(self, message: bytes) -> dict[str, Any] | None:
        """Send ``message``, which is empty for a keeper that takes over, and return its one line as
        JSON; None without an answer."""
        with contextlib.suppress(BrokenPipeError), open(self._to_keeper, "wb", buffering=0) as pipe:
            sent = 0
            while sent < len(message):
                sent += pipe.write(message[sent:])
        try:
            answer: Any = jsonline.load(self._read_line())
        except ValueError:
            return None
        return cast("dict[str, Any]", answer) if isinstance(answer, dict) else None

    def silence(self) -> str:
        """Return what is known of a keeper that sent no answer."""
        if self._pidfd < 0 or select.select([self._pidfd], [], [], 0.0)[0]:
            return "it exited without a message"
        return f"it did not answer within {ANSWER_WITHIN_S:g} s; the machine may be overloaded"

    def kill(self) -> None:
        """Kill it and wait until it has exited."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            select.select([self._pidfd], [], [], KILL_S)

    def close(self) -> None:
        """Close the descriptor of the process, which keeps running."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def _read_line(self) -> bytes:
        end = time.monotonic() + ANSWER_WITHIN_S
        line = b""
        with open(self._from_keeper, "rb", buffering=0) as pipe:
            while not line.endswith(b"\n") and len(line) < _LINE_MAX_BYTES:
                readable, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
                part = os.read(pipe.fileno(), 4096) if readable else b""
                if not part:
                    break
                line += part
        return line


def _open_log(path: str) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)  # a keeper works without its log


def _spawn(paths: AppPaths, fds: tuple[int, int, int], several: SeveralKeepers | None) -> int:
    """Start the keeper and return its pid file descriptor, or -1 if it has exited already."""
    request = {"do": "start_keeper", "app": paths.name}
    answer = ask_boot(home_of(paths.folder), request, fds)
    if answer is not None and answer.get("stopping"):
        raise CommandError(ExitCode.FAILED, f"{paths.name}: {answer['message']}")
    if answer is not None and answer.get("ok") is True:
        pid = answer["pid"]
    elif several is None or (pid := several.fork(paths.folder, fds)) is None:
        pid = _start(keeper_command(paths.folder), fds)
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return -1


def _start(command: list[str], fds: tuple[int, int, int]) -> int:
    stdin, stdout, stderr = fds
    return subprocess.Popen(
        command, stdin=stdin, stdout=stdout, stderr=stderr, cwd="/", start_new_session=True
    ).pid
