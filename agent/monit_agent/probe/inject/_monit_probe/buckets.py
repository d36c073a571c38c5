# pyright: basic
"""Histograms with logarithmic buckets: 32 for each power of two, so a bucket is at most 3.1 % wide.

A value m x 2 ** e with 1/2 <= m < 1 is in bucket 32 e + int(64 m) + 2048: no logarithm is computed
and nothing is rounded, so that every language has the same buckets. 0 is what is nearly zero, and
values below zero have the negative number of their opposite. `monit_probe` and
``node/monit_buckets.cjs`` do the same.

In a report a histogram is one list, ``[bucket, number, step, number, step, number ...]``: the first
bucket, and how far the next one that is not empty is from the one before.

Loaded by the probe's thread.
"""

from array import array
from collections import Counter
from math import frexp

OFFSET, LAST = 2048, 4127
"""The last bucket has everything from nearly 2 ** 63 on."""


def bucket_of(value):
    """Return the bucket of a value above zero."""
    fraction, exponent = frexp(value)
    return (exponent << 5) + int(fraction * 64.0) + OFFSET


def count_durations(durations, counts, sums=None):
    """Add durations to ``counts``, and to ``sums`` if it is there, by bucket; return the longest.

    Many at once, because that is done by C code: `benchmarks/histograms.py` measures it. The bucket
    is in the first 17 bits of the number as it is stored.
    """
    durations = list(durations) if sums is None else sorted(durations)
    bits = memoryview(array("d", durations)).cast("B").cast("Q")
    found = Counter([each >> 47 for each in bits])
    done = 0
    for place in found if sums is None else sorted(found):
        bucket, number = max(0, place - 30624), found[place]
        counts[bucket] = counts.get(bucket, 0) + number
        if sums is not None:
            sums[bucket] = sums.get(bucket, 0.0) + sum(durations[done : done + number])
            done += number
    return max(durations, default=0.0)


def pack(counts, sums=None):
    """Return a histogram as it is in a report, with the sums in whole microseconds."""
    packed, before = [], 0
    for bucket in sorted(counts):
        packed += (bucket - before, counts[bucket])
        if sums is not None:
            packed.append(int(sums[bucket] * 1e6 + 0.5))
        before = bucket
    return packed


def unpack(packed):
    """Return the counts by bucket in a packed histogram without sums."""
    counts, bucket = {}, 0
    for step, number in zip(packed[::2], packed[1::2]):
        bucket += step
        counts[bucket] = number
    return counts


def merge(one, other, width=2):
    """Return the sum of two packed histograms; ``width`` is 3 where they have sums."""
    total = {}
    for packed in (one, other):
        bucket = 0
        for place in range(0, len(packed), width):
            bucket += packed[place]
            row = total.setdefault(bucket, [0] * (width - 1))
            for column in range(width - 1):
                row[column] += packed[place + 1 + column]
    merged, before = [], 0
    for bucket in sorted(total):
        merged += [bucket - before] + total[bucket]
        before = bucket
    return merged


class Growth:
    """What histograms that only grow have gained since the last report that was received."""

    def __init__(self):
        self._received = {}
        self._reported = {}

    def of(self, name, counts):
        """Return the gain of the histogram ``name``, whose counts are these by now, packed."""
        self._reported[name] = counts
        before = self._received.get(name, {})
        gains = {key: n - before.get(key, 0) for key, n in counts.items()}
        return pack({key: gain for key, gain in gains.items() if gain > 0})

    def received(self):
        """Note that the last report was received."""
        self._received.update(self._reported)
