"""The apps' own metrics as families: names that Prometheus takes, and how many. Pure.

All apps share one space of names, in which a name has one kind. What finds no room, has a name
that is taken, or is of another kind than the same name of an app before it, is left out and
counted.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from monit_agent.metrics.families import InstanceMetrics
from monit_agent.metrics.text import Family, FamilyKind, Point, valid_name
from monit_agent.wire.messages import Metric, OwnTotal

SERIES = 20_000
"""Series of own metrics in one scrape: 100 instances with all that each may have, twice over."""

_KINDS: dict[str, FamilyKind] = {
    "gauge": "gauge", "counter": "counter", "histogram": "summary",
}  # fmt: skip


_ENDINGS: dict[str, tuple[str, ...]] = {
    "gauge": (), "counter": ("_total", "_created"), "summary": ("_sum", "_count", "_created"),
}  # fmt: skip


class _OwnFamily(NamedTuple):
    family: Family
    own_name: str
    points: list[Point]


class OwnMetrics:
    """Collects own metrics of instances. ``dropped`` has the number of those left out by the labels
    of their app."""

    def __init__(self) -> None:
        self.dropped: dict[str, int] = {}
        self._families: dict[str, _OwnFamily] = {}
        self._series = 0
        self._written: set[str] = set()
        """Names of families and of their series: none may be taken twice."""

    def add(self, of: InstanceMetrics) -> None:
        """Add those of one instance."""
        app = of.app_labels
        self.dropped[app] = self.dropped.get(app, 0) + of.totals.own_dropped
        for name, kind, unit, points in _series_of(of):
            if not self._add_points(name, kind, unit, points):
                self.dropped[app] += 1

    def families(self) -> Iterator[tuple[Family, Iterable[Point]]]:
        """Return what was collected, by name."""
        for _, each in sorted(self._families.items()):
            yield each.family, each.points

    def _add_points(self, name: str, kind: FamilyKind, unit: str, points: list[Point]) -> bool:
        plain = valid_name(name)
        full = f"monit_app_{plain.removesuffix('_total') if kind == 'counter' else plain}"
        if not plain or self._series + len(points) > SERIES:
            return False
        known = self._families.get(full)
        if known is None:
            written = {full, *(full + ending for ending in _ENDINGS[kind])}
            if written & self._written:
                return False
            self._written |= written
            text = f"The app's own metric {name}" + (f", in {unit}." if unit else ".")
            known = self._families[full] = _OwnFamily(Family(full, kind, text), name, [])
        elif known.own_name != name or known.family.kind != kind:
            return False
        known.points.extend(points)
        self._series += len(points)
        return True


def _series_of(of: InstanceMetrics) -> Iterator[tuple[str, FamilyKind, str, list[Point]]]:
    for name, total in sorted(of.totals.own.items()):
        metric = of.sample.metrics.get(name)
        yield name, _KINDS[total.kind], total.unit, _counted(of, total, metric)
    for name, metric in sorted(of.sample.metrics.items()):
        if metric.kind == "gauge" and metric.value is not None and name not in of.totals.own:
            yield name, "gauge", metric.unit, [Point("", of.labels, metric.value)]


def _counted(of: InstanceMetrics, total: OwnTotal, metric: Metric | None) -> list[Point]:
    if total.kind == "counter":
        return [Point("", of.labels, total.value)]
    shares = {"0.5": metric.p50, "0.95": metric.p95, "0.99": metric.p99} if metric else {}
    quantiles = [
        Point("", f'{of.labels},quantile="{share}"', value)
        for share, value in shares.items()
        if value is not None
    ]
    sums = Point("_sum", of.labels, total.value), Point("_count", of.labels, total.count)
    return [*quantiles, *sums]
