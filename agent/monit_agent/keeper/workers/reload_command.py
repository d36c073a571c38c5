"""Runs the commands by which workers reload themselves.

A command runs as the worker's user, in its folder and with its variables, and belongs to its
process tree: what it leaves running may be the worker's successor. What it prints goes to the log
of the instance, and the end of it is kept for the message of a failure.
"""

import os
import signal
import time
from collections.abc import Callable

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.spawn import SpawnOrder, read_exec_error, spawn
from monit_agent.supervise.text import exit_text
from monit_agent.system.memory.shortage import with_spare
from monit_agent.system.suppress import suppress
from monit_agent.typed import NamedTuple

KEPT_BYTES = 4096
"""Of the output, from its end."""
LINES, LINE_CHARACTERS = 10, 200
"""Of that, what a message has."""
READ_BYTES = 4096
"""So much is written into the pipe of the log as a whole or not at all."""
READS = 32
"""Reads at the exit of a command: its pipe holds 64 KiB, and what it left may print on."""
RETRY_S = 0.5


class ReloadResult(NamedTuple):
    """How a reload command ended. ``failure`` is None if it exited with 0."""

    failure: str | None
    output: tuple[str, ...]
    """The last lines that it printed."""


class ReloadCalls(NamedTuple):
    """What `ReloadCommands` calls."""

    ended: Callable[[int, ReloadResult], None]
    """With the instance, once for each command that was not killed by `ReloadCommands.kill`."""
    log: Callable[[int, bytes], bool]
    """Writes what a command printed to the log of an instance; False when there is no room now."""
    excluded: set[int]
    """Children of the keeper that belong to no worker."""


class _Command:
    """A command, and the pipe into which it prints."""

    def __init__(self, instance: int, pid: int, error_fd: int, output: int) -> None:
        self.instance = instance
        self.pid = pid
        self.error_fd = error_fd
        self.output = output
        self.tail = b""
        self.unlogged = b""
        self.is_killed = False


class ReloadCommands:
    """At most one command for each instance."""

    def __init__(self, loop: Loop, calls: ReloadCalls) -> None:
        self._loop = loop
        self._calls = calls
        self._by_pid: dict[int, _Command] = {}

    @property
    def is_any_running(self) -> bool:
        """Return whether a command runs."""
        return bool(self._by_pid)

    def start(self, instance: int, order: Callable[[int], SpawnOrder]) -> None:
        """Start the command of ``order(output)`` for a worker; raise OSError when there can be no
        process."""
        output, write_fd = with_spare(os.pipe)
        os.set_blocking(output, False)
        try:
            new = spawn(order(write_fd))
        except OSError:
            os.close(output)
            raise
        finally:
            os.close(write_fd)
        command = self._by_pid[new.pid] = _Command(instance, new.pid, new.error_fd, output)
        self._calls.excluded.add(new.pid)
        self._watch(command)

    def kill(self, instance: int) -> None:
        """Kill the command of an instance with all that is in its session; nothing is reported."""
        for command in self._by_pid.values():
            if command.instance == instance and not command.is_killed:
                command.is_killed = True
                with suppress(ProcessLookupError):
                    os.killpg(command.pid, signal.SIGKILL)  # not reaped yet, so it is its own

    def child_exited(self, pid: int, status: int) -> None:
        """Report the end of a command, if ``pid`` is one."""
        command = self._by_pid.pop(pid, None)
        if command is None:
            return
        self._calls.excluded.discard(pid)
        for _ in range(READS):
            if not self._read(command):
                break
        not_run = read_exec_error(command.error_fd)
        if command.is_killed:
            return
        lines = _last_lines(command.tail)
        self._calls.ended(command.instance, _result(not_run and not_run.text, status, lines))

    # ------------------------------------------------------------ output

    def _watch(self, command: _Command) -> None:
        self._loop.watch(command.output, lambda _events: self._ready(command))

    def _ready(self, command: _Command) -> None:
        self._read(command)

    def _read(self, command: _Command) -> bool:
        """Read once; return whether there may be more."""
        if command.output < 0 or command.unlogged:
            return False
        try:
            data = os.read(command.output, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:  # also what it left running prints nothing more
            self._loop.unwatch(command.output)
            os.close(command.output)
            command.output = -1
            return False
        command.tail = (command.tail + data)[-KEPT_BYTES:]
        self._log(command, data)
        return True

    def _log(self, command: _Command, data: bytes) -> None:
        command.unlogged = b"" if self._calls.log(command.instance, data) else data
        if command.unlogged:  # it waits, as a worker does that prints
            self._loop.unwatch(command.output)
            alarm = f"output of {command.pid}"
            self._loop.set_alarm(alarm, time.monotonic() + RETRY_S, lambda: self._again(command))

    def _again(self, command: _Command) -> None:
        self._log(command, command.unlogged)
        if not command.unlogged:
            self._watch(command)


def _result(not_run: str | None, status: int, lines: tuple[str, ...]) -> ReloadResult:
    code = os.waitstatus_to_exitcode(status)
    if not_run is not None:
        return ReloadResult(f"the reload command {not_run}", ())
    if code == 0:
        return ReloadResult(None, lines)
    how = exit_text(code, None) if code > 0 else exit_text(None, -code)
    last = f": {lines[-1]}" if lines else ""
    return ReloadResult(f"the reload command failed ({how}){last}", lines)


def _last_lines(tail: bytes) -> tuple[str, ...]:
    lines = (line.rstrip() for line in tail.decode("utf-8", "replace").splitlines())
    return tuple(line[:LINE_CHARACTERS] for line in lines if line)[-LINES:]
