"""Samples as columns. Pure."""

from collections.abc import Sequence

from monit_agent.wire.messages import Sample
from monit_agent.wire.metrics import FIGURES, figure


def columns_of(samples: Sequence[Sample]) -> dict[str, tuple[int | float | None, ...]]:
    """Return the figures of these samples as the columns of a `MetricsPart`."""
    columns = {name: tuple(figure(sample, name) for sample in samples) for name in FIGURES}
    return {name: values for name, values in columns.items() if any(v is not None for v in values)}
