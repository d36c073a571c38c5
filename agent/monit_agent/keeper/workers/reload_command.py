"""Runs the commands by which workers reload themselves.

A command runs as the worker's user, in its folder and with its variables, and prints into its
pipes. It belongs to the worker's process tree: what it leaves running may be the worker's
successor. The last lines in the log since its start are kept for the message of a failure.
"""

import os
from collections.abc import Callable

from monit_agent.keeper.workers import descendants
from monit_agent.keeper.workers.spawn import NewProcess, SpawnOrder, read_exec_error, spawn
from monit_agent.supervise.text import exit_text
from monit_agent.system import procfs
from monit_agent.typed import Any, NamedTuple

KEPT_BYTES = 4096
"""Of the output, from its end."""
LINES, LINE_CHARACTERS = 10, 200
"""Of that, what a message has."""


class ReloadResult(NamedTuple):
    """How a reload command ended. ``failure`` is None if it exited with 0."""

    failure: str | None
    output: tuple[str, ...]
    """The last lines that it printed, if it failed."""


class ReloadCalls(NamedTuple):
    """What `ReloadCommands` calls."""

    ended: Callable[[int, ReloadResult], None]
    """With the instance, once for each command that was not killed by `ReloadCommands.kill`."""
    printed: Callable[[int, dict[str, int], int], bytes]
    """Returns what an instance printed, see `Logs.last_bytes_since`."""
    not_killed: Callable[[int | None, set[int]], None]
    """With the instance and the processes of a command that must end and that run as another user;
    the instance is None for a command of an earlier keeper."""
    excluded: set[int]
    """Children of the keeper that belong to no worker."""


class _Command:
    """A command. ``ends`` is how far the streams of its instance reached at its start."""

    def __init__(self, instance: int, new: NewProcess, ends: dict[str, int]) -> None:
        self.instance = instance
        self.pid, self.ticks = new.pid, new.ticks
        self.error_fd = new.error_fd
        self.ends = ends
        self.is_killed = False
        self.is_foreign = False
        """It should have been killed, but runs as another user."""


class ReloadCommands:
    """At most one command for each instance."""

    def __init__(self, calls: ReloadCalls) -> None:
        self._calls = calls
        self._by_pid: dict[int, _Command] = {}

    def start(self, instance: int, order: SpawnOrder, ends: dict[str, int]) -> None:
        """Start a command for a worker; raise OSError when there can be no process."""
        new = spawn(order)
        self._by_pid[new.pid] = _Command(instance, new, ends)
        self._calls.excluded.add(new.pid)

    def not_killed(self, instance: int) -> int | None:
        """Return the pid of an earlier command of an instance that runs as another user and could
        not be killed; None if there is none."""
        each = self._by_pid.values()
        return next((one.pid for one in each if one.instance == instance and one.is_foreign), None)

    def saved(self) -> list[list[int]]:
        """Return the commands that run, each as its pid and start time in ticks."""
        return [[command.pid, command.ticks] for command in self._by_pid.values()]

    def kill(self, instance: int) -> None:
        """Kill the command of an instance with all that is in its session; its result is not
        reported."""
        for command in self._by_pid.values():
            if command.instance == instance and not command.is_killed:
                command.is_killed = True
                command.is_foreign = command.pid in self._kill_session(command.pid, instance)

    def kill_saved(self, saved: list[Any]) -> None:
        """Kill the commands that an earlier keeper `saved`, and all in their sessions. What a
        command left that has exited is not touched: it may be the worker's successor."""
        for pid, ticks in saved:
            stat = procfs.process_stat(pid)
            if stat is not None and not stat.exited and stat.start_ticks == ticks:
                self._kill_session(pid, None)

    def child_exited(self, pid: int, status: int) -> None:
        """Report the end of a command, if ``pid`` is one."""
        command = self._by_pid.pop(pid, None)
        if command is None:
            return
        self._calls.excluded.discard(pid)
        not_run = read_exec_error(command.error_fd)
        if command.is_killed:
            return
        if not_run is not None:
            result = ReloadResult(f"the reload command {not_run.text}", ())
        elif status == 0:
            result = ReloadResult(None, ())
        else:
            printed = self._calls.printed(command.instance, command.ends, KEPT_BYTES)
            result = _failure(os.waitstatus_to_exitcode(status), _last_lines(printed))
        self._calls.ended(command.instance, result)

    def _kill_session(self, leader: int, instance: int | None) -> set[int]:
        refused = descendants.kill_session(leader)
        if refused:
            self._calls.not_killed(instance, refused)
        return refused


def _failure(code: int, lines: tuple[str, ...]) -> ReloadResult:
    how = exit_text(code, None) if code > 0 else exit_text(None, -code)
    last = f": {lines[-1]}" if lines else ""
    return ReloadResult(f"the reload command failed ({how}){last}", lines)


def _last_lines(printed: bytes) -> tuple[str, ...]:
    lines = (line.rstrip() for line in printed.decode("utf-8", "replace").splitlines())
    return tuple(line[:LINE_CHARACTERS] for line in lines if line)[-LINES:]
