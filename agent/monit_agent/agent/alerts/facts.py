"""What rules look at: an instance in one second, and what was noted of it before. Pure."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from monit_agent.wire.messages import AppRecord, HttpFigures, InstanceRecord, Sample

REQUESTS_S = 60
"""The seconds over which failed requests are counted."""


class RecentRequests:
    """How many HTTP requests were answered in the last `REQUESTS_S` seconds, and with errors."""

    def __init__(self) -> None:
        self.answered = 0.0
        self.failed = 0.0
        self._seconds: deque[tuple[float, float]] = deque()

    def add(self, http: HttpFigures | None) -> None:
        """Count one second."""
        if http is None and not self._seconds:
            return
        second = (http.requests_per_s or 0.0, http.errors_per_s or 0.0) if http else (0.0, 0.0)
        self._seconds.append(second)
        if len(self._seconds) > REQUESTS_S:
            self._seconds.popleft()
        # not by difference: what was added and taken off as floats would not come back to 0
        self.answered = sum(answered for answered, _ in self._seconds)
        self.failed = sum(failed for _, failed in self._seconds)


class Noted:
    """What was noted of an instance: it cannot be seen in one sample."""

    def __init__(self) -> None:
        self.requests = RecentRequests()
        self.unhealthy: str | None = None
        """Why the health check had the worker replaced; None since a check passed."""
        self.out_of_memory_at: float | None = None
        """When the kernel killed a worker because memory was short."""
        self.exits_seen: float | None = None
        """Time of the last exit that was looked at."""


class Facts(NamedTuple):
    """An instance in one second."""

    app: AppRecord
    record: InstanceRecord
    sample: Sample
    noted: Noted
    now: float
    """Of the engine's clock."""
    wall: float


def unplanned_exits(record: InstanceRecord, seconds: float, wall: float) -> int:
    """Return how many workers exited without a request within the last ``seconds``."""
    return sum(count for at, count in _unplanned(record) if at > wall - seconds)


def _unplanned(record: InstanceRecord) -> Iterator[tuple[float, int]]:
    yield from record.earlier_restarts
    yield from ((at, 1) for at in record.restart_times)
