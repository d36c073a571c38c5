"""The processes below a worker, one by one: whom a sample names, and their figures. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from monit_agent.observe.names import Names
from monit_agent.observe.probes import Figures
from monit_agent.observe.proctree import Proc
from monit_agent.wire.limits import PROCESSES
from monit_agent.wire.messages import Process, Sample

Percents = Mapping[int, float]
"""CPU in percent of one core by pid; a process that was looked at but once has none."""


def largest(tree: Sequence[Proc], percents: Percents) -> list[Proc]:
    """Give the processes below the first of ``tree`` that matter most, at most `PROCESSES`.

    What counts is the share of the tree's CPU or of its memory, whichever is larger: of 300 idle
    ones the few that work are seen.
    """
    cpu = sum(percents.values()) or 1.0
    memory = sum(process.rss_bytes for process in tree) or 1

    def share(process: Proc) -> tuple[float, int]:
        part = max(percents.get(process.pid, 0.0) / cpu, process.rss_bytes / memory)
        return -part, process.pid

    return sorted(tree[1:], key=share)[:PROCESSES]


def described(processes: Sequence[Proc], percents: Percents, names: Names) -> tuple[Process, ...]:
    """Give what the kernel tells of these processes."""
    made: list[Process] = []
    for process in processes:
        name, started_at = names.of(process)
        made.append(
            Process(
                pid=process.pid,
                ppid=process.ppid,
                name=name,
                started_at=round(started_at, 2),
                cpu_percent=percents.get(process.pid),
                rss_bytes=process.rss_bytes,
                threads=process.threads,
                fds=process.fds,
            )
        )
    return tuple(made)


def put_inside(sample: Sample, inside: Mapping[int, Figures]) -> Sample:
    """Give ``sample`` with what the probes of its processes tell, by pid."""
    if not sample.processes or not inside:
        return sample
    processes = tuple(_with(each, inside.get(each.pid)) for each in sample.processes)
    worst = [
        ((loop.p95_ms, loop.max_ms, loop.use or 0.0), pid)
        for pid, figures in inside.items()
        for loop in figures.loops
    ]
    return msgspec.structs.replace(
        sample, processes=processes, loop_pid=max(worst)[1] if worst else None
    )


def _with(process: Process, figures: Figures | None) -> Process:
    if figures is None:
        return process
    worst = max(figures.loops, key=lambda loop: (loop.p95_ms, loop.max_ms), default=None)
    return msgspec.structs.replace(
        process,
        probe=True,
        heap_used_bytes=figures.heap_used,
        loop_lag_p95_ms=round(worst.p95_ms, 3) if worst else None,
        loop_utilization=round(worst.use, 3) if worst and worst.use is not None else None,
    )
