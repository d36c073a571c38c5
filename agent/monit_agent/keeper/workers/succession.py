"""Which process takes over when the main process of a worker exits and the worker goes on.

A server that upgrades itself starts its successor, which inherits the listening socket, and exits
when its last request is answered: gunicorn at SIGUSR2 and SIGTERM, programs that use tableflip or
einhorn. A crash leaves processes with that socket too, so a successor is looked for
only after a clean exit, or, when no keeper could see the exit, only where it has a pool of its own.
"""

import time

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.ports import accepting
from monit_agent.keeper.upgrade.inherited import Values
from monit_agent.system import procfs
from monit_agent.system.listening import listening_inodes, tcp_listeners, unix_listeners

FIRST_LOOK_S = 1.0
LOOK_FACTOR = 3.0
LAST_LOOK_S = 3600.0
"""A program may open its sockets late. Looks at 1 s, 3 s, 9 s … cost eight wake-ups in an hour."""


class SeenSockets:
    """The listening sockets of workers whose app declares no port: after the exit they cannot be
    seen."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._inodes: dict[int, set[int]] = {}

    def watch(self, pid: int) -> None:
        """Look at the sockets of a worker from time to time."""
        self._inodes[pid] = set()
        self._look_in(pid, FIRST_LOOK_S)

    def hand_on(self) -> Values:
        """Return what was seen, for the next program."""
        return {"inodes": [[pid, sorted(inodes)] for pid, inodes in self._inodes.items()]}

    def resume(self, given: Values) -> None:
        """Know what the program before this one has seen, and look on."""
        for pid, inodes in given.get("inodes", ()):
            self.watch(pid)
            self._inodes[pid] |= {*inodes}

    def forget(self, pid: int) -> None:
        """Forget a worker that has exited."""
        self._inodes.pop(pid, None)
        self._loop.set_alarm(_alarm(pid), None, _nothing)

    def of(self, pid: int) -> set[int]:
        """Return the inodes of the listening sockets that were seen."""
        return self._inodes.get(pid, set())

    def _look_in(self, pid: int, seconds: float) -> None:
        due = time.monotonic() + seconds
        self._loop.set_alarm(_alarm(pid), due, lambda: self._look(pid, seconds))

    def _look(self, pid: int, seconds: float) -> None:
        own = _sockets_of(pid)
        # a wrapper has none; then those of its program count
        below = (_sockets_of(each) for each in procfs.descendant_pids(pid)) if not own else ()
        # of all sockets, a busy server has thousands of other ones at every look
        self._inodes[pid] |= _listening_ones(pid, own.union(*below))
        self._look_in(pid, min(seconds * LOOK_FACTOR, LAST_LOOK_S))


def find_successor(left: list[int], inodes: set[int], code: int | None) -> int | None:
    """Return the process of ``left`` that takes over, or None.

    Args:
        left: what the main process left behind.
        inodes: the listening sockets that the successor must have one of.
        code: the exit code of the main process, None if it is unknown.
    """
    holders = {pid for pid in left if _sockets_of(pid) & inodes}
    parents = {pid: stat.parent for pid in holders if (stat := procfs.process_stat(pid))}
    roots = [pid for pid, parent in parents.items() if parent not in holders]
    masters = [pid for pid in roots if pid in parents.values()]
    found = masters
    if code == 0:
        found = masters or roots
    elif code is not None or len(roots) > 1:
        return None
    return max(found, key=_started_at, default=None)


def listening_sockets(
    left: list[int], port: int | None, shared: set[int], seen: set[int] | None
) -> set[int]:
    """Return the listening sockets of an instance that left the processes ``left``: those that it
    shares and those at its port; of one without either, those that were seen in it, and all if
    nothing is known of that (None)."""
    if not left:
        return set()
    if port is not None:
        return shared | listening_inodes(left[0], port)
    if shared:
        return shared
    listening = {*accepting.own_listeners(left, set())}
    return listening if seen is None else seen & listening


def _sockets_of(pid: int) -> set[int]:
    return {inode for _, inode in procfs.open_sockets(pid)}


def _listening_ones(pid: int, inodes: set[int]) -> set[int]:
    """Return which of a process's sockets listen."""
    if not inodes:
        return inodes
    return inodes & {*tcp_listeners(pid), *unix_listeners()}


def _started_at(pid: int) -> int:
    stat = procfs.process_stat(pid)
    return stat.start_ticks if stat else 0


def _alarm(pid: int) -> str:
    return f"sockets of {pid}"


def _nothing() -> None:
    """For an alarm that is cancelled."""
