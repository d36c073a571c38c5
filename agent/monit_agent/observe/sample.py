"""From looks at process trees to samples: sums, single processes, and CPU by difference.

CPU of a tree between two looks is what its processes used in between, also those that were
born and ended in between: a parent's account of reaped children grows by a child's whole
life, of which the part seen in earlier looks is taken off again. No step of this can give
less than nothing.
"""

from typing import NamedTuple

from monit_agent.observe.family import Percents, described, largest
from monit_agent.observe.names import Names
from monit_agent.observe.proctree import Proc, TreeReader
from monit_agent.wire.messages import Process, Sample

MIN_INTERVAL_S = 0.1
"""Looks closer together than this give no new CPU value: the quotient would be noise."""


class _Look(NamedTuple):
    at: float
    """Monotonic."""
    processes: dict[int, Proc]


class _Use(NamedTuple):
    """CPU in percent of one core, of a whole tree and of its processes."""

    tree: float | None
    each: Percents


class Sampler:
    """Makes samples of instances; remembers each one's last look."""

    def __init__(self, reader: TreeReader, min_interval_s: float = MIN_INTERVAL_S) -> None:
        self._reader = reader
        self._min_interval_s = min_interval_s
        self._looks: dict[int, _Look] = {}
        self._uses: dict[int, _Use] = {}
        self._names: dict[int, Names] = {}

    def sample(self, instance: int, pid: int | None, wall: float, now: float) -> Sample:
        """Look at the tree of ``pid`` (None: no worker) and give its sample.

        ``wall`` and ``now`` are the same moment on the wall and the monotonic clock, seconds.
        CPU is None until the worker was looked at twice, that of a child until it was.
        """
        processes = self._reader.tree(pid) if pid is not None else []
        if not processes:
            self.forget(instance)
            return Sample(at=wall, pid=pid)
        self._measure(instance, _Look(now, {process.pid: process for process in processes}))
        use = self._uses.get(instance, _Use(None, {}))
        fds = [process.fds for process in processes]
        return Sample(
            at=wall,
            pid=pid,
            cpu_percent=use.tree,
            rss_bytes=sum(process.rss_bytes for process in processes),
            threads=sum(process.threads for process in processes),
            fds=None if None in fds else sum(count for count in fds if count is not None),
            children=len(processes) - 1,
            ppid=processes[0].ppid,
            processes=self._children(instance, processes, use.each),
        )

    def forget(self, instance: int) -> None:
        """Drop what is remembered of a slot whose worker or self is gone."""
        for by_instance in (self._looks, self._uses, self._names):
            by_instance.pop(instance, None)

    def _children(self, instance: int, tree: list[Proc], percents: Percents) -> tuple[Process, ...]:
        if len(tree) == 1:
            self._names.pop(instance, None)
            return ()
        names = self._names.setdefault(instance, Names(self._reader))
        shown = largest(tree, percents)
        names.update(shown)
        return described(shown, percents, names)

    def _measure(self, instance: int, look: _Look) -> None:
        before = self._looks.get(instance)
        if before is None or not _same_root(before, look):
            self._uses.pop(instance, None)
        elif look.at - before.at < self._min_interval_s:
            return  # the older look stays the base of the next difference
        else:
            self._uses[instance] = _use(before, look)
        self._looks[instance] = look


def _use(before: _Look, after: _Look) -> _Use:
    """Give the use between two looks."""
    per_s = 100.0 / (after.at - before.at)
    each: dict[int, float] = {}
    for pid, process in after.processes.items():
        old = before.processes.get(pid)
        if old is not None and old.started == process.started:
            each[pid] = round(per_s * max(0.0, process.cpu_s - old.cpu_s), 2)
    return _Use(round(per_s * cpu_between(before.processes, after.processes), 2), each)


def cpu_between(before: dict[int, Proc], after: dict[int, Proc]) -> float:
    """Give the CPU seconds that a tree used between two looks, never negative."""
    used = 0.0
    reaped: dict[int, float] = {}
    for pid, process in after.items():
        old = before.get(pid)
        if old is None or old.started != process.started:
            # born since: processes leave a tree when their parent dies, none moves in
            used += process.cpu_s
            reaped[pid] = process.reaped_cpu_s
        else:
            used += max(0.0, process.cpu_s - old.cpu_s)
            reaped[pid] = process.reaped_cpu_s - old.reaped_cpu_s
    for pid, old in before.items():
        process = after.get(pid)
        if process is None or process.started != old.started:
            heir = _nearest_alive(old, before, after)
            if heir is not None:
                reaped[heir] -= old.cpu_s + old.reaped_cpu_s
    return used + sum(max(0.0, seconds) for seconds in reaped.values())


def _nearest_alive(gone: Proc, before: dict[int, Proc], after: dict[int, Proc]) -> int | None:
    """Give the ancestor whose account of reaped children took over ``gone``'s time."""
    parent = before.get(gone.ppid)
    while parent is not None:
        now = after.get(parent.pid)
        if now is not None and now.started == parent.started:
            return parent.pid
        parent = before.get(parent.ppid)
    return None


def _same_root(before: _Look, after: _Look) -> bool:
    old, new = next(iter(before.processes.values())), next(iter(after.processes.values()))
    return (old.pid, old.started) == (new.pid, new.started)
