"""Histograms as probes write them, by the probe's own code, which is no package of ours."""

import importlib.util
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import monit_agent

_FILE = Path(monit_agent.__file__).parent / "probe" / "inject" / "_monit_probe" / "buckets.py"


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("buckets_of_the_probe", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


probe_buckets = _load()


def bucket_of(value: float) -> int:
    """Return the bucket of a value."""
    if value == 0.0:
        return 0
    return int(math.copysign(probe_buckets.bucket_of(abs(value)), value))


def packed(values: Iterable[float]) -> list[int]:
    """Return a histogram of these values as it is in a report."""
    counts: dict[int, int] = {}
    for value in values:
        counts[bucket_of(value)] = counts.get(bucket_of(value), 0) + 1
    return probe_buckets.pack(counts)


def packed_stretches(seconds: Iterable[float]) -> list[int]:
    """Return a histogram of busy stretches as it is in a report: with sums."""
    counts: dict[int, int] = {}
    sums: dict[int, float] = {}
    probe_buckets.count_durations(seconds, counts, sums)
    return probe_buckets.pack(counts, sums)


def unpacked(histogram: list[int], width: int = 2) -> Iterator[tuple[int, ...]]:
    """Return (bucket, number) of a histogram, or (bucket, number, µs) of one with sums."""
    bucket = 0
    for place in range(0, len(histogram), width):
        bucket += histogram[place]
        yield bucket, *histogram[place + 1 : place + width]
