"""Samples out of columns, as a client reads them."""

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
from monit_agent.wire.metrics import FIGURES

_PARTS = {
    "tree": TreeFigures,
    "heap": HeapFigures,
    "collector": CollectorFigures,
    "scheduling": SchedulingFigures,
    "loop": LoopFigures,
    "http": HttpFigures,
}


def samples_of(part: MetricsPart) -> list[Sample]:
    """Return the samples in these columns, oldest first."""
    samples: list[Sample] = []
    for row, at in enumerate(part.at):
        fields: dict[str, dict[str, Any]] = {}
        for name, values in part.figures.items():
            record, field = FIGURES[name]
            if values[row] is not None:
                fields.setdefault(record, {})[field] = values[row]
        parts = {name: _PARTS[name](**fields[name]) for name in _PARTS if name in fields}
        samples.append(Sample(at=at, **fields.get("", {}), **parts))
    return samples
