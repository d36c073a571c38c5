"""Samples as columns, and back. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from monit_agent.wire.messages import (
    CollectorFigures,
    HeapFigures,
    HttpFigures,
    LoopFigures,
    MetricsPart,
    Sample,
    SchedulingFigures,
    TreeFigures,
)
from monit_agent.wire.metrics import FIGURES, INTEGERS, figure

_PARTS: dict[str, Callable[..., Any]] = {
    "tree": TreeFigures,
    "heap": HeapFigures,
    "collector": CollectorFigures,
    "scheduling": SchedulingFigures,
    "loop": LoopFigures,
    "http": HttpFigures,
}


def columns_of(samples: Sequence[Sample]) -> dict[str, tuple[int | float | None, ...]]:
    """Return the figures of these samples as the columns of a `MetricsPart`."""
    columns = {name: tuple(figure(sample, name) for sample in samples) for name in FIGURES}
    return {name: values for name, values in columns.items() if any(v is not None for v in values)}


def samples_of(part: MetricsPart) -> list[Sample]:
    """Return the samples in these columns, oldest first; a name or a value that means nothing is
    left out."""
    columns = [
        (*FIGURES[name], name in INTEGERS, values)
        for name, values in part.figures.items()
        if name in FIGURES
    ]
    samples: list[Sample] = []
    for row, at in enumerate(part.at):
        fields: dict[str, dict[str, Any]] = {}
        for record, field, whole, values in columns:
            value = values[row] if row < len(values) else None
            if value is not None and math.isfinite(value):
                fields.setdefault(record, {})[field] = int(value) if whole else value
        parts = {name: _PARTS[name](**fields[name]) for name in _PARTS if name in fields}
        samples.append(Sample(at=at, **fields.get("", {}), **parts))
    return samples
