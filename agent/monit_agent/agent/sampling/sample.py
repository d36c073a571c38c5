"""The one place where a `Sample` is put together from its sources. Pure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from monit_agent.agent.probes.figures import ProbeFigures, combine
from monit_agent.agent.sampling.sampler import SampledTree
from monit_agent.wire.messages import Health, LoopFigures, Process, Sample, TreeFigures

NO_PROBES: Mapping[int, ProbeFigures] = {}


class Inside(NamedTuple):
    """What is known of a worker besides its process tree."""

    probes: Mapping[int, ProbeFigures] = NO_PROBES
    """By the pid of each process that reports."""
    health: Health | None = None
    stuck_s: float | None = None


LookInside = Callable[[int, int], Inside]
"""Return what is known of an instance (its number) and its present worker (its pid)."""


def build_sample(
    at: float, pid: int | None, tree: SampledTree | None, inside: Inside | None
) -> Sample:
    """Return the sample of a worker at the wall time ``at``, or when its tree was read.

    Without a tree the worker has just exited, or there is none; ``inside`` is None without one.
    """
    inside = inside or Inside()
    parts = combine(inside.probes.values())
    below = tree.processes if tree else ()
    return Sample(
        at=tree.read_at if tree else at,
        pid=pid,
        ppid=tree.ppid if tree else None,
        user=tree.user if tree else None,
        revision=tree.revision if tree else None,
        tree=tree.figures if tree else TreeFigures(),
        heap=parts.heap,
        collector=parts.collector,
        scheduling=parts.scheduling,
        loop=_with_owner(parts.loop, inside.probes) if below else parts.loop,
        http=parts.http,
        metrics=parts.metrics,
        stuck_s=inside.stuck_s,
        health=inside.health,
        processes=tuple(_with_probe(each, inside.probes.get(each.pid)) for each in below),
    )


def without_tree(at: float, sample: Sample) -> Sample:
    """Return what a sample whose tree was read before has to say of the wall time ``at``."""
    return replace(sample, at=at, tree=TreeFigures(), processes=())


def _with_owner(loop: LoopFigures | None, probes: Mapping[int, ProbeFigures]) -> LoopFigures | None:
    """Return ``loop`` with the pid of the process that has the worst loop."""
    loops = {pid: each.worst_loop for pid, each in probes.items()}
    worst = max((each.badness, pid) for pid, each in loops.items() if each) if loop else None
    return replace(loop, pid=worst[1]) if loop and worst else loop


def _with_probe(process: Process, figures: ProbeFigures | None) -> Process:
    if figures is None:
        return process
    worst = figures.worst_loop
    return replace(
        process,
        probe=True,
        heap_used_bytes=figures.heap_used,
        loop_lag_p95_ms=round(worst.p95_ms, 3) if worst else None,
        loop_utilization=round(worst.use, 3) if worst and worst.use is not None else None,
    )
