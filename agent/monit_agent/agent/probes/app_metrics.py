"""From reports about the app's own metrics to one figure each for an instance. Pure.

Reports hold totals. A rate is the growth within the window by the process's own clock; a total that
fell was reset, and counts from 0: no rate is ever negative. Buckets of histograms hold what came
since the last report.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monit_agent.agent.probes.histogram import Counts, added_up, merged, percentiles
from monit_agent.agent.probes.reports import MetricReport, Report
from monit_agent.wire.limits import METRICS
from monit_agent.wire.messages import Metric

TEXTS = 5
"""Different texts of the processes of one instance that are shown together."""


class MetricReading(NamedTuple):
    """One metric of one process: its newest report, and its growth within the window of
    ``elapsed_s`` seconds (None as long as there is only one report with it)."""

    report: MetricReport
    elapsed_s: float | None
    growth: float
    sum: float
    buckets: Counts


def readings(reports: Sequence[Report]) -> dict[str, MetricReading]:
    """Return the metrics by name in the newest of these reports of one process, oldest first."""
    if not reports:
        return {}
    newest = reports[-1]
    return {name: _reading(name, report, reports) for name, report in newest.metrics.items()}


def combine_metrics(processes: Sequence[dict[str, MetricReading]]) -> tuple[dict[str, Metric], int]:
    """Return the metrics of all processes of an instance, and how many were left out."""
    names = sorted({name for each in processes for name in each})
    known = {
        printable(name): _combine([each[name] for each in processes if name in each])
        for name in names[:METRICS]
    }
    return known, max(0, len(names) - METRICS)


def printable(text: str) -> str:
    """Return ``text`` with everything escaped that a terminal would not show."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _reading(name: str, report: MetricReport, reports: Sequence[Report]) -> MetricReading:
    newest = reports[-1]
    if report.kind in ("gauge", "text") or len(reports) == 1:
        return MetricReading(report, None, 0.0, 0.0, {})
    known = [
        each for each in reports if name in each.metrics and each.metrics[name].kind == report.kind
    ]
    base = known[0] if len(known) > 1 else None
    elapsed_s = newest.mono - base.mono if base is not None else 0.0
    if base is None or elapsed_s <= 0.0:
        return MetricReading(report, None, 0.0, 0.0, {})
    before = base.metrics[name]
    if report.kind == "counter":
        return MetricReading(report, elapsed_s, _growth(report.value, before.value), 0.0, {})
    grown = added_up(each.metrics[name].buckets for each in known[1:])
    if report.count < before.count:  # it was reset
        return MetricReading(report, elapsed_s, report.count, report.sum, grown)
    return MetricReading(
        report, elapsed_s, report.count - before.count, report.sum - before.sum, grown
    )


def _growth(now: float | None, before: float | None) -> float:
    if now is None or before is None:
        return 0.0
    return max(0.0, now - before if now >= before else now)


def _combine(all_readings: list[MetricReading]) -> Metric:
    first = all_readings[0].report
    same = [each for each in all_readings if each.report.kind == first.kind]
    unit = printable(first.unit)
    if first.kind == "text":
        texts = dict.fromkeys(printable(each.report.text) for each in same)
        return Metric(value=None, unit=unit, kind="text", text=", ".join(list(texts)[:TEXTS]))
    if first.kind == "gauge":
        values = [each.report.value for each in same if each.report.value is not None]
        return Metric(value=_short(_merged(values, first.agg)), unit=unit, agg=first.agg)
    if first.kind == "counter":
        values = [each.report.value for each in same if each.report.value is not None]
        return Metric(value=_total(values), unit=unit, kind="counter", rate=_rate(same))
    return _histogram(same, unit)


def _merged(values: list[float], agg: str) -> float | None:
    if not values:
        return None
    if agg in ("max", "min"):
        return max(values) if agg == "max" else min(values)
    total = _total(values)
    return total / len(values) if agg == "avg" and total is not None else total


def _histogram(same: list[MetricReading], unit: str) -> Metric:
    count = sum(each.growth for each in same)
    buckets = merged([each.buckets for each in same])
    total = _total([each.sum for each in same])
    mean = total / count if count and total is not None else None
    if len(buckets) == 1 and mean is not None:  # then the mean is nearer than the bucket's borders
        p50 = p95 = p99 = _short(mean)
    else:
        p50, p95, p99 = map(_short, percentiles(buckets, (0.50, 0.95, 0.99)))
    return Metric(
        value=_short(mean), unit=unit, kind="histogram", rate=_rate(same),
        p50=p50, p95=p95, p99=p99,
    )  # fmt: skip


def _rate(same: Iterable[MetricReading]) -> float | None:
    return _short(_total([each.growth / each.elapsed_s for each in same if each.elapsed_s]))


def _total(values: list[float]) -> float | None:
    """Return the sum; None for no values, and for a sum that no float can hold."""
    try:
        return math.fsum(values) if values else None
    except OverflowError:
        return None


def _short(value: float | None) -> float | None:
    """Round to six digits: more would be noise and bytes on the wire."""
    return None if value is None else float(f"{value:.6g}")
