"""Stops what a worker leaves behind when its main process has exited.

*Roots first*: the stop signal goes to the processes whose parent has exited. When one of them
exits, the children that it leaves get it. So each process decides itself when its children stop,
and a pool finishes its jobs although a shell stood above it.
"""

import os
import signal
from collections.abc import Callable, Iterable

from monit_agent.keeper.braked_call import BrakedCall
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.workers.descendants import send
from monit_agent.system import procfs

WATCHED_MAX = 64
"""Descriptors at a time for the exits of one worker's leftovers; the others' turn comes later."""
AGAIN_S = 0.05
"""When to search again where no exit can be waited for."""
_SHELLS = ("sh", "bash", "dash", "ash", "busybox", "ksh", "ksh93", "mksh", "zsh")


class LeftoverStop:
    """Stops the processes that ``find()`` returns; calls ``finished()`` when none is left, and
    ``changed()`` when another one got the stop signal.

    ``signaled`` are those that have the stop signal already; ``at_once``: roots and others alike.
    """

    def __init__(
        self,
        loop: Loop,
        find: Callable[[], list[int]],
        finished: Callable[[], None],
        changed: Callable[[], None],
        *,
        stop_signal: int,
        signaled: set[int],
        at_once: bool,
    ) -> None:
        self._loop = loop
        self._find = find
        self._finished = finished
        self._changed = changed
        self._stop_signal = stop_signal
        self.signaled = signaled
        self._at_once = at_once
        self._killed = False
        self._is_finished = False
        self._untouchable: set[int] = set()
        """Processes of another user, which we may not signal and do not wait for."""
        self._pidfds: list[int] = []
        self._checks = BrakedCall(loop, f"leftovers {id(self)}", self._check)

    def check(self) -> None:
        """Signal whose turn it is, and wait for the next exit."""
        self._checks.call_now()

    def process_exited(self) -> None:
        """Check soon: a process has exited. Many that exit together are one check."""
        if not self._is_finished:
            self._unwatch()
            self._checks.request()

    def _check(self) -> None:
        if self._is_finished:
            return
        self._unwatch()
        left = [pid for pid in self._find() if pid not in self._untouchable]
        self.signaled &= {*left}
        roots = _roots(left)
        for pid in left if self._killed or self._at_once else roots:
            if self._killed:
                self._send_kill(pid)
            elif pid not in self.signaled:
                self.signaled |= stop_process(pid, self._stop_signal)
                self._changed()
        self._watch(dict.fromkeys([*roots, *left]))
        if not left:
            self._is_finished = True
            self._finished()
        elif not self._pidfds:  # they have exited meanwhile, or no descriptor is free
            self._checks.request(AGAIN_S)

    def check_soon(self, *, killed: bool = False) -> None:
        """Do so in the next round of the loop; ``killed``: all that are left were to be killed."""
        self._killed = killed
        self._checks.request()

    def kill(self) -> None:
        """Kill all that are left."""
        self._killed = True
        self.check()

    def _send_kill(self, pid: int) -> None:
        if not send(pid, signal.SIGKILL):
            self._untouchable.add(pid)

    def _watch(self, left: Iterable[int]) -> None:
        for pid in left:
            if len(self._pidfds) >= WATCHED_MAX or pid in self._untouchable:
                continue
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                continue
            self._pidfds.append(pidfd)
            self._loop.watch(pidfd, lambda _events: self.process_exited())

    def _unwatch(self) -> None:
        for pidfd in self._pidfds:
            self._loop.unwatch(pidfd)
            os.close(pidfd)
        self._pidfds = []


def stop_process(pid: int, number: int) -> set[int]:
    """Send a stop signal, and SIGCONT so that a stopped process receives it. Return who got it.

    A shell with a trap runs it only after its foreground program has exited. So that program gets
    the signal too, or both would wait until they are killed.
    """
    below = _foreground_programs(pid) if _waits_before_trap(pid, number) else []
    send(pid, number)
    send(pid, signal.SIGCONT)
    return {pid}.union(*(stop_process(child, number) for child in below))


def _waits_before_trap(pid: int, number: int) -> bool:
    return procfs.handles_signal(pid, number) and procfs.program_of(pid) in _SHELLS


def _foreground_programs(shell: int) -> list[int]:
    """Return the children that a script waits for. In the background, started with ``&``, a program
    inherits that SIGQUIT is ignored; the script stops it itself."""
    children = procfs.child_pids(shell) or []
    return [pid for pid in children if not procfs.ignores_signal(pid, signal.SIGQUIT)]


def _roots(left: list[int]) -> list[int]:
    """Return those whose parent is none of them."""
    pids = {*left}
    stats = ((pid, procfs.process_stat(pid)) for pid in left)
    return [pid for pid, stat in stats if stat is None or stat.parent not in pids]
