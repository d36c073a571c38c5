"""The last hour of samples of one instance, in columns.

A sample as an object takes 350 bytes and its numbers as much again: 25 MB for ten
instances. Columns of machine numbers take 48 bytes a sample (1.7 MB for ten instances and an
hour), 88 when a probe fills the others too, and 116 with HTTP; a column exists from its first
value on.
"""

import math
from array import array

import msgspec

from monit_agent.wire.limits import RING_S
from monit_agent.wire.messages import Sample

_INTEGERS = (
    "pid", "rss_bytes", "threads", "fds", "children", "ppid", "heap_size_bytes", "heap_used_bytes",
    "gc_collections", "tasks", "handles", "loop_blocks", "http_in_flight",
)  # fmt: skip
_WIDE = frozenset({"rss_bytes", "heap_size_bytes", "heap_used_bytes"})
"""Of these a double holds every value exactly; of the other integers a float does too."""
_FLOATS = (
    "cpu_percent", "heap_usage_percent", "loop_lag_p50_ms", "loop_lag_p95_ms",
    "loop_lag_p99_ms", "loop_lag_max_ms", "loop_utilization",
    "gc_ms", "gc_max_ms", "sched_delay_p95_ms", "sched_delay_max_ms",
    "http_rps", "http_errors_per_s", "http_p50_ms", "http_p95_ms", "http_p99_ms", "http_max_ms",
)  # fmt: skip


class Ring:
    """Samples of one instance, the oldest dropped when ``capacity`` is reached.

    The app's own metrics (`Sample.metrics`) are not kept.
    """

    def __init__(self, capacity: int = RING_S) -> None:
        self._capacity = capacity
        self._at = array("d")
        self._columns: dict[str, array[float]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._at)

    def append(self, sample: Sample) -> None:
        """Keep ``sample`` as the newest."""
        filled = len(self._at)
        slot = self._next
        self._put(self._at, slot, sample.at)
        for name in (*_INTEGERS, *_FLOATS):
            value: float | None = getattr(sample, name)
            column = self._columns.get(name)
            if column is None:
                if value is None:
                    continue
                column = array("d" if name in _WIDE else "f", [math.nan]) * filled
                self._columns[name] = column
            self._put(column, slot, math.nan if value is None else value)
        self._next = (slot + 1) % self._capacity

    def since(self, at: float) -> tuple[Sample, ...]:
        """Give the samples taken at or after ``at`` (wall seconds), oldest first."""
        count = len(self._at)
        oldest = self._next if count == self._capacity else 0
        order = ((oldest + step) % count for step in range(count))
        return tuple(self._sample(slot) for slot in order if self._at[slot] >= at)

    def _sample(self, slot: int) -> Sample:
        values: dict[str, float] = {"at": self._at[slot]}
        for name, column in self._columns.items():
            value = column[slot]
            if not math.isnan(value):
                values[name] = int(value) if name in _INTEGERS else round(value, 4)
        return msgspec.convert(values, Sample)

    @staticmethod
    def _put(column: "array[float]", slot: int, value: float) -> None:
        if slot == len(column):
            column.append(value)
        else:
            column[slot] = value
