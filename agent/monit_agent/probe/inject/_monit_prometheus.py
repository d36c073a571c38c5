"""What a program counts by prometheus_client, read without calling anything of it.

`REGISTRY.collect()` takes 72 ms for 24,000 samples, and it takes the program's locks and calls the
program's functions, in whose thread soever. So the collectors are walked here: numbers are read
where they lie, which is one atomic read each. Left out: what prometheus_client tells of the process
itself, gauges with a function, large families, collectors that the program wrote. What a
newer prometheus_client keeps elsewhere is left out as well.
"""

import math
import sys
import time

VALUES = 50
CHILDREN = 100
"""Label sets of one family that are added up; a larger family is left out."""
BUDGET_S = 0.005
"""CPU of one walk; what is not reached within it is left out."""
NAME = 80
_OURS_TOO = ("python_", "process_")

_thread_time = time.thread_time


class Walker(object):
    """Reads the default registry, rarer the more that costs."""

    def __init__(self):
        self.next_at = 0.0
        self.last = {}

    def read(self, now):
        """Give the metrics of a report by name; the last ones again while a walk costs too much."""
        if now < self.next_at:
            return self.last
        began = _thread_time()
        self.last = _walk(began + BUDGET_S)
        self.next_at = now + 200.0 * (_thread_time() - began)
        return self.last


def _walk(until):
    registry = getattr(sys.modules.get("prometheus_client.registry"), "REGISTRY", None)
    kinds = sys.modules.get("prometheus_client.metrics")
    found = {}
    if kinds is None:
        return found
    # copied in one go, so that no other thread can change it meanwhile
    for collector in list(getattr(registry, "_collector_to_names", ())):
        name = getattr(collector, "_name", None)
        if not isinstance(name, str) or len(name) > NAME - 6 or name.startswith(_OURS_TOO):
            continue
        if len(found) >= VALUES or _thread_time() > until:
            break
        for kind, read in _READERS:
            if isinstance(collector, getattr(kinds, kind, ())):
                _put(found, name, collector, read)
                break
    return found


def _put(found, name, collector, read):
    children = _children(collector)
    if not children:
        return
    try:
        words = read(collector, children)
    except (AttributeError, TypeError, ValueError):
        return  # another prometheus_client than those that this was written for
    words["unit"] = str(getattr(collector, "_unit", ""))[:NAME]
    found[name + "_total" if words["kind"] == "counter" else name] = words


def _children(collector):
    """Give the label sets of a family, a metric without labels as its only one; [] for too many."""
    if not getattr(collector, "_labelnames", ()):
        return [collector]
    family = collector._metrics
    return list(family.values()) if len(family) <= CHILDREN else []


def _count(_collector, children):
    return {"kind": "counter", "value": _sum(each._value._value for each in children)}


def _level(collector, children):
    if any("_child_samples" in each.__dict__ for each in children):
        raise ValueError("a function of the program's gives its value")
    mode = str(getattr(collector, "_multiprocess_mode", ""))
    agg = next((agg for agg in ("sum", "max", "min") if agg in mode), "avg")
    return {"kind": "gauge", "value": _sum(each._value._value for each in children), "agg": agg}


def _spread(collector, children):
    """Give a histogram; the values of one of its buckets count as its upper bound."""
    counts = {}
    places = [_bucket(bound) for bound in collector._upper_bounds]
    if len(places) > 1:
        places[-1] = min(120, places[-2] + 1)
    for each in children:
        for place, bucket in zip(places, each._buckets):
            counts[place] = counts.get(place, 0) + int(bucket._value)
    return {
        "kind": "histogram", "count": sum(counts.values()),
        "sum": _sum(each._sum._value for each in children) or 0.0,
        "buckets": [[place, counts[place]] for place in sorted(counts) if counts[place]],
    }  # fmt: skip


def _summed(_collector, children):
    return {
        "kind": "histogram", "count": int(_sum(each._count._value for each in children) or 0),
        "sum": _sum(each._sum._value for each in children) or 0.0, "buckets": [],
    }  # fmt: skip


_READERS = (("Counter", _count), ("Gauge", _level), ("Histogram", _spread), ("Summary", _summed))


def _sum(values):
    total = math.fsum(values)
    return total if math.isfinite(total) else None


def _bucket(bound):
    """Give the bucket whose values reach up to ``bound``."""
    if bound <= 0:
        return -128
    return max(-120, min(120, math.ceil(4.0 * math.log2(bound)))) if bound < 1e300 else 120
