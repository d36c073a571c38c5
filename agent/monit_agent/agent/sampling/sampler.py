"""From readings of process trees to figures: sums, single processes, and CPU by difference.

CPU of a tree between two readings is what its processes used in between, also those that
started and exited in between: a parent's counter of reaped children grows by a child's whole
life, from which the part seen in earlier readings is subtracted. No step can return less than 0.
"""

import os
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.process_names import ProcessNames
from monit_agent.agent.sampling.proctree import TreeReader
from monit_agent.agent.sampling.tree_memory import TreeMemory
from monit_agent.agent.sampling.users import UserNames, effective_user
from monit_agent.system import procfs
from monit_agent.system.files.revision import revision_of, shown_revision
from monit_agent.system.mounts import waiting_mount
from monit_agent.wire.limits import PROCESSES
from monit_agent.wire.messages import Process, TreeFigures

MIN_INTERVAL_S = 0.1
"""Readings closer together than this make no new CPU value: the quotient would be noise."""

YOUNG_S = 1.0
"""Of a worker that is not older at its first reading, all of its life is the interval of a sample:
its CPU is known at once."""

CLOCK_STEP_S = 0.02
"""The start of a process is known to 10 ms, and a file that was written right before it must not
look younger."""

READ_SHARE = 0.1
"""Part of a core that reading all trees of an app may take. One process takes 40 µs and one of its
threads 7 µs, so 2,500 processes, or one with 10,000 threads, are read once a second, more of them
less often."""

EACH_SECOND_S = 1.0
"""So often all trees are read that are not too large for it."""

CHILDREN_S = 5.0
"""So often children are looked for below a process that had none and seems not to have forked:
listing them takes as long as all else that is read of it."""

Percents = Mapping[int, float]
"""CPU in percent of one core by pid; a process that was read only once has none."""


class SampledTree(NamedTuple):
    """The tree of one worker at one moment."""

    ppid: int
    figures: TreeFigures
    processes: tuple[Process, ...]
    """The largest processes below the worker, with what the kernel knows of them."""
    user: str | None = None
    """Who the worker runs as."""
    cpu_s: float = 0.0
    """CPU time of the tree since the worker started, as far as it was read; only grows."""
    revision: str | None = None
    """Which release of the app the worker runs."""
    started: float = 0.0
    """When the kernel started the worker, in its own unit: with the pid it names the worker."""
    read_at: float = 0.0
    """When the tree was read, in wall seconds."""


class _Reading(NamedTuple):
    at: float
    """Monotonic."""
    processes: dict[int, Proc]


class _LastSample(NamedTuple):
    """What the last reading of an instance's tree found."""

    pid: int
    at: float
    """Monotonic."""
    cost_s: float
    """CPU time of the reading."""
    tree: SampledTree


class _CpuUse(NamedTuple):
    """CPU in percent of one core, of a whole tree and of its processes."""

    tree: float | None
    each: Percents


def _passed_revision(env: Mapping[bytes, bytes]) -> str | None:
    """Return the revision that a keeper gave to a worker."""
    for part in env.get(b"OTEL_RESOURCE_ATTRIBUTES", b"").split(b","):
        name, _, value = part.partition(b"=")
        if name.strip() == b"vcs.ref.head.revision":
            from urllib.parse import unquote  # noqa: PLC0415 (0.5 MB, and few workers need it)

            return shown_revision(unquote(value.decode("utf-8", "replace")))
    return None


class TreeSampler:
    """Samples the trees of instances; remembers each one's last reading."""

    def __init__(self, reader: TreeReader, min_interval_s: float = MIN_INTERVAL_S) -> None:
        self._reader = reader
        self._min_interval_s = min_interval_s
        self._readings: dict[int, _Reading] = {}
        self._cpu: dict[int, _CpuUse] = {}
        self._used_s: dict[int, float] = {}
        self._names: dict[int, ProcessNames] = {}
        self._users = UserNames()
        self._revisions: dict[int, str | None] = {}
        self._memory = TreeMemory(reader)
        self._last: dict[int, _LastSample] = {}
        self._listed_at: dict[int, float] = {}
        """When the children of an instance's worker were looked for."""
        self._all_cost_s = 0.0

    def sample(self, instance: int, pid: int | None, now: float) -> SampledTree | None:
        """Read the tree of ``pid``; None without a worker or when it is gone.

        ``now`` is monotonic. CPU is None until the worker was read twice, unless it is young; that
        of a child until it was read twice. Where reading all trees takes more than `READ_SHARE`,
        the last sample of this one is returned again until its turn comes.
        """
        last = self._last.get(instance)
        if last is not None and last.pid == pid and now - last.at < self._pause_s():
            return last.tree
        began = time.thread_time()
        tree = self._read(instance, pid, now)
        if tree is not None and pid is not None:
            self._note(instance, _LastSample(pid, now, time.thread_time() - began, tree))
        return tree

    def _note(self, instance: int, last: _LastSample | None) -> None:
        before = self._last.pop(instance, None)
        self._all_cost_s -= before.cost_s if before is not None else 0.0
        if last is not None:
            self._last[instance] = last
            self._all_cost_s += last.cost_s

    def _pause_s(self) -> float:
        """Return for how long a reading is good."""
        pause_s = self._all_cost_s / READ_SHARE
        return pause_s if pause_s > EACH_SECOND_S else 0.0

    def _read(self, instance: int, pid: int | None, now: float) -> SampledTree | None:
        processes = self._processes(instance, pid, now) if pid is not None else []
        if not processes:
            self.remove(instance)
            return None
        read_at = time.time()
        self._measure(instance, _Reading(now, {process.pid: process for process in processes}))
        cpu = self._cpu.get(instance, _CpuUse(None, {}))
        fds = [process.fds for process in processes]
        figures = TreeFigures(
            cpu_percent=cpu.tree,
            rss_bytes=self._memory.bytes_of(instance, processes, now),
            threads=sum(process.threads for process in processes),
            fds=None if None in fds else sum(count for count in fds if count is not None),
            children=len(processes) - 1,
        )
        below = self._below(instance, processes, cpu.each)
        uid = effective_user(processes)
        user = None if uid is None else self._users.name_of(uid)
        return SampledTree(
            processes[0].ppid, figures, below, user,
            cpu_s=self._used_s[instance], revision=self._revisions[instance],
            started=processes[0].started, read_at=read_at,
        )  # fmt: skip

    def _processes(self, instance: int, pid: int, now: float) -> list[Proc]:
        before = self._readings.get(instance)
        if before is not None and now - self._listed_at.get(instance, 0.0) < CHILDREN_S:
            known = before.processes
            alone = known.get(pid) if len(known) == 1 else None
            found = self._reader.childless(alone) if alone is not None else None
            if found is not None:
                return [found]
        self._listed_at[instance] = now
        return self._reader.tree(pid)

    def remove(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone, or whose worker is."""
        for by_instance in (
            *(self._readings, self._cpu, self._used_s, self._names),
            *(self._revisions, self._listed_at),
        ):
            by_instance.pop(instance, None)
        self._note(instance, None)
        self._memory.remove(instance)

    def _below(self, instance: int, tree: list[Proc], percents: Percents) -> tuple[Process, ...]:
        if len(tree) == 1:
            self._names.pop(instance, None)
            return ()
        names = self._names.setdefault(instance, ProcessNames(self._reader))
        shown = largest(tree, percents)
        names.update(shown)
        return tuple(_described(process, percents, names) for process in shown)

    def _revision(self, worker: Proc) -> str | None:
        """Return the revision of the folder that the worker is in, as of its start. Of another
        user's worker, root believes only what its keeper read with that user's rights."""
        ids = procfs.ids_of(worker.pid)
        if ids is None or (os.geteuid() == 0 and ids[0] != 0):
            return _passed_revision(procfs.environment_of(worker.pid) or {})
        try:
            folder = os.readlink(f"/proc/{worker.pid}/cwd")
        except OSError:
            return None  # another user's, or gone
        if waiting_mount(folder) is not None:  # its keeper asked where waiting costs nobody else
            return _passed_revision(procfs.environment_of(worker.pid) or {})
        return revision_of(folder, self._reader.started_at(worker) + CLOCK_STEP_S)

    def _measure(self, instance: int, reading: _Reading) -> None:
        before = self._readings.get(instance)
        if before is None or not _same_root(before, reading):
            worker = next(iter(reading.processes.values()))
            whole = sum(each.cpu_s + each.reaped_cpu_s for each in reading.processes.values())
            self._cpu[instance] = _CpuUse(self._use_since_start(worker, whole), {})
            self._used_s[instance] = whole
            self._revisions[instance] = self._revision(worker)
        elif reading.at - before.at < self._min_interval_s:
            return  # the older reading stays the base of the next difference
        else:
            self._cpu[instance] = _cpu_use(before, reading)
            self._used_s[instance] += cpu_between(before.processes, reading.processes)
        self._readings[instance] = reading

    def _use_since_start(self, worker: Proc, used_s: float) -> float | None:
        """Return the CPU in percent of a young worker's whole life; None for an older one, which
        was not seen working lately."""
        age_s = time.time() - self._reader.started_at(worker)
        return 100.0 * used_s / age_s if self._min_interval_s <= age_s <= YOUNG_S else None


def largest(tree: Sequence[Proc], percents: Percents) -> list[Proc]:
    """Return the processes below the first of ``tree`` that matter most, at most `PROCESSES`.

    What counts is the share of the tree's CPU or of its memory, whichever is larger: of 300 idle
    processes, the few that work are shown.
    """
    cpu = sum(percents.values()) or 1.0
    memory = sum(process.rss_bytes for process in tree) or 1

    def share(process: Proc) -> tuple[float, int]:
        part = max(percents.get(process.pid, 0.0) / cpu, process.rss_bytes / memory)
        return -part, process.pid

    return sorted(tree[1:], key=share)[:PROCESSES]


def _described(process: Proc, percents: Percents, names: ProcessNames) -> Process:
    name, started_at = names.of(process)
    return Process(
        pid=process.pid,
        ppid=process.ppid,
        name=name,
        started_at=round(started_at, 2),
        cpu_percent=percents.get(process.pid),
        rss_bytes=process.rss_bytes,
        threads=process.threads,
        fds=process.fds,
    )


def _cpu_use(before: _Reading, after: _Reading) -> _CpuUse:
    """Return the use between two readings."""
    per_s = 100.0 / (after.at - before.at)
    each: dict[int, float] = {}
    for pid, process in after.processes.items():
        old = before.processes.get(pid)
        if old is not None and old.started == process.started:
            each[pid] = round(per_s * max(0.0, process.cpu_s - old.cpu_s), 2)
    return _CpuUse(round(per_s * cpu_between(before.processes, after.processes), 2), each)


def cpu_between(before: dict[int, Proc], after: dict[int, Proc]) -> float:
    """Return the CPU seconds that a tree used between two readings, never negative."""
    used = 0.0
    reaped: dict[int, float] = {}
    for pid, process in after.items():
        old = before.get(pid)
        if old is None or old.started != process.started:
            # started since: processes leave a tree when their parent exits, none moves in
            used += process.cpu_s
            reaped[pid] = process.reaped_cpu_s
        else:
            used += max(0.0, process.cpu_s - old.cpu_s)
            reaped[pid] = process.reaped_cpu_s - old.reaped_cpu_s
    for pid, old in before.items():
        process = after.get(pid)
        if process is None or process.started != old.started:
            ancestor = _nearest_alive(old, before, after)
            if ancestor is not None:
                reaped[ancestor] -= old.cpu_s + old.reaped_cpu_s
    return used + sum(max(0.0, seconds) for seconds in reaped.values())


def _nearest_alive(gone: Proc, before: dict[int, Proc], after: dict[int, Proc]) -> int | None:
    """Return the ancestor whose counter of reaped children took over ``gone``'s time."""
    parent = before.get(gone.ppid)
    while parent is not None:
        now = after.get(parent.pid)
        if now is not None and now.started == parent.started:
            return parent.pid
        parent = before.get(parent.ppid)
    return None


def _same_root(before: _Reading, after: _Reading) -> bool:
    old, new = next(iter(before.processes.values())), next(iter(after.processes.values()))
    return (old.pid, old.started) == (new.pid, new.started)
