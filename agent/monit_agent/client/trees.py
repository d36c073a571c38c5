"""The processes below a worker in the order in which a person reads a tree. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Process, Sample

DEEPEST = 4
"""Generations that are told apart: what lies deeper stands beside the last of them."""


class Branch(NamedTuple):
    """A process, and how many of those shown are between it and the worker."""

    process: Process
    depth: int


def branches(
    sample: Sample | None, key: Callable[[Process], Any] | None = None
) -> tuple[Branch, ...]:
    """Give the processes of a sample, each below its parent; siblings are sorted by ``key``
    (None: oldest first).

    One whose parent is not in the sample stands right below the worker; what an agent sent that
    is no tree comes out flat.
    """
    if sample is None:
        return ()
    known = {process.pid: process for process in sample.processes}
    below: dict[int | None, list[Process]] = {}
    for process in sorted(known.values(), key=key or _age):
        parent = process.ppid if process.ppid in known else None
        below.setdefault(parent, []).append(process)
    found: list[Branch] = []
    left = [(each, 0) for each in reversed(below.pop(None, []))]
    while left:
        process, depth = left.pop()
        found.append(Branch(process, min(depth, DEEPEST)))
        left += [(each, depth + 1) for each in reversed(below.pop(process.pid, []))]
    return (*found, *_unreached(below.values()))


def processes_of(view: InstanceView | None) -> tuple[Process, ...]:
    """Give the processes below the present worker of an instance."""
    sample = view.sample if view else None
    if view is None or sample is None or sample.pid is None or sample.pid != view.record.pid:
        return ()
    return sample.processes


def _unreached(circles: Iterable[list[Process]]) -> list[Branch]:
    return [Branch(process, 0) for siblings in circles for process in siblings]


def _age(process: Process) -> tuple[float, int]:
    return process.started_at or 0.0, process.pid
