# pyright: basic
"""Reads what a program counts with prometheus_client, without calling any of its code.

`REGISTRY.collect()` takes 72 ms for 24,000 samples; it also takes the program's locks and calls the
program's functions, in a thread that these do not expect. So the numbers are read directly from
the collectors, one atomic read each. Left out: what prometheus_client measures of the process
itself, gauges with a function, large families, collectors that the program defined. What another
version of prometheus_client stores elsewhere is left out as well.
"""

import math
import sys

from _monit_probe.basics import thread_time
from _monit_probe.buckets import LAST, Growth, bucket_of

VALUES = 50
CHILDREN = 100
"""Label sets of one family that are added up; a larger family is left out."""
BUDGET_S = 0.005
"""CPU of one reading; what is not reached within it is left out."""
NAME = 80
MEASURED_BY_MONIT = ("python_", "process_")


class RegistryReader:
    """Reads the default registry; the more that costs, the less often."""

    def __init__(self):
        self._next_at = 0.0
        self._last = {}
        self.growth = Growth()

    def read(self, now):
        """Return metrics by name as in a report; the last ones again while reading costs too
        much."""
        if now >= self._next_at:
            started = thread_time()
            self._last = _read_registry(started + BUDGET_S)
            self._next_at = now + 200.0 * (thread_time() - started)
        return {name: self._with_growth(name, metric) for name, metric in self._last.items()}

    def _with_growth(self, name, metric):
        if metric["kind"] != "histogram":
            return metric
        return dict(metric, buckets=self.growth.of(name, metric["buckets"]))


def _read_registry(until):
    registry = getattr(sys.modules.get("prometheus_client.registry"), "REGISTRY", None)
    kinds = sys.modules.get("prometheus_client.metrics")
    found = {}
    if kinds is None:
        return found
    # copied in one step, so that no other thread can change it meanwhile
    for collector in list(getattr(registry, "_collector_to_names", ())):
        name = getattr(collector, "_name", None)
        if not isinstance(name, str) or len(name) > NAME - 6 or name.startswith(MEASURED_BY_MONIT):
            continue
        if len(found) >= VALUES or thread_time() > until:
            break
        for kind, read in _READERS:
            if isinstance(collector, getattr(kinds, kind, ())):
                _add_family(found, name, collector, read)
                break
    return found


def _add_family(found, name, collector, read):
    children = _children(collector)
    if not children:
        return
    try:
        metric = read(collector, children)
    except (AttributeError, TypeError, ValueError):
        return  # a version of prometheus_client that stores its numbers elsewhere
    metric["unit"] = str(getattr(collector, "_unit", ""))[:NAME]
    found[name + "_total" if metric["kind"] == "counter" else name] = metric


def _children(collector):
    """Return the label sets of a family: the metric itself if it has no labels, [] if there are
    too many."""
    if not getattr(collector, "_labelnames", ()):
        return [collector]
    family = collector._metrics
    return list(family.values()) if len(family) <= CHILDREN else []


def _read_counter(_collector, children):
    return {"kind": "counter", "value": _sum(each._value._value for each in children)}


def _read_gauge(collector, children):
    if any("_child_samples" in each.__dict__ for each in children):
        raise ValueError("a function of the program returns its value")
    mode = str(getattr(collector, "_multiprocess_mode", ""))
    agg = next((agg for agg in ("sum", "max", "min") if agg in mode), "avg")
    return {"kind": "gauge", "value": _sum(each._value._value for each in children), "agg": agg}


def _read_histogram(collector, children):
    """Return a histogram; the values in one of its buckets count as its upper bound."""
    counts = {}
    places = [_bucket(bound) for bound in collector._upper_bounds]
    if len(places) > 1:
        places[-1] = places[-2] + 1
    for each in children:
        for place, bucket in zip(places, each._buckets):
            counts[place] = counts.get(place, 0) + int(bucket._value)
    return {
        "kind": "histogram", "count": sum(counts.values()),
        "sum": _sum(each._sum._value for each in children) or 0.0,
        "buckets": counts,
    }  # fmt: skip


def _read_summary(_collector, children):
    return {
        "kind": "histogram", "count": int(_sum(each._count._value for each in children) or 0),
        "sum": _sum(each._sum._value for each in children) or 0.0, "buckets": {},
    }  # fmt: skip


_READERS = (
    ("Counter", _read_counter), ("Gauge", _read_gauge), ("Histogram", _read_histogram),
    ("Summary", _read_summary),
)  # fmt: skip


def _sum(values):
    total = math.fsum(values)
    return total if math.isfinite(total) else None


def _bucket(bound):
    """Return the bucket whose values reach up to ``bound``."""
    if bound == 0.0:
        return 0
    bucket = max(1, min(bucket_of(abs(bound)), LAST)) if abs(bound) < math.inf else LAST
    return bucket if bound > 0.0 else -bucket
