"""From what the probes of an instance say of the app's own metrics to one figure each. Pure.

Reports hold totals. A rate is the growth within the window by the process's own clock; a total that
fell began anew, and counts from nothing: no rate is ever negative.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from monit_agent.observe.probewords import MetricWords, Report
from monit_agent.wire.limits import METRICS
from monit_agent.wire.messages import Metric

NOTHING = -128
"""The bucket of values of nothing and less."""

TEXTS = 5
"""Different texts of the processes of one instance that are shown together."""


class Reading(NamedTuple):
    """One metric of one process: what it says now, and what came within the window, which took
    ``elapsed_s`` (None as long as there is only one report with it)."""

    words: MetricWords
    elapsed_s: float | None
    growth: float
    sum: float
    buckets: dict[int, int]


def readings(reports: Sequence[Report]) -> dict[str, Reading]:
    """Give what the newest of these reports of one process says, oldest first, by name."""
    if not reports:
        return {}
    newest = reports[-1]
    return {name: _reading(name, words, reports) for name, words in newest.metrics.items()}


def combined(processes: Sequence[dict[str, Reading]]) -> tuple[dict[str, Metric], int]:
    """Give the metrics of all processes of an instance, and how many found no room."""
    names = sorted({name for each in processes for name in each})
    known = {
        printable(name): _combine([each[name] for each in processes if name in each])
        for name in names[:METRICS]
    }
    return known, max(0, len(names) - METRICS)


def printable(text: str) -> str:
    """Give ``text`` with everything written out that a terminal would not show."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def percentile(buckets: dict[int, int], share: float) -> float | None:
    """Give the value that ``share`` (0 to 1) of the values stays below; None without any."""
    total = sum(buckets.values())
    if not total:
        return None
    target = share * total
    for bucket in sorted(buckets):
        count = buckets[bucket]
        if target <= count and count:
            if bucket == NOTHING:
                return 0.0
            low, high = 2.0 ** ((bucket - 1) / 4), 2.0 ** (bucket / 4)
            return _short(low + target / count * (high - low))
        target -= count
    return None


def _reading(name: str, words: MetricWords, reports: Sequence[Report]) -> Reading:
    newest = reports[-1]
    if words.kind in ("gauge", "text") or len(reports) == 1:
        return Reading(words, None, 0.0, 0.0, {})
    base = next(
        (each for each in reports[:-1]
         if name in each.metrics and each.metrics[name].kind == words.kind), None,
    )  # fmt: skip
    elapsed_s = newest.mono - base.mono if base is not None else 0.0
    if base is None or elapsed_s <= 0.0:
        return Reading(words, None, 0.0, 0.0, {})
    before = base.metrics[name]
    if words.kind == "counter":
        return Reading(words, elapsed_s, _growth(words.value, before.value), 0.0, {})
    if words.count < before.count:  # it began anew
        return Reading(words, elapsed_s, words.count, words.sum, dict(words.buckets))
    known = dict(before.buckets)
    grown = {b: n - known.get(b, 0) for b, n in words.buckets if n > known.get(b, 0)}
    return Reading(words, elapsed_s, words.count - before.count, words.sum - before.sum, grown)


def _growth(now: float | None, before: float | None) -> float:
    if now is None or before is None:
        return 0.0
    return max(0.0, now - before if now >= before else now)


def _combine(all_of_it: list[Reading]) -> Metric:
    first = all_of_it[0].words
    same = [each for each in all_of_it if each.words.kind == first.kind]
    unit = printable(first.unit)
    if first.kind == "text":
        texts = dict.fromkeys(printable(each.words.text) for each in same)
        return Metric(value=None, unit=unit, kind="text", text=", ".join(list(texts)[:TEXTS]))
    if first.kind == "gauge":
        values = [each.words.value for each in same if each.words.value is not None]
        return Metric(value=_short(_merged(values, first.agg)), unit=unit, agg=first.agg)
    if first.kind == "counter":
        values = [each.words.value for each in same if each.words.value is not None]
        return Metric(value=_total(values), unit=unit, kind="counter", rate=_rate(same))
    return _histogram(same, unit)


def _merged(values: list[float], agg: str) -> float | None:
    if not values:
        return None
    if agg in ("max", "min"):
        return max(values) if agg == "max" else min(values)
    total = _total(values)
    return total / len(values) if agg == "avg" and total is not None else total


def _histogram(same: list[Reading], unit: str) -> Metric:
    count = sum(each.growth for each in same)
    buckets: dict[int, int] = {}
    for each in same:
        for bucket, n in each.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + n
    total = _total([each.sum for each in same])
    mean = total / count if count and total is not None else None
    if len(buckets) == 1 and mean is not None:  # then the mean is nearer than the bucket's borders
        p50 = p95 = p99 = _short(mean)
    else:
        p50, p95, p99 = (percentile(buckets, share) for share in (0.50, 0.95, 0.99))
    return Metric(
        value=_short(mean), unit=unit, kind="histogram", rate=_rate(same),
        p50=p50, p95=p95, p99=p99,
    )  # fmt: skip


def _rate(same: Iterable[Reading]) -> float | None:
    return _short(_total([each.growth / each.elapsed_s for each in same if each.elapsed_s]))


def _total(values: list[float]) -> float | None:
    """Add up; None for nothing, and for what no number can hold."""
    try:
        return math.fsum(values) if values else None
    except OverflowError:
        return None


def _short(value: float | None) -> float | None:
    """Round to what the measurement is good for, and to what travels well."""
    return None if value is None else float(f"{value:.6g}")
