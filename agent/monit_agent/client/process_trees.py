"""The processes below a worker, in the order of a tree. Pure."""

from collections.abc import Callable, Iterable

from monit_agent.client.view import InstanceView
from monit_agent.typed import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from monit_agent.wire.messages import Process, Sample


DEEPEST = 4
"""Generations that are indented; deeper processes are shown at the last level."""


class Branch(NamedTuple):
    """A process, and the number of shown processes between it and the worker."""

    process: "Process"
    depth: int


def process_branches(
    sample: "Sample | None", key: "Callable[[Process], Any] | None" = None
) -> tuple[Branch, ...]:
    """Return the processes of a sample, each below its parent; siblings are sorted by ``key``
    (None: oldest first).

    A process whose parent is not in the sample is placed directly below the worker; data that
    is not a tree becomes a flat list.
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
    return (*found, *_flat(below.values()))


def processes_of(view: InstanceView | None) -> "tuple[Process, ...]":
    """Return the processes below the current worker of an instance."""
    sample = view.sample if view else None
    if view is None or sample is None or sample.pid is None or sample.pid != view.record.pid:
        return ()
    return sample.processes


def _flat(circles: "Iterable[list[Process]]") -> list[Branch]:
    return [Branch(process, 0) for siblings in circles for process in siblings]


def _age(process: "Process") -> tuple[float, int]:
    return process.started_at or 0.0, process.pid
