"""Programs that the agent runs for a moment: checks, and hooks of alerts.

The output is read and dropped but for its end. Everything that a program started is killed with it.

Not `asyncio.create_subprocess_exec`: before Python 3.12 it takes a thread for each process, and
whether it waits for children that keep the output open depends on the version.
"""

import asyncio
import contextlib
import errno
import os
import resource
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monit_agent.system.mounts import waiting_mount
from monit_agent.system.users import RunAs

KEPT_BYTES = 4096
"""Of the output, from its end."""

LINE_CHARACTERS = 200


class ChildProgram(NamedTuple):
    """What is run, and how."""

    command: Sequence[str]
    cwd: str
    env: Mapping[str, str]
    files: tuple[int, int]
    """Its limit of descriptors."""
    stdin: int = subprocess.DEVNULL
    run_as: RunAs | None = None
    """Another user as whom it runs."""


class CannotRunError(Exception):
    """The program cannot be started or watched; the message says why."""


async def run_child(child: ChildProgram) -> tuple[int, bytes]:
    """Run a program; return its exit code, negative for a signal, and the end of its output.

    Everything that it started is killed when it has exited, and when this is cancelled. Returns
    only when the process is gone, also then: one that waits for a disk cannot be killed at once.
    Raise `CannotRunError`.
    """
    name = child.command[0]
    try:
        process = _start_process(child)
    except OSError as error:
        raise CannotRunError(f"cannot run {name}: {error.strerror}") from error
    try:
        exited = _watch_exit(process.pid)
    except OSError as error:
        _kill_group(process)
        process.wait()
        raise CannotRunError(f"cannot watch {name}: {error.strerror}") from error
    output = _OutputTail(process)
    try:
        await exited.wait()
        output.read()
    finally:
        output.close()
        _kill_group(process)
        await exited.wait()
        code = process.wait()
    return code, output.tail


class _OutputTail:
    """Reads what a process prints, and keeps the end of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 (for the type checker)
        self.tail = b""
        self._loop = asyncio.get_running_loop()
        self._file = process.stdout
        os.set_blocking(self._file.fileno(), False)
        self._loop.add_reader(self._file.fileno(), self.read)

    def read(self) -> None:
        """Read once what is there."""
        if self._file.closed:
            return
        try:
            part = os.read(self._file.fileno(), 65536)
        except BlockingIOError:
            return
        self.tail = (self.tail + part)[-KEPT_BYTES:]
        if not part:
            self.close()

    def close(self) -> None:
        """Read no more."""
        if not self._file.closed:
            self._loop.remove_reader(self._file.fileno())
            self._file.close()


def _watch_exit(pid: int) -> asyncio.Event:
    """Return an event that is set when the child ``pid`` has exited."""
    loop, exited = asyncio.get_running_loop(), asyncio.Event()
    pidfd = os.pidfd_open(pid)

    def note_exit() -> None:
        loop.remove_reader(pidfd)
        os.close(pidfd)
        exited.set()

    loop.add_reader(pidfd, note_exit)
    return exited


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # not reaped yet, so that the group is its own
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _start_process(child: ChildProgram) -> subprocess.Popen[bytes]:
    raised = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, child.files)
    try:
        return _popen(child)
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, raised)
    # this process has more open than the program may have: it gets its limit a moment later
    process = _popen(child)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, child.files)
    return process


def _popen(child: ChildProgram) -> subprocess.Popen[bytes]:
    user, command, cwd = child.run_as, child.command, child.cwd
    if waiting_mount(cwd, os.path.join(cwd, command[0])) is not None:
        # `Popen` returns when the program runs: a shell waits for the file system instead of us
        command, cwd = ("/bin/sh", "-c", 'cd "$0" && exec "$@"', cwd, *command), "/"
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=child.env,
        stdin=child.stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=user.groups if user else None,
    )


def outcome_text(code: int, tail: bytes) -> str:
    """Return ``exit code 1: no disk``: how a program ended, and the last line that it printed."""
    how = f"exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):
            how = f"killed by {signal.Signals(-code).name}"
    lines = [line.strip() for line in tail.decode("utf-8", "replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    return f"{how}: {last[:LINE_CHARACTERS]}" if last else how
