"""The last hour of one instance's figures, in columns.

A sample as an object takes 350 bytes and its numbers as much again: 25 MB for ten
instances. Columns of machine numbers take 48 bytes a sample (1.7 MB for ten instances and an
hour), 88 when a probe fills the others too, and 116 with HTTP; a column exists from its first
value on.
"""

import math
from array import array
from typing import Any, NamedTuple

from monit_agent.wire.limits import METRICS, OWN_COLUMNS, RING_S
from monit_agent.wire.messages import Metric, OwnHistory, Sample
from monit_agent.wire.metrics import FIGURES, INTEGERS, drawn

_WIDE = frozenset({"rss_bytes", "heap_size_bytes", "heap_used_bytes"})
"""A double holds every value of these exactly; a float does so of the other integers."""

_PARTS = {
    part: tuple((name, field) for name, (where, field) in FIGURES.items() if where == part)
    for part, _ in FIGURES.values()
}
"""Names and fields by part of a `Sample`: a part that is None is skipped as a whole, which makes
`Ring.append` half as expensive for a worker without a probe."""

GONE_S = 60.0
"""A metric that was not reported for this long makes room for another one."""


class RoomForMetrics:
    """How many columns of own metrics the rings of one agent may have together."""

    def __init__(self, columns: int = OWN_COLUMNS) -> None:
        self.columns = columns


class MetricColumns(NamedTuple):
    """The fields of a `MetricsPart`."""

    at: tuple[float, ...]
    figures: dict[str, tuple[int | float | None, ...]]
    own: dict[str, OwnHistory]


class _OwnColumn:
    """One of the app's own metrics: what is drawn of it (`metrics.drawn`)."""

    def __init__(self, filled: int) -> None:
        self.values = array("f", [math.nan]) * filled
        self.seen_at = 0.0
        self.newest: Metric = Metric(value=None)


class Ring:
    """Figures of one instance, the oldest dropped when ``capacity`` is reached.

    Of the app's own metrics only what is drawn is kept, in 14 kB each, as long as ``room`` has
    any; a metric that is gone makes room for a new one.
    """

    def __init__(self, capacity: int = RING_S, room: RoomForMetrics | None = None) -> None:
        self._capacity = capacity
        self._room = room or RoomForMetrics()
        self._own: dict[str, _OwnColumn] = {}
        self._at = array("d")
        self._columns: dict[str, array[float]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._at)

    def append(self, sample: Sample) -> None:
        """Keep the figures of ``sample`` as the newest."""
        filled = len(self._at)
        slot = self._next
        for column in self._columns.values():
            _put(column, slot, math.nan)
        for part, fields in _PARTS.items():
            record: Any = getattr(sample, part) if part else sample
            if record is not None:
                self._append_part(slot, filled, record, fields)
        self._append_own(slot, filled, sample)
        _put(self._at, slot, sample.at)
        self._next = (slot + 1) % self._capacity

    def since(self, at: float) -> MetricColumns:
        """Return the columns from ``at`` (wall seconds) on, without those that are empty there."""
        slots = self._slots(at)
        figures = {name: _values(name, column, slots) for name, column in self._columns.items()}
        own = {
            name: OwnHistory(
                kind=own.newest.kind,
                unit=own.newest.unit,
                values=tuple(_known(own.values[slot]) for slot in slots),
            )
            for name, own in self._own.items()
        }
        return MetricColumns(
            at=tuple(self._at[slot] for slot in slots),
            figures={name: values for name, values in figures.items() if _any(values)},
            own={name: each for name, each in own.items() if _any(each.values)},
        )

    def clear(self) -> None:
        """Return the room of the own metrics."""
        self._room.columns += len(self._own)
        self._own.clear()

    def _slots(self, at: float) -> list[int]:
        count = len(self._at)
        oldest = self._next if count == self._capacity else 0
        order = ((oldest + step) % count for step in range(count))
        return [slot for slot in order if self._at[slot] >= at]

    def _append_part(
        self, slot: int, filled: int, record: Any, fields: tuple[tuple[str, str], ...]
    ) -> None:
        for name, field in fields:
            value: float | None = getattr(record, field)
            if value is None:
                continue
            column = self._columns.get(name)
            if column is None:
                size = max(filled, slot + 1)
                column = array("d" if name in _WIDE else "f", [math.nan]) * size
                self._columns[name] = column
            column[slot] = value

    def _append_own(self, slot: int, filled: int, sample: Sample) -> None:
        for name, metric in sample.metrics.items():
            own = self._own.get(name) or self._new_own(name, filled, sample.at)
            if own is not None:
                own.seen_at, own.newest = sample.at, metric
        for name, own in self._own.items():
            metric = sample.metrics.get(name)
            value = drawn(metric) if metric is not None else None
            _put(own.values, slot, math.nan if value is None else value)

    def _new_own(self, name: str, filled: int, at: float) -> _OwnColumn | None:
        """Return a new column; None when there is no room and no metric is gone."""
        if self._room.columns <= 0 or len(self._own) >= METRICS:
            oldest = min(self._own, key=lambda each: self._own[each].seen_at, default=None)
            if oldest is None or self._own[oldest].seen_at >= at - GONE_S:
                return None
            del self._own[oldest]
            self._room.columns += 1
        self._room.columns -= 1
        own = self._own[name] = _OwnColumn(filled)
        return own


def _put(column: "array[float]", slot: int, value: float) -> None:
    if slot == len(column):
        column.append(value)
    else:
        column[slot] = value


def _values(name: str, column: "array[float]", slots: list[int]) -> tuple[int | float | None, ...]:
    whole = name in INTEGERS
    return tuple(
        None if math.isnan(value) else int(value) if whole else round(value, 4)
        for value in (column[slot] for slot in slots)
    )


def _any(values: tuple[int | float | None, ...]) -> bool:
    return any(value is not None for value in values)


def _known(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None
