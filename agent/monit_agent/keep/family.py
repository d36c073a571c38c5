"""Who descends from which worker, also when the ancestors between them are dead.

A process belongs to a worker by its session (every worker leads one), else by ``MONIT_PID`` in
the environment that it inherited. As the keeper is a subreaper, orphans become its
children; those of an adopted worker do not, they are looked for among all processes.
"""

import os
import signal
from collections.abc import Iterable

from monit_agent.keep import procfs

_DEAD_KEPT = 256


class Families:
    """Knows living and lately dead workers by pid; ``spared`` are children that are none."""

    def __init__(self, *, subreaper: bool) -> None:
        self.spared: set[int] = set()
        self._subreaper = subreaper
        self._alive: set[int] = set()
        self._dead: list[int] = []

    def add(self, leader: int) -> None:
        """A worker lives."""
        self._alive.add(leader)
        if leader in self._dead:
            self._dead.remove(leader)

    def remove(self, leader: int) -> None:
        """A worker is dead; its descendants may come to light later."""
        self._alive.discard(leader)
        self._dead = [*self._dead, leader][-_DEAD_KEPT:]

    def leader_of(self, pid: int) -> int | None:
        """Give the worker, alive or dead, that ``pid`` is or descends from, or None."""
        known = procfs.stat(pid)
        if known is None:
            return None
        if known.session in self._alive or known.session in self._dead:
            return known.session
        named = (procfs.environ(pid) or {}).get(b"MONIT_PID", b"")
        leader = int(named) if named.isdigit() else 0
        return leader if leader in self._alive or leader in self._dead else None

    def left_of(self, leader: int, *, adopted: bool) -> list[int]:
        """Give the living descendants of a worker that has just died."""
        candidates = self._orphans(adopted=adopted)
        return [pid for pid in candidates if is_alive(pid) and self.leader_of(pid) == leader]

    def sweep(self) -> None:
        """Kill what came to us late from a dead worker: its parent outlived that worker."""
        for pid in procfs.children(os.getpid()) or ():
            strange = pid not in self._alive and pid not in self.spared
            if strange and self.leader_of(pid) in self._dead:
                send(pid, signal.SIGKILL)

    def _orphans(self, *, adopted: bool) -> Iterable[int]:
        mine = procfs.children(os.getpid()) if self._subreaper and not adopted else None
        if mine is None:
            return [pid for pid in procfs.everyone() if pid not in self._alive]
        new = [pid for pid in mine if pid not in self._alive and pid not in self.spared]
        return [*new, *(below for pid in new for below in procfs.descendants(pid))]


def kill_strays(marks: dict[bytes, bytes], leaders: Iterable[int]) -> None:
    """Kill what dead workers of an earlier keeper left behind: all processes whose environment
    has ``marks`` and names none of the living ``leaders``."""
    alive = {b"%d" % leader for leader in leaders}
    for pid in procfs.everyone():
        env = procfs.environ(pid)
        if env and all(env.get(name) == value for name, value in marks.items()):
            named = env.get(b"MONIT_PID")
            if named is not None and named not in alive:
                send(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Tell whether there is such a process and it has not ended."""
    known = procfs.stat(pid)
    return known is not None and known.state not in "ZX"


def send(pid: int, number: int) -> None:
    """Send a signal; whoever is gone or not ours to signal is left alone."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
