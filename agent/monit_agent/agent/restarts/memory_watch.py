"""Measures workers that may soon pass their memory limit ten times a second, the others never.

A leak of 80 MB/s grows by half of a limit of 150 MB between two samples of one second. Reading the
memory of a single process takes 0.05 ms, so ten readings a second cost 0.05 % of a core, and only
while a worker grows towards its limit.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from monit_agent.agent.restarts.memory_guard import CEILING, MemoryGuard, Overrun
from monit_agent.agent.sampling.proctree import TreeReader
from monit_agent.wire.messages import InstanceRecord, Sample

LOOK_S = 0.1
"""How often a growing worker is measured."""

LOOK_SHARE = 10
"""The next look comes after at least this many times the duration of the last one: it takes 120 ms
in a tree of 4,000 processes, and seconds where large processes share their memory."""

AHEAD_S = 2
"""A worker that would pass its limit within this time is measured that often."""


class _Growing(NamedTuple):
    """A worker that is measured often."""

    pid: int
    used: int
    """Its memory in its last sample."""
    resident: int
    """The plain sum of its tree's resident memory at that time. A sample may count shared pages
    once, so only the growth of this sum is added."""


class MemoryWatch:
    """Applies `MemoryGuard` to the workers of one app."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reader: TreeReader,
        act: Callable[[int, Overrun], None],
    ) -> None:
        self._loop = loop
        self._reader = reader
        self._act = act
        self._guard = MemoryGuard()
        self._before: dict[int, tuple[int, int]] = {}
        """Pid and memory in the last sample, by instance."""
        self._growing: dict[int, _Growing] = {}
        self._limit: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def sample_made(self, record: InstanceRecord, sample: Sample, limit: int | None) -> None:
        """Judge a worker by its sample of this second, which has no tree if that was not read."""
        instance, pid, used = record.instance, sample.pid, sample.tree.rss_bytes
        self._limit = limit
        if pid is None or pid != record.pid:
            self._growing.pop(instance, None)
            return
        if used is None:
            return
        age_s = time.time() - (record.started_at or 0.0)
        overrun = self._guard.sampled(instance, pid, used, limit, age_s)
        self._remember(instance, pid, used, limit)
        if overrun is not None:
            self._act(instance, overrun)

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._guard.remove_instance(instance)
        self._before.pop(instance, None)
        self._growing.pop(instance, None)

    def _remember(self, instance: int, pid: int, used: int, limit: int | None) -> None:
        same, before = self._before.get(instance, (None, 0))
        self._before[instance] = (pid, used)
        grown = used - before if same == pid else used
        if limit is None or not self._guard.may_pass_soon(instance, used, limit, grown * AHEAD_S):
            self._growing.pop(instance, None)
            return
        self._growing[instance] = _Growing(pid, used, self._resident(pid))
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._timer = None
        began = self._loop.time()
        for instance, growing in list(self._growing.items()):
            used = self._used_now(growing)
            overrun = self._guard.used_now(instance, growing.pid, used, self._limit)
            if overrun is not None:
                self._act(instance, overrun)
        if self._growing:
            ended = self._loop.time()
            due = max(began + LOOK_S, ended + LOOK_SHARE * (ended - began))
            self._timer = self._loop.call_at(due, self._look)

    def _used_now(self, growing: _Growing) -> int:
        """Return an estimate of the memory now, which is never too high.

        Processes that were just forked add shared pages to the sum of the resident memory. So with
        several processes, only growth that is private to the tree counts.
        """
        tree = self._reader.tree(growing.pid)
        used = growing.used + sum(process.rss_bytes for process in tree) - growing.resident
        if len(tree) > 1 and self._limit is not None and used > self._limit * CEILING:
            used = min(used, self._reader.uss_bytes(growing.pid) or 0)
        return used

    def _resident(self, pid: int) -> int:
        return sum(process.rss_bytes for process in self._reader.tree(pid))
