"""Waits as histograms over logarithmic buckets: differences, sums, percentiles. Pure.

Bucket 0 is below 0.1 ms, bucket i ≥ 1 ends at 0.1 ms times 2^(i/2), the last is open. What lies in
a bucket is spread evenly over it, so a percentile is exact for waits that are spread evenly,
which is what a busy loop makes of them (``probe/README.md``).
"""

from collections.abc import Iterable, Mapping

Masses = dict[int, float]
"""Weight by bucket: seconds of waiting, or numbers of waits."""

BUCKETS = 40
_TICK_MS = 0.1


def bounds_ms(bucket: int) -> tuple[float, float]:
    """Give where a bucket begins and ends, milliseconds."""
    low = _TICK_MS * 2.0 ** ((bucket - 1) / 2) if bucket else 0.0
    return low, _TICK_MS * 2.0 ** (bucket / 2)


def grown(after: Iterable[tuple[int, float]], before: Iterable[tuple[int, float]]) -> Masses:
    """Give what came between two cumulative histograms."""
    known = dict(before)
    gains = {bucket: mass - known.get(bucket, 0.0) for bucket, mass in after}
    return {bucket: mass for bucket, mass in gains.items() if mass > 0.0}


def added(left: Mapping[int, float], right: Mapping[int, float]) -> Masses:
    """Give the sum of two histograms."""
    return {b: left.get(b, 0.0) + right.get(b, 0.0) for b in left.keys() | right.keys()}


def stretch(seconds: float) -> Masses:
    """Give the waits that a loop busy for ``seconds`` makes."""
    masses: Masses = {}
    for bucket in range(BUCKETS):
        low, high = bounds_ms(bucket)
        mass = min(1000.0 * seconds, high) - low
        if mass <= 0.0:
            break
        masses[bucket] = mass / 1000.0
    return masses


def percentile_ms(masses: Masses, idle: float, share: float, longest_ms: float) -> float:
    """Give the wait that ``share`` (0 to 1) of the weight stays below, milliseconds.

    ``idle`` is the weight of those that did not wait at all; no percentile exceeds
    ``longest_ms``, the longest wait that was seen.
    """
    target = share * (idle + sum(masses.values())) - idle
    if target <= 0.0:
        return 0.0
    for bucket in sorted(masses):
        mass = masses[bucket]
        if target <= mass:
            low, high = bounds_ms(bucket)
            top = min(high, longest_ms) if longest_ms > low else high
            return min(low + target / mass * (top - low), longest_ms)
        target -= mass
    return longest_ms
