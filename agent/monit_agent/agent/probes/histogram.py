"""Histograms with logarithmic buckets: sums and percentiles. Pure.

There are 32 buckets for each power of two, so one is at most 3.1 % wide, and its middle at most
1.6 % from any value in it. ``probe/README.md`` says which value is in which bucket, and how a
histogram is written in a report. Those of several processes, or seconds, are added up bucket by
bucket, which changes no percentile by more than that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise

OFFSET, LAST = 2048, 4127
"""The last bucket has everything from nearly 2^63 on."""

Packed = Sequence[int]
"""A histogram as it is in a report: bucket and number, then step to the next bucket and number."""

Counts = dict[int, int]
"""Numbers of values by bucket."""


Stretches = tuple[int, int]
"""Stretches of about one length during which a loop was busy: their number, and how many
microseconds they have together. Plain tuples, because there are hundreds a second."""


def bounds(bucket: int) -> tuple[float, float]:
    """Return where a bucket of values above zero begins and ends."""
    exponent, part = divmod(bucket - OFFSET - 32, 32)
    unit = 2.0 ** (exponent - 6)
    return (part + 32) * unit, (part + 33) * unit


def middle(bucket: int) -> float:
    """Return the value in the middle of a bucket."""
    if bucket == 0:
        return 0.0
    low, high = bounds(abs(bucket))
    return (low + high) / 2 if bucket > 0 else -(low + high) / 2


def added_up(histograms: Iterable[Packed]) -> Counts:
    """Return the sum of histograms; one that cannot be is left out."""
    counts: Counts = {}
    for packed in histograms:
        for bucket, number in _columns(packed, 2):
            counts[bucket] = counts.get(bucket, 0) + number
    return counts


def merged(histograms: Sequence[Counts]) -> Counts:
    """Return the sum of histograms."""
    if len(histograms) == 1:
        return histograms[0]
    counts: Counts = {}
    for each in histograms:
        for bucket, number in each.items():
            counts[bucket] = counts.get(bucket, 0) + number
    return counts


def percentiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[float | None]:
    """Return the values that these shares (0 to 1, the smallest first) of the values do not
    exceed; None without any value."""
    total = sum(counts.values())
    found: list[float | None] = []
    so_far = 0
    for bucket in sorted(counts):
        so_far += counts[bucket]
        while len(found) < len(shares) and so_far >= shares[len(found)] * total:
            found.append(middle(bucket))
    return found or [None] * len(shares)


def _columns(packed: Packed, width: int) -> Iterator[tuple[int, ...]]:
    """Return (bucket, number, …) of a packed histogram; nothing if it cannot be one."""
    columns = [packed[place::width] for place in range(width)]
    buckets = list(accumulate(columns[0]))
    if not packed or len(packed) % width or buckets[0] < -LAST or buckets[-1] > LAST:
        return iter(())
    if min(columns[0][1:], default=1) <= 0 or min(columns[1]) <= 0 or min(columns[-1]) < 0:
        return iter(())
    return zip(buckets, *columns[1:], strict=True)


# ------------------------------------------------------------ the histograms of a window


class MovingCounts:
    """A sum of histograms to which new ones are added and from which old ones are removed: that
    costs a tenth of adding up those of five seconds each second."""

    def __init__(self) -> None:
        self.counts: Counts = {}

    def add(self, packed: Packed) -> None:
        """Add a histogram."""
        counts = self.counts
        for bucket, number in _columns(packed, 2):
            counts[bucket] = counts.get(bucket, 0) + number

    def remove(self, packed: Packed) -> None:
        """Remove a histogram that was added."""
        counts = self.counts
        for bucket, number in _columns(packed, 2):
            left = counts[bucket] - number
            if left:
                counts[bucket] = left
            else:
                del counts[bucket]


class MovingStretches:
    """The same for the stretches in which a loop was busy: histograms in which each number is
    followed by the length of all these stretches in microseconds."""

    def __init__(self) -> None:
        self._rows: dict[int, Stretches] = {}

    def add(self, packed: Packed) -> None:
        """Add a histogram."""
        rows = self._rows
        for bucket, number, us in _columns(packed, 3):
            before = rows.get(bucket, (0, 0))
            rows[bucket] = before[0] + number, before[1] + us

    def remove(self, packed: Packed) -> None:
        """Remove a histogram that was added."""
        rows = self._rows
        for bucket, number, us in _columns(packed, 3):
            before = rows[bucket]
            if before[0] > number:
                rows[bucket] = before[0] - number, before[1] - us
            else:
                del rows[bucket]

    def stretches(self) -> list[Stretches]:
        """Return the stretches by length, the longest first."""
        return [self._rows[bucket] for bucket in sorted(self._rows, reverse=True)]


# ------------------------------------------------------------ how long things wait for a loop


def wait_percentiles(
    falling: Sequence[Stretches], idle_s: float, shares: Sequence[float]
) -> list[float]:
    """Return how long, in seconds, these shares (0 to 1, the smallest first) of what became due had
    to wait at most. ``falling`` has the longest stretches first.

    While a loop is busy for D seconds, what becomes due waits between D and 0, evenly; while it is
    idle (``idle_s`` in all), not at all. So beyond a wait of x lie D - x seconds of each longer
    stretch, a sum that falls with x in straight lines from one length to the next.
    """
    busy_us = sum([us for _, us in falling])
    beyond = [(1.0 - share) * (1e6 * idle_s + busy_us) for share in shares]
    found = [0.0] * len(shares)
    unsolved = [place for place, us in enumerate(beyond) if us <= busy_us]
    number = us = 0
    for (more, their_us), (next_more, next_us) in pairwise([*falling, (1, 0)]):
        if not unsolved:
            break
        number += more
        us += their_us
        shorter = next_us / next_more
        while unsolved and us - number * shorter >= beyond[unsolved[-1]]:
            share = unsolved.pop()
            wait = max(shorter, (us - beyond[share]) / number)
            found[share] = min(their_us / more, wait) / 1e6
    return found
