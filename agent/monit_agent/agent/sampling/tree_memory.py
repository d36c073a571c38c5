"""The memory of process trees, with pages that several of their processes share counted once.

A forked process shares all memory of its parent until one of them writes to it. The sum of the
resident memory counts such a page once for each process: 1,003 MB for a preloading master with
eight workers that use 114 MB together. The kernel's proportional share (``Pss`` in
``smaps_rollup``) divides each page by the number of its processes, so its sum counts it once.

It is dear, because the kernel visits each page. Measured (Linux 6.18, CPU of one reading): 2 ms for
a process of 110 MB that it shares with eight others, 9 ms for 500 MB, 27 ms for 2 GB. ``statm``
takes 6 µs, but what it calls shared is files and shared memory only: 30 MB in the same tree. So
``smaps_rollup`` is read

* only of trees with several processes: a single one shares nothing within its tree;
* of a process that is new, or whose tree has gained or lost one; else every `AGAIN_S` if it has
  worked since and every `IDLE_AGAIN_S` if not, and less often if it is large (`RATIO`);
* for no more than `SHARE` of a core in all trees of an app, save for one burst of `BURST_S`.

In between, what a process has grown by counts as its own.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import TreeReader

SHARE = 0.005
"""Part of a core that readings may take: the budget of a worker's probe, too."""

BURST_S = 0.03
"""CPU time that may be used at once after a quiet time. The agent answers nobody meanwhile."""

AGAIN_S, IDLE_AGAIN_S = 15.0, 60.0
"""A process is read again after this, or the second if it used less than `WORKED_S` of CPU since:
it shares less only after it has written."""

WORKED_S = 0.05

CHANGED_AGAIN_S = 2.0
"""A process is read again this soon when another one came or went, which changes its share."""

RATIO = 2000.0
"""A reading that took a second of CPU is not repeated for this many seconds."""

Key = tuple[int, float]
"""Pid and start time."""


class _Reading(NamedTuple):
    at: float
    """Monotonic."""
    cost_s: float
    rss_bytes: int
    pss_bytes: int | None
    """None where the kernel does not allow it (another user's process)."""
    cpu_s: float
    """The process's own CPU time by then."""
    members: int
    """A number that changes when a process enters or leaves the tree."""


class _Tree:
    """What is remembered of one instance's tree."""

    def __init__(self) -> None:
        self.readings: dict[Key, _Reading] = {}
        self.keys: frozenset[Key] = frozenset()
        self.members = 0

    def note_members(self, processes: Sequence[Proc]) -> None:
        """Forget processes that are gone, and note whether any came or went."""
        keys = frozenset((process.pid, process.started) for process in processes)
        if keys != self.keys:
            self.keys = keys
            self.members += 1
            self.readings = {key: each for key, each in self.readings.items() if key in keys}


class TreeMemory:
    """Computes the memory of the trees of one app's instances."""

    def __init__(self, reader: TreeReader) -> None:
        self._reader = reader
        self._trees: dict[int, _Tree] = {}
        self._waiting: dict[int, None] = {}
        """Instances whose turn did not come, for lack of CPU time; the first is the next."""
        self._left_s = BURST_S
        """CPU time that may be used now."""
        self._filled_at = 0.0

    def bytes_of(self, instance: int, processes: Sequence[Proc], now: float) -> int:
        """Return the memory of an instance's tree (its root first); ``now`` is monotonic.

        That is never less than its largest process has, so that a tree and a single process are
        counted alike: pages that others on the machine share too (libraries) are in both.
        """
        if len(processes) == 1:
            self.remove(instance)
            return processes[0].rss_bytes
        tree = self._trees.setdefault(instance, _Tree())
        tree.note_members(processes)
        self._read_due(instance, tree, processes, now)
        largest = max(process.rss_bytes for process in processes)
        return max(largest, sum(_shares(tree.readings, processes)))

    def remove(self, instance: int) -> None:
        """Drop what is remembered of an instance's tree."""
        self._trees.pop(instance, None)
        self._waiting.pop(instance, None)

    def _read_due(self, instance: int, tree: _Tree, processes: Sequence[Proc], now: float) -> None:
        self._left_s = min(BURST_S, self._left_s + SHARE * max(0.0, now - self._filled_at))
        self._filled_at = now
        due = _due(tree, processes, now)
        if due:
            self._waiting.setdefault(instance)
        if not due or self._left_s <= 0.0 or next(iter(self._waiting)) != instance:
            return
        del self._waiting[instance]
        for process in due:
            if self._left_s <= 0.0:
                self._waiting[instance] = None  # behind the others
                return
            self._read(tree, process, now)

    def _read(self, tree: _Tree, process: Proc, now: float) -> None:
        began = time.thread_time()
        pss = self._reader.pss_bytes(process.pid)
        cost_s = time.thread_time() - began
        self._left_s -= cost_s
        tree.readings[process.pid, process.started] = _Reading(
            now, cost_s, process.rss_bytes, pss, process.cpu_s, tree.members
        )


def _due(tree: _Tree, processes: Sequence[Proc], now: float) -> list[Proc]:
    """Return the processes to read now, those first that were never read or not for longest."""
    due: list[tuple[float, int]] = []
    for place, process in enumerate(processes):
        before = tree.readings.get((process.pid, process.started))
        if before is None:
            due.append((0.0, place))
        elif now - before.at >= _again_s(before, process, tree.members):
            due.append((before.at, place))
    return [processes[place] for _, place in sorted(due)]


def _again_s(before: _Reading, process: Proc, members: int) -> float:
    """Return for how long a reading is good."""
    if before.pss_bytes is None:
        return IDLE_AGAIN_S
    if before.members != members:
        return CHANGED_AGAIN_S
    worked = process.cpu_s - before.cpu_s >= WORKED_S
    return max(AGAIN_S if worked else IDLE_AGAIN_S, RATIO * before.cost_s)


def _shares(readings: dict[Key, _Reading], processes: Sequence[Proc]) -> list[int]:
    """Return what each process adds to the memory of the tree, as far as it is known now."""
    resident = {process.pid: process.rss_bytes for process in processes}
    shares: list[int] = []
    for process in processes:
        reading = readings.get((process.pid, process.started))
        if reading is None:
            # its turn comes within seconds: most that is new was just forked, and shares what its
            # parent has
            shares.append(max(0, process.rss_bytes - resident.get(process.ppid, 0)))
        elif reading.pss_bytes is None:
            shares.append(process.rss_bytes)
        else:
            shares.append(_grown(reading.pss_bytes, reading.rss_bytes, process.rss_bytes))
    return shares


def _grown(pss: int, rss_then: int, rss_now: int) -> int:
    if rss_now >= rss_then:
        return pss + rss_now - rss_then
    return pss * rss_now // rss_then if rss_then else 0
