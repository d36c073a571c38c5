"""One second of one instance as names and numbers. Pure."""

import math
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, NamedTuple, cast

from monit_agent.wire.limits import METRICS
from monit_agent.wire.messages import MetricKind, Sample
from monit_agent.wire.metrics import FIGURES, drawn

WITHOUT = frozenset({"pid", "ppid"})
"""Figures of which a minimum or a mean says nothing."""

WIDE = frozenset({"rss_bytes", "heap_size_bytes", "heap_used_bytes"})
"""Kept as doubles, which hold every value of these exactly; a float does so for the others."""

FLOAT_MAX = 3e38
"""What is larger does not fit into a float, and is left out."""


class Name(NamedTuple):
    """What a number is of: a figure of ``wire/metrics.py``, or one of the app's own metrics."""

    name: str
    own: bool = False
    kind: MetricKind = "gauge"
    unit: str = ""

    @property
    def code(self) -> str:
        """Return how a number of it is packed, as `struct` writes it."""
        return "d" if not self.own and self.name in WIDE else "f"


class Second(NamedTuple):
    """What was known of an instance in one second; what was unknown is left out."""

    names: tuple[Name, ...]
    values: tuple[float, ...]


def _fields_by_part() -> dict[str, tuple[tuple[Name, ...], Any]]:
    parts: dict[str, list[tuple[Name, str]]] = {}
    for name, (part, field) in FIGURES.items():
        if name not in WITHOUT:
            parts.setdefault(part, []).append((Name(name), field))
    return {
        part: (tuple(name for name, _ in fields), attrgetter(*(field for _, field in fields)))
        for part, fields in parts.items()
    }


_PARTS = _fields_by_part()


def second_of(sample: Sample) -> Second:
    """Return the numbers of a sample."""
    names: tuple[Name, ...] = ()
    values: tuple[float, ...] = ()
    for part, (part_names, fields) in _PARTS.items():
        record = getattr(sample, part) if part else sample
        if record is None:
            continue
        numbers: tuple[float | None, ...] = fields(record)
        if None not in numbers:
            names += part_names
            values += cast("tuple[float, ...]", numbers)
            continue
        for name, value in zip(part_names, numbers, strict=True):
            if value is not None:
                names += (name,)
                values += (value,)
    if sample.metrics:
        for name, value in _own(sample):
            names += (name,)
            values += (value,)
    return Second(names, values)


def _own(sample: Sample) -> Iterator[tuple[Name, float]]:
    for name, metric in list(sample.metrics.items())[:METRICS]:
        value = drawn(metric)
        if value is not None and math.isfinite(value) and abs(value) < FLOAT_MAX:
            yield Name(name, own=True, kind=metric.kind, unit=metric.unit), value
