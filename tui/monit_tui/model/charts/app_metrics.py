"""The app's own metrics: how they are combined, drawn and written. Pure."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from monit_agent.client.text.format import UNKNOWN, format_bytes, format_number, format_short_number
from monit_agent.client.text.sanitize import printable
from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Aggregate, Metric, MetricKind, Sample
from monit_agent.wire.metrics import drawn
from monit_tui.model.charts.steps import TOO_LARGE

_BYTES = frozenset({"B", "byte", "bytes"})

_SHORT_UNIT = 2
"""Letters of the longest unit that fits after a number in the list."""


class AppMetricKind(NamedTuple):
    """What identifies one of the app's own metrics; it stays the same while values change."""

    name: str
    kind: MetricKind
    unit: str
    agg: Aggregate

    @property
    def across(self) -> Aggregate:
        """Return how the drawn values of several instances are combined."""
        across: dict[MetricKind, Aggregate] = {"counter": "sum", "histogram": "max"}
        return across.get(self.kind, self.agg)


def app_metric_kinds(views: Sequence[InstanceView]) -> tuple[AppMetricKind, ...]:
    """Return the metrics that these instances report now, by name."""
    found: dict[str, AppMetricKind] = {}
    for view in views:
        for name, metric in view.sample.metrics.items() if view.sample else ():
            found.setdefault(name, AppMetricKind(name, metric.kind, metric.unit, metric.agg))
    return tuple(found[name] for name in sorted(found))


@lru_cache(maxsize=1024)
def metric_reader(name: str) -> Callable[[Sample], float | None]:
    """Return the function that reads this metric from a sample; the same for the same name."""

    def read(sample: Sample) -> float | None:
        metric = sample.metrics.get(name)
        return None if metric is None else finite(drawn(metric))

    return read


@lru_cache(maxsize=1024)
def metric_writer(own: AppMetricKind) -> Callable[[float | None], str]:
    """Return the function that writes a drawn value in six letters."""

    def text(value: float | None) -> str:
        if value is None:
            return UNKNOWN
        if own.kind == "counter":
            return f"{format_short_number(value, 2)}/s"
        if own.unit in _BYTES and value >= 0:
            return format_bytes(int(value))
        unit = printable(own.unit) if len(own.unit) <= _SHORT_UNIT else ""
        return f"{format_short_number(value)}{unit if abs(value) < 1000 else ''}"

    return text


def finite(value: float | None) -> float | None:
    """Return a value from an app if it can be drawn, else None."""
    return value if value is not None and abs(value) < TOO_LARGE else None


def text_value(own: AppMetricKind, views: Sequence[InstanceView]) -> str | None:
    """Return the text of a metric of kind ``text``; None for numbers."""
    if own.kind != "text":
        return None
    texts = dict.fromkeys(
        metric.text for metric in _metrics_of(own, views) if metric.text is not None
    )
    return printable(", ".join(texts)) if texts else UNKNOWN


def metric_details(own: AppMetricKind, views: Sequence[InstanceView]) -> str:
    """Return a metric in full: ``orders  1,204 loaves, 0.4/s``."""
    found = _metrics_of(own, views)
    name, unit = printable(own.name), printable(own.unit)
    if own.kind == "text":
        return f"{name}  {text_value(own, views)}"
    if own.kind == "gauge":
        value = combine_values(own.agg, [finite(metric.value) for metric in found])
        return f"{name}  {format_number(value, unit)}"
    rate = f"{format_number(combine_values('sum', [finite(metric.rate) for metric in found]))}/s"
    if own.kind == "counter":
        total = combine_values("sum", [finite(metric.value) for metric in found])
        return f"{name}  {format_number(total, unit)}, {rate}"
    worst = [
        (word, combine_values("max", [finite(getattr(metric, word)) for metric in found]))
        for word in ("p50", "p95", "p99")
    ]
    parts = [("mean", _mean(found)), *worst]
    known = [f"{word} {format_number(value, unit)}" for word, value in parts if value is not None]
    return "  ".join([name, *known, rate])


HELP: dict[MetricKind, str] = {
    "gauge": "gauge of the app",
    "counter": "counter of the app, drawn per second",
    "histogram": "histogram of the app, p95 is drawn",
    "text": "text of the app",
}
"""What each kind is, shown after the numbers."""


def combine_values(across: Aggregate, values: Sequence[float | None]) -> float | None:
    """Combine the known values into one; None when none is known."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if across in ("max", "min"):
        return max(known) if across == "max" else min(known)
    return sum(known) / (len(known) if across == "avg" else 1)


def _metrics_of(own: AppMetricKind, views: Sequence[InstanceView]) -> list[Metric]:
    samples = [view.sample for view in views if view.record.pid is not None]
    found = [sample.metrics.get(own.name) for sample in samples if sample is not None]
    return [metric for metric in found if metric is not None and metric.kind == own.kind]


def _mean(metrics: Sequence[Metric]) -> float | None:
    """Return the mean of all observations: instances are weighted by their rates."""
    known = [(finite(metric.value), finite(metric.rate) or 0.0) for metric in metrics]
    weighted = [(value, rate) for value, rate in known if value is not None]
    total = sum(rate for _, rate in weighted)
    if total <= 0:
        return combine_values("avg", [value for value, _ in weighted])
    return sum(value * rate for value, rate in weighted) / total
