"""The app's own metrics: how they are drawn, added up and said. Pure."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Aggregate, Metric, MetricKind, Sample
from monit_agent.wire.metrics import drawn
from monit_tui import format as say

_BYTES = frozenset({"B", "byte", "bytes"})

_SHORT_UNIT = 2
"""Letters of a unit that find room behind a number in the list."""


class OwnKind(NamedTuple):
    """What is the same for a metric as long as it is the same metric."""

    name: str
    kind: MetricKind
    unit: str
    agg: Aggregate

    @property
    def across(self) -> Aggregate:
        """Give how the drawn values of several instances combine."""
        across: dict[MetricKind, Aggregate] = {"counter": "sum", "histogram": "max"}
        return across.get(self.kind, self.agg)


def own_kinds(views: Sequence[InstanceView]) -> tuple[OwnKind, ...]:
    """Give the metrics that these instances tell now, by name."""
    found: dict[str, OwnKind] = {}
    for view in views:
        for name, metric in view.sample.metrics.items() if view.sample else ():
            found.setdefault(name, OwnKind(name, metric.kind, metric.unit, metric.agg))
    return tuple(found[name] for name in sorted(found))


@lru_cache(maxsize=1024)
def reader(name: str) -> Callable[[Sample], float | None]:
    """Give what reads this metric out of a sample; always the same for the same name."""

    def read(sample: Sample) -> float | None:
        metric = sample.metrics.get(name)
        return None if metric is None else finite(drawn(metric))

    return read


@lru_cache(maxsize=1024)
def writer(own: OwnKind) -> Callable[[float | None], str]:
    """Give what says a drawn value in six letters."""

    def text(value: float | None) -> str:
        if value is None:
            return say.UNKNOWN
        if own.kind == "counter":
            return f"{say.brief(value, 2)}/s"
        if own.unit in _BYTES and value >= 0:
            return say.size(int(value))
        unit = say.printable(own.unit) if len(own.unit) <= _SHORT_UNIT else ""
        return f"{say.brief(value)}{unit if abs(value) < 1000 else ''}"

    return text


def finite(value: float | None) -> float | None:
    """Keep what apps say of themselves within what can be drawn."""
    return value if value is not None and math.isfinite(value) and abs(value) < 1e15 else None


def said_text(own: OwnKind, views: Sequence[InstanceView]) -> str | None:
    """Give the text of a metric that is one; None for numbers."""
    if own.kind != "text":
        return None
    texts = dict.fromkeys(metric.text for metric in _told(own, views) if metric.text is not None)
    return say.printable(", ".join(texts)) if texts else say.UNKNOWN


def details(own: OwnKind, views: Sequence[InstanceView]) -> str:
    """Say a metric in full: ``orders  1,204 loaves, 0.4/s``."""
    told = _told(own, views)
    name, unit = say.printable(own.name), say.printable(own.unit)
    if own.kind == "text":
        return f"{name}  {said_text(own, views)}"
    if own.kind == "gauge":
        value = combine(own.agg, [finite(metric.value) for metric in told])
        return f"{name}  {_number(value, unit)}"
    rate = f"{_number(combine('sum', [finite(metric.rate) for metric in told]))}/s"
    if own.kind == "counter":
        total = combine("sum", [finite(metric.value) for metric in told])
        return f"{name}  {_number(total, unit)}, {rate}"
    worst = [
        (word, combine("max", [finite(getattr(metric, word)) for metric in told]))
        for word in ("p50", "p95", "p99")
    ]
    parts = [("mean", _mean(told)), *worst]
    known = [f"{word} {_number(value, unit)}" for word, value in parts if value is not None]
    return "  ".join([name, *known, rate])


HELP: dict[MetricKind, str] = {
    "gauge": "a gauge of the app's own",
    "counter": "a counter of the app's own; drawn per second",
    "histogram": "the app's own; p95 is drawn",
    "text": "a word of the app's own",
}
"""What each kind is, behind the numbers."""


def combine(across: Aggregate, values: Sequence[float | None]) -> float | None:
    """Make one value of those that are known; None without any."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if across in ("max", "min"):
        return max(known) if across == "max" else min(known)
    return sum(known) / (len(known) if across == "avg" else 1)


def _told(own: OwnKind, views: Sequence[InstanceView]) -> list[Metric]:
    samples = [view.sample for view in views if view.record.pid is not None]
    found = [sample.metrics.get(own.name) for sample in samples if sample is not None]
    return [metric for metric in found if metric is not None and metric.kind == own.kind]


def _mean(told: Sequence[Metric]) -> float | None:
    """Give the mean of all observations: each instance's weighs as much as it observed."""
    known = [(finite(metric.value), finite(metric.rate) or 0.0) for metric in told]
    weighed = [(value, rate) for value, rate in known if value is not None]
    total = sum(rate for _, rate in weighed)
    if total <= 0:
        return combine("avg", [value for value, _ in weighed])
    return sum(value * rate for value, rate in weighed) / total


def _number(value: float | None, unit: str = "") -> str:
    return say.UNKNOWN if value is None else say.number(value, unit)
