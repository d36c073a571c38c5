"""Simulated time: calls in the order of their times, and no waiting."""

import heapq
from collections.abc import Callable
from itertools import count


class Timeline:
    """A clock that stands still until `run_until` moves it. Times are wall times, in seconds."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._order = count()
        self._calls: list[tuple[float, int, Callable[[], None]]] = []

    def call_at(self, at: float, call: Callable[[], None]) -> None:
        """Call ``call`` when the clock reaches ``at``; calls of one time run in order."""
        heapq.heappush(self._calls, (max(at, self.now), next(self._order), call))

    def run_until(self, at: float) -> None:
        """Move the clock to ``at`` and run every call that is due on the way."""
        while self._calls and self._calls[0][0] <= at:
            due, _, call = heapq.heappop(self._calls)
            self.now = due
            call()
        self.now = max(self.now, at)

    def next_due(self) -> float | None:
        """Return the time of the next call."""
        return self._calls[0][0] if self._calls else None

    def move_calls_to(self, other: "Timeline") -> None:
        """Move all calls that are still to come to ``other``."""
        for at, _, call in sorted(self._calls, key=lambda one: one[:2]):
            other.call_at(at, call)
        self._calls.clear()

    def clear(self) -> None:
        """Drop all calls."""
        self._calls.clear()
