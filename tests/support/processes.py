"""Find, check and end processes. Every test ends all that it started, whatever happened."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

from support.waiting import wait_until

CLEAN_UP_S = 60.0
"""A busy machine needs seconds to look at a thousand processes; a stuck clean-up fails here."""


def processes_of(*homes: str | os.PathLike[str]) -> list[psutil.Process]:
    """Return the running processes that were started for a MONIT_HOME, without the test's own.

    A process belongs to a home that its environment or its command line names.
    """
    return [process for process, _, belongs in _look(homes) if belongs]


def end_processes_of(*homes: str | os.PathLike[str]) -> None:
    """Kill every process of these homes, and wait until none is left.

    Keepers, agents and zygotes start each other and the workers again, so all are halted before
    the first is killed. One look can miss a process that is just being forked, so only the second
    look in a row that finds none ends this.
    """
    found: set[psutil.Process] = set()
    empty_looks = 0

    def nothing_runs() -> bool:
        nonlocal empty_looks
        found.update(_halted(homes))
        for process in found:
            _signal(process, signal.SIGKILL)
        found.difference_update([each for each in found if not _is_alive(each)])
        empty_looks = 0 if found else empty_looks + 1
        return empty_looks == 2

    wait_until(nothing_runs, deadline_s=CLEAN_UP_S, what=f"nothing of {homes} runs")


def _halted(homes: Iterable[str | os.PathLike[str]]) -> set[psutil.Process]:
    """Halt all processes of these homes and all below them; return them.

    A program that writes its own title, as redis does, hides both marks: its parents lead to it.
    """
    halted: set[psutil.Process] = set()
    while True:
        new = _with_descendants(_look(homes)) - halted
        if not new:
            return halted
        for process in new:
            _signal(process, signal.SIGSTOP)
        halted |= new


def _look(
    homes: Iterable[str | os.PathLike[str]],
) -> list[tuple[psutil.Process, int, bool]]:
    """Return each running process with its parent's pid and whether it belongs to these homes."""
    folders = [os.fspath(home) for home in homes]
    own = _own_processes()
    found: list[tuple[psutil.Process, int, bool]] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error), process.oneshot():
            if process.status() != psutil.STATUS_ZOMBIE:
                belongs = process.pid not in own and _belongs(process, folders)
                found.append((process, process.ppid(), belongs))
    return found


def _belongs(process: psutil.Process, folders: list[str]) -> bool:
    if any(folder in word for word in process.cmdline() for folder in folders):
        return True
    return process.environ().get("MONIT_HOME") in folders


def _with_descendants(looked: list[tuple[psutil.Process, int, bool]]) -> set[psutil.Process]:
    ours = {process.pid: process for process, _, belongs in looked if belongs}
    grew = True
    while grew:
        below = {p.pid: p for p, parent, _ in looked if parent in ours and p.pid not in ours}
        ours |= below
        grew = bool(below)
    return set(ours.values())


def _own_processes() -> set[int]:
    """Return pytest's own processes, which carry the variable while a test runs."""
    me = psutil.Process()
    return {me.pid, *(parent.pid for parent in me.parents())}


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def end_group(leader: "subprocess.Popen[Any]") -> None:
    """Kill a program that was started with a session of its own, with all of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()


def words_of(process: psutil.Process) -> list[str]:
    """Return the command line of a process, empty when it has just exited."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def is_running(pid: int) -> bool:
    """Return whether such a process is alive (a zombie is not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] not in (b"Z", b"X")


def kill(pid: int | None) -> None:
    """Kill one process with SIGKILL and wait until the kernel has closed its sockets."""
    assert pid is not None
    process = psutil.Process(pid)
    process.kill()
    process.wait(timeout=20)
