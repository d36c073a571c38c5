"""The past of one instance's own metrics, in columns. Pure.

An hour of a metric takes 14 kB here; as `Metric` objects in the samples it would take 500.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Mapping

from monit_agent.typed import TYPE_CHECKING
from monit_agent.wire.limits import METRICS, RING_S
from monit_agent.wire.metrics import drawn

if TYPE_CHECKING:
    from monit_agent.wire.messages import Metric

_TRIM = 600
"""Moments that are dropped at once, so that dropping costs next to nothing."""


class MetricHistory:
    """What `drawn` gave of each metric at each moment; of `RING_S` moments at least, as long as
    there were so many."""

    __slots__ = ("_at", "_columns")

    def __init__(self) -> None:
        self._at = array("d")
        self._columns: dict[str, array[float]] = {}

    def add(self, at: float, metrics: "Mapping[str, Metric]") -> None:
        """Take in what came last; ``at`` is later than all before."""
        if not metrics and not self._columns:
            return
        for name in metrics:
            if name not in self._columns and len(self._columns) < METRICS:
                self._columns[name] = array("f", [math.nan]) * len(self._at)
        self._at.append(at)
        for name, column in self._columns.items():
            metric = metrics.get(name)
            column.append(_single(None if metric is None else drawn(metric)))
        if len(self._at) >= RING_S + _TRIM:
            self._trim()

    def value(self, name: str, at: float) -> float | None:
        """Return what was known of a metric at a moment; None for nothing."""
        column = self._columns.get(name)
        place = bisect_left(self._at, at)
        if column is None or place == len(self._at) or self._at[place] != at:
            return None
        return None if math.isnan(column[place]) else column[place]

    def _trim(self) -> None:
        del self._at[:_TRIM]
        for name, column in list(self._columns.items()):
            del column[:_TRIM]
            if all(map(math.isnan, column)):
                del self._columns[name]


def _single(value: float | None) -> float:
    """Return ``value`` as a column can hold it."""
    return math.nan if value is None or not abs(value) < 3e38 else value
