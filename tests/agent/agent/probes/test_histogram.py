"""Percentiles from logarithmic buckets: at most 3 % off, whatever was measured."""

import math
import shutil
import subprocess
from bisect import bisect_right
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import monit_agent
from monit_agent.agent.probes.histogram import (
    LAST,
    Counts,
    MovingCounts,
    MovingStretches,
    Packed,
    Stretches,
    added_up,
    bounds,
    merged,
    middle,
    percentiles,
    wait_percentiles,
)
from support.buckets import bucket_of, packed, packed_stretches

NODE = Path(monit_agent.__file__).parent / "probe" / "node" / "monit_buckets.cjs"

durations = st.floats(1e-6, 1e5)
"""From a microsecond to a day."""
values = st.floats(-1e18, 1e18).filter(lambda value: value == 0.0 or abs(value) > 1e-18)


def percentile(counts: Counts, share: float) -> float | None:
    return percentiles(counts, [share])[0]


def busy_stretches(histograms: list[Packed]) -> list[Stretches]:
    moving = MovingStretches()
    for each in histograms:
        moving.add(each)
    return moving.stretches()


def wait_percentile(stretches: list[Stretches], idle_s: float, share: float) -> float:
    return wait_percentiles(stretches, idle_s, [share])[0]


def _exact(found: list[float], share: float) -> float:
    return sorted(found)[max(0, math.ceil(share * len(found)) - 1)]


@given(values)
def test_a_bucket_is_at_most_3_percent_wide(value: float) -> None:
    """Each value lies in its bucket, whose middle is at most 1.6 % off."""
    bucket = bucket_of(value)

    assert middle(bucket) == pytest.approx(value, rel=1 / 64)
    if value > 0:
        low, high = bounds(bucket)
        assert low <= value < high <= low * (1 + 1 / 32)


@given(st.lists(values, min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_percentile_is_nearly_the_value_it_stands_for(found: list[float], share: float) -> None:
    """Also where values are below zero, and whatever their unit is."""
    assert percentile(added_up([packed(found)]), share) == pytest.approx(
        _exact(found, share), rel=0.016, abs=1e-18
    )


@given(st.lists(st.lists(durations, max_size=40), max_size=6), st.floats(0.01, 1.0))
def test_processes_and_seconds_add_up(parts: list[list[float]], share: float) -> None:
    """The percentile of histograms that were added up is that of all their values."""
    of_each = [added_up([packed(each)]) for each in parts]
    of_all = added_up([packed([value for each in parts for value in each])])

    assert merged(of_each) == added_up([packed(each) for each in parts]) == of_all
    assert percentile(merged(of_each), share) == percentile(of_all, share)


@given(st.lists(durations, min_size=1, max_size=60), st.floats(0.0, 1e5), st.floats(0.01, 0.999))
def test_waits_are_those_of_the_stretches(busy: list[float], idle_s: float, share: float) -> None:
    """The time that is spent in waits of more than x is the sum of what each busy stretch has
    beyond x: for x as it is computed, that is the share that was wanted, but for 3 % of x."""
    stretches = busy_stretches([packed_stretches(busy)])
    found = wait_percentile(stretches, idle_s, share)
    beyond = (1.0 - share) * (idle_s + sum(busy))

    def longer_than(wait: float) -> float:
        return sum(max(0.0, each - wait) for each in busy)

    nothing = 1e-6 * len(busy) + 1e-9 * (idle_s + sum(busy))
    assert longer_than(found * 1.032) <= beyond + nothing
    assert longer_than(found * 0.968) >= min(beyond, longer_than(0.0)) - nothing


def test_a_loop_that_is_always_busy_for_the_same_time_is_exact() -> None:
    """A hundred blocks of 100 ms: the waits are spread evenly over 0 to 100 ms."""
    stretches = busy_stretches([packed_stretches([0.1] * 60), packed_stretches([0.1] * 40)])

    assert stretches == [(100, 10_000_000)]
    assert wait_percentile(stretches, 0.0, 0.5) == pytest.approx(0.05)
    assert wait_percentile(stretches, 0.0, 0.95) == pytest.approx(0.095)
    assert wait_percentile(stretches, 90.0, 0.5) == 0.0


@given(st.lists(st.integers(-(2**53), 2**53), max_size=20))
def test_numbers_that_are_no_histogram_do_no_harm(numbers: list[int]) -> None:
    """A program can send anything: what cannot be is left out."""
    counts = added_up([numbers])
    stretches = busy_stretches([numbers])

    assert all(abs(bucket) <= LAST and number >= 0 for bucket, number in counts.items())
    assert percentile(counts, 0.95) is None or counts
    assert wait_percentile(stretches, 1.0, 0.95) >= 0.0


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")
def test_node_has_the_same_buckets() -> None:
    """Where a bucket begins, just below it, in its middle, and at the ends of what is counted."""
    edges = [bounds(bucket)[0] for bucket in range(100, LAST, 7)]
    found = [0.0, 5e-324, 1e-20, 1e300, *edges, *[math.nextafter(edge, 0.0) for edge in edges]]
    found += [-value for value in found]
    program = f"""
    const {{ bucketOf }} = require({str(NODE)!r});
    const values = JSON.parse(require("fs").readFileSync(0));
    console.log(JSON.stringify(values.map(bucketOf)));
    """
    reported = subprocess.run(
        ["node", "-e", program], input=str(found), capture_output=True, text=True, check=True
    ).stdout

    def expected(value: float) -> int:
        bucket = bucket_of(value)
        return 0 if abs(value) < 2**-63 else max(-LAST, min(LAST, bucket))

    assert reported.strip() == str([expected(value) for value in found]).replace(" ", "")


def test_a_bucket_that_is_next_begins_where_one_ends() -> None:
    """There is no gap: each value is in exactly one bucket."""
    starts = [bounds(bucket)[0] for bucket in range(100, 3000)]

    assert [bounds(bucket)[1] for bucket in range(100, 2999)] == starts[1:]
    assert bisect_right(starts, 1.0) - 1 + 100 == bucket_of(1.0)


@given(st.lists(st.lists(durations, max_size=30), min_size=1, max_size=8), st.integers(0, 7))
def test_what_leaves_the_window_is_gone(seconds: list[list[float]], kept: int) -> None:
    """Histograms that were added and removed again leave what the others add up to."""
    counts, stretches = MovingCounts(), MovingStretches()
    for each in seconds:
        counts.add(packed(each))
        stretches.add(packed_stretches(each))
    for each in seconds[:kept]:
        counts.remove(packed(each))
        stretches.remove(packed_stretches(each))

    assert counts.counts == added_up([packed(each) for each in seconds[kept:]])
    assert stretches.stretches() == busy_stretches([packed_stretches(e) for e in seconds[kept:]])


@given(st.lists(durations, min_size=1, max_size=40), st.floats(0.0, 100.0))
def test_percentiles_come_together(found: list[float], idle_s: float) -> None:
    """Three at once are the three one by one."""
    shares = [0.5, 0.95, 0.99]
    counts, stretches = added_up([packed(found)]), busy_stretches([packed_stretches(found)])

    assert percentiles(counts, shares) == [percentile(counts, share) for share in shares]
    assert wait_percentiles(stretches, idle_s, shares) == [
        wait_percentile(stretches, idle_s, share) for share in shares
    ]
