"""The last hour of samples of one instance, in columns.

A sample as an object takes 350 bytes and its numbers as much again: 25 MB for ten
instances. Columns of machine numbers take 48 bytes a sample (1.7 MB for ten instances and an
hour), 88 when a probe fills the others too, and 116 with HTTP; a column exists from its first
value on.
"""

import math
from array import array

import msgspec

from monit_agent.wire.limits import METRICS, OWN_COLUMNS, RING_S
from monit_agent.wire.messages import Metric, OwnHistory, Sample
from monit_agent.wire.metrics import drawn

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


GONE_S = 60.0
"""A metric that was not told for this long makes room for another one."""


class Room:
    """How many columns of own metrics the rings of one agent may have together."""

    def __init__(self, columns: int = OWN_COLUMNS) -> None:
        self.left = columns


class _Own:
    """The column of one of the app's own metrics: what is drawn of it (`metrics.drawn`)."""

    def __init__(self, filled: int) -> None:
        self.values = array("f", [math.nan]) * filled
        self.seen_at = 0.0
        self.newest: Metric = Metric(value=None)


class Ring:
    """Samples of one instance, the oldest dropped when ``capacity`` is reached.

    Of the app's own metrics only what is drawn is kept, in 14 kB each, as long as ``room`` has
    any; a metric that is gone makes room for a new one.
    """

    def __init__(self, capacity: int = RING_S, room: Room | None = None) -> None:
        self._capacity = capacity
        self._room = room or Room()
        self._own: dict[str, _Own] = {}
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
        self._append_own(slot, filled, sample)
        self._next = (slot + 1) % self._capacity

    def since(self, at: float) -> tuple[Sample, ...]:
        """Give the samples taken at or after ``at`` (wall seconds), oldest first, without the
        app's own metrics."""
        return tuple(self._sample(slot) for slot in self._slots(at))

    def own_since(self, at: float) -> dict[str, OwnHistory]:
        """Give the past of the app's own metrics by name, a value for each sample of `since`."""
        slots = self._slots(at)
        past = {
            name: OwnHistory(
                kind=own.newest.kind,
                unit=own.newest.unit,
                values=tuple(_known(own.values[slot]) for slot in slots),
            )
            for name, own in self._own.items()
        }
        return {
            name: each for name, each in past.items() if any(v is not None for v in each.values)
        }

    def clear(self) -> None:
        """Give the room of the own metrics back."""
        self._room.left += len(self._own)
        self._own.clear()

    def _slots(self, at: float) -> list[int]:
        count = len(self._at)
        oldest = self._next if count == self._capacity else 0
        order = ((oldest + step) % count for step in range(count))
        return [slot for slot in order if self._at[slot] >= at]

    def _append_own(self, slot: int, filled: int, sample: Sample) -> None:
        for name, metric in sample.metrics.items():
            own = self._own.get(name) or self._new_own(name, filled, sample.at)
            if own is not None:
                own.seen_at, own.newest = sample.at, metric
        for name, own in self._own.items():
            metric = sample.metrics.get(name)
            value = drawn(metric) if metric is not None else None
            self._put(own.values, slot, math.nan if value is None else value)

    def _new_own(self, name: str, filled: int, at: float) -> _Own | None:
        """Give a new column; None when there is no room and no metric is gone."""
        if self._room.left <= 0 or len(self._own) >= METRICS:
            oldest = min(self._own, key=lambda each: self._own[each].seen_at, default=None)
            if oldest is None or self._own[oldest].seen_at >= at - GONE_S:
                return None
            del self._own[oldest]
            self._room.left += 1
        self._room.left -= 1
        own = self._own[name] = _Own(filled)
        return own

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


def _known(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
