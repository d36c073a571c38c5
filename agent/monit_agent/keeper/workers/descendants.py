"""Which worker a process belongs to, also when the processes between them have exited.

A process belongs to a worker by its session (every worker leads one), else by ``MONIT_PID`` in
the environment that it inherited, else by its parent. The keeper is a subreaper, so orphans become
its children. Those of an adopted worker do not: they are searched among all processes.

A worker's tree is known by the pid of the process that was started first, its *leader*. The main
process of the worker is usually the leader; after a handover it is another process of the tree.
"""

import os
import signal
from collections.abc import Iterable

from monit_agent.keeper.upgrade.inherited import Values
from monit_agent.system import procfs

_DEAD_KEPT = 256
_KILL_ROUNDS = 10
"""A process may fork while its session is read; what was killed forks no more."""
_UNKNOWN = 0
"""The owner of an orphan of which nothing tells where it comes from."""
_OUR_TITLES = (b"monit-agent ", b"monit-agents ", b"monit-zygote ")
_OUR_SCRIPTS = (b"/monit_agent/keeper/__main__.py", b"/monit_agent/agent/__main__.py")


class WorkerTrees:
    """The trees of running and recently exited workers. ``marks`` are the variables that all
    workers of the app have; ``excluded`` are other children."""

    def __init__(self, marks: dict[bytes, bytes], *, subreaper: bool) -> None:
        self.excluded: set[int] = set()
        self._marks = marks
        self._subreaper = subreaper
        self._mains: dict[int, int] = {}
        """Pid of the main process by leader."""
        self._leaders: dict[int, int] = {}
        """Leader by the pid of each process that is or was the main process of its tree."""
        self._dead: list[int] = []

    def add(self, leader: int, main: int) -> None:
        """Add a worker, or note that ``main`` is now its main process."""
        if leader in self._dead:
            self._dead.remove(leader)
            self._forget(leader)
        self._mains[leader] = main
        self._leaders[leader] = self._leaders[main] = leader

    def remove(self, leader: int) -> None:
        """Mark a worker as exited; its descendants may appear later."""
        self._mains.pop(leader, None)
        self._dead.append(leader)
        for old in self._dead[:-_DEAD_KEPT]:
            self._forget(old)
        self._dead = self._dead[-_DEAD_KEPT:]

    def hand_on(self) -> Values:
        """Return what the next program needs to know the orphans of exited workers."""
        return {"leaders": list(self._leaders.items()), "dead": self._dead}

    def resume(self, given: Values) -> None:
        """Know what the program before this one knew; before `add`."""
        self._leaders, self._dead = dict(given.get("leaders", ())), list(given.get("dead", ()))

    def leaders(self) -> list[int]:
        """Return the leaders of the running workers."""
        return list(self._mains)

    def worker_of_process(self, pid: int) -> int | None:
        """Return the leader of the worker, running or exited, that ``pid`` is or descends from, or
        None."""
        return self._owner(pid) or None

    def leftovers_of(self, leader: int, *, adopted: bool, unknown: bool) -> list[int]:
        """Return the running descendants of a worker whose main process has exited. ``unknown``
        adds orphans of unknown origin, if no other worker is left that they could come from."""
        orphans = self._orphans()
        owners = {leader, _UNKNOWN} if unknown and list(self._mains) == [leader] else {leader}
        known: dict[int, int | None] = {}
        candidates = procfs.all_pids() if adopted or orphans is None else orphans
        return [pid for pid in candidates if self._is_left(pid, owners, known)]

    def kill_late_orphans(self) -> None:
        """Kill orphans of exited workers that arrive late, because their parent outlived the
        worker; and those of unknown origin, if no worker is left."""
        owners = {*self._dead} if self._mains else {*self._dead, _UNKNOWN}
        known: dict[int, int | None] = {}
        if not owners:
            return
        for pid in procfs.child_pids(os.getpid()) or ():
            if self._is_left(pid, owners, known):
                send(pid, signal.SIGKILL)

    def _is_left(self, pid: int, owners: set[int], known: "dict[int, int | None]") -> bool:
        return (
            pid not in self._mains.values()
            and self._owner(pid, known) in owners
            and is_alive(pid)
            and not is_monit(pid)
        )

    def _owner(self, pid: int, known: "dict[int, int | None] | None" = None) -> int | None:
        """Return the leader of the tree that a process belongs to, `_UNKNOWN` for an orphan that
        nothing is known of, None for any other process. ``known`` keeps the answers of one search.
        """
        known = {} if known is None else known
        if pid not in known:
            known[pid] = None  # a chain of parents may change while it is followed
            known[pid] = self._find_owner(pid, known)
        return known[pid]

    def _find_owner(self, pid: int, known: "dict[int, int | None]") -> int | None:
        stat = procfs.process_stat(pid)
        if stat is None or pid in self.excluded:
            return None
        leader = self._leaders.get(pid) or self._leaders.get(stat.session)
        if leader is not None:
            return leader
        env = procfs.environment_of(pid)
        if env is None or b"MONIT_PID" in env:
            return self._named_leader(env or {})
        if is_monit(pid):
            return None  # what agents start belongs to no worker
        if stat.parent == os.getpid():
            return _UNKNOWN
        return self._owner(stat.parent, known) if stat.parent > 1 else None

    def _named_leader(self, env: dict[bytes, bytes]) -> int | None:
        named = env.get(b"MONIT_PID", b"")
        if not named.isdigit() or any(env.get(key) != value for key, value in self._marks.items()):
            return None
        return self._leaders.get(int(named))

    def _orphans(self) -> list[int] | None:
        """Return the children of the keeper that are no workers, and all below them; None where
        orphans do not become its children."""
        mine = procfs.child_pids(os.getpid()) if self._subreaper else None
        if mine is None:
            return None
        others = [pid for pid in mine if pid not in (*self.excluded, *self._mains.values())]
        return [*others, *(below for pid in others for below in procfs.descendant_pids(pid))]

    def _forget(self, leader: int) -> None:
        self._leaders = {pid: known for pid, known in self._leaders.items() if known != leader}


def leader_of_worker(pid: int, marks: dict[bytes, bytes]) -> int:
    """Return the leader of a worker of an earlier keeper, whose main process is ``pid``."""
    env = procfs.environment_of(pid) or {}
    named = env.get(b"MONIT_PID", b"")
    if named.isdigit() and all(env.get(name) == value for name, value in marks.items()):
        return int(named)
    return procfs.session_of(pid) or pid  # a long title overwrites the environment (gunicorn)


def kill_leftovers(
    marks: dict[bytes, bytes], leaders: Iterable[int], gone: set[int], *, only_workers: bool
) -> None:
    """Kill what the exited workers of an earlier keeper left behind: all processes whose
    environment has ``marks`` and names none of the running ``leaders``, and all in the sessions of
    the workers that are ``gone``. ``only_workers``: only workers that were not adopted, and no
    leftovers."""
    alive = {b"%d" % leader for leader in leaders}
    for pid in procfs.all_pids() if gone and not only_workers else ():
        if procfs.session_of(pid) in gone and not is_monit(pid):
            send(pid, signal.SIGKILL)
    for pid, env in procfs.processes_with(marks):
        named = env.get(b"MONIT_PID")
        if named is None or named in alive or is_monit(pid):
            continue
        if not only_workers or named == b"%d" % pid:
            send(pid, signal.SIGKILL)


def kill_session(leader: int) -> set[int]:
    """Kill all processes of the session that ``leader`` leads; return those that belong to another
    user and were not killed."""
    seen: set[int] = set()
    refused: set[int] = set()
    for _ in range(_KILL_ROUNDS):
        found = {pid for pid in procfs.all_pids() if procfs.session_of(pid) == leader} - seen
        refused |= {pid for pid in found if not send(pid, signal.SIGKILL)}
        seen |= found
        if not found:
            break
    return refused


def is_monit(pid: int) -> bool:
    """Return whether a process is a keeper, an agent or a zygote, of whatever app. They may be our
    children: agents outlive their keepers, and a worker may start another app."""
    line = procfs.read_file(f"/proc/{pid}/cmdline") or b""
    words = line.split(b"\0")
    return line.startswith(_OUR_TITLES) or any(word.endswith(_OUR_SCRIPTS) for word in words[:6])


def is_alive(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    stat = procfs.process_stat(pid)
    return stat is not None and not stat.exited


def send(pid: int, number: int) -> bool:
    """Send a signal to a process that may have exited; return whether we may signal it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True
