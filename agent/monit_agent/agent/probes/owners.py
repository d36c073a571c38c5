"""Which worker a process belongs to."""

from collections.abc import Container

from monit_agent.agent.probes.node_streams import STREAMS
from monit_agent.system.procfs import process_stat

DEPTH = 64
"""Generations between a process and its worker."""


class ProcessOwners:
    """Remembers which worker each process is below of; it is looked up once."""

    def __init__(self) -> None:
        self._owners: dict[tuple[int, int], int] = {}
        """By pid, and when the process's probe started."""

    def known_worker(self, pid: int, started: int) -> int | None:
        """Return which worker the process was found to be below of, if it was looked up."""
        return self._owners.get((pid, started))

    def worker_of(self, pid: int, started: int, roots: Container[int]) -> int | None:
        """Return which of the workers ``roots`` the process is or descends from."""
        key = (pid, started)
        known = self.known_worker(pid, started)
        if known is not None and known in roots:
            return known
        root = root_of(pid, roots)
        if root is None:
            return None
        if len(self._owners) > 4 * STREAMS:
            self._owners.clear()
        self._owners[key] = root
        return root


def root_of(pid: int, roots: Container[int]) -> int | None:
    """Return which of ``roots`` the process ``pid`` is or descends from; None for none of them."""
    at: int | None = pid
    for _ in range(DEPTH):
        if at is None or at in roots:
            return at
        at = _parent_pid(at)
    return None


def _parent_pid(pid: int) -> int | None:
    stat = process_stat(pid)
    return stat.parent if stat and stat.parent > 1 else None
