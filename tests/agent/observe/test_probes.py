"""From reports to figures: lag, sums over processes, staleness, the table of blocks."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.observe.blocks import Blocks
from monit_agent.observe.lag import bounds_ms, grown, percentile_ms, stretch
from monit_agent.observe.probes import Inside, put_into
from monit_agent.observe.probewords import BadReportError, BlockWords, Report, read_report
from monit_agent.wire.limits import BLOCKS
from monit_agent.wire.messages import Sample


def _report(seq: int, **fields: object) -> Report:
    return read_report(
        msgspec.json.encode({"v": 1, "rt": "python", "born": 7, "seq": seq, "loops": [], **fields})
    )


def _loop(busy: list[float], idle: float, **more: object) -> dict[str, object]:
    """Give a loop that was busy for these stretches and idle for the rest."""
    masses: dict[int, float] = {}
    for each in busy:
        for bucket, mass in stretch(each).items():
            masses[bucket] = masses.get(bucket, 0.0) + mass
    return {"id": 1, "type": "asyncio", "busy": sum(busy), "wall": sum(busy) + idle, "idle": idle,
            "lag": sorted(masses.items()), "max": max(busy, default=0.0), **more}  # fmt: skip


def _sampled(*reports: Report, now: float = 0.5) -> Sample:
    inside = Inside()
    for number, report in enumerate(reports):
        inside.add(report, float(number))
    figures = inside.figures(len(reports) - 1 + now)
    return put_into(Sample(at=1.0), [figures] if figures else [])


@pytest.mark.parametrize(
    ("busy", "p50", "p95", "p99"),
    [([0.3], 0, 0, 200), ([1.0, 0.3], 0, 501, 901), ([0.05] * 20, 0, 26, 46)],
)
def test_percentiles_are_those_of_a_simulation(
    busy: list[float], p50: float, p95: float, p99: float
) -> None:
    """A window of 10 s with these blocks has the time-weighted waits that were worked out
    beforehand, the correction for coordinated omission included."""
    before = _report(1, loops=[_loop([], 0.0)])
    sample = _sampled(before, _report(2, loops=[_loop(busy, 10.0 - sum(busy))]))

    assert sample.loop_lag_p50_ms == pytest.approx(p50, abs=1)
    assert sample.loop_lag_p95_ms == pytest.approx(p95, rel=0.03, abs=1)
    assert sample.loop_lag_p99_ms == pytest.approx(p99, rel=0.03, abs=1)
    assert sample.loop_lag_max_ms == 1000 * max(busy)
    assert sample.loop_utilization == pytest.approx(sum(busy) / 10, abs=0.001)


@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=20), st.floats(0.0, 20.0))
def test_percentiles_are_ordered_and_bounded(busy: list[float], idle: float) -> None:
    """p50 is not above p95, p95 not above p99, and none above the longest wait."""
    masses: dict[int, float] = {}
    for each in busy:
        for bucket, mass in stretch(each).items():
            masses[bucket] = masses.get(bucket, 0.0) + mass
    shares = [percentile_ms(masses, idle, p, 1000 * max(busy)) for p in (0.5, 0.95, 0.99, 1.0)]

    assert shares == sorted(shares)
    assert shares[-1] <= 1000 * max(busy)


def test_a_percentile_agrees_with_counting() -> None:
    """Evenly spread waits, put into buckets and taken out again, give the plain quantile."""
    generator = random.Random(4)
    waits = [generator.uniform(0, 300) for _ in range(20_000)]
    masses: dict[int, float] = {}
    for wait in waits:
        bucket = next(i for i in range(40) if wait < bounds_ms(i)[1])
        masses[bucket] = masses.get(bucket, 0.0) + 1
    for share in (0.1, 0.5, 0.95, 0.99):
        exact = sorted(waits)[int(share * len(waits))]
        assert percentile_ms(masses, 0.0, share, max(waits)) == pytest.approx(exact, rel=0.03)


def test_a_lost_report_loses_nothing() -> None:
    """Counters are cumulative: with every second report missing the window's lag is the same."""
    reports = [_report(n, loops=[_loop([0.2] * n, 0.8 * n)]) for n in range(1, 5)]

    assert _sampled(*reports).loop_lag_p95_ms == pytest.approx(
        _sampled(reports[0], reports[-1]).loop_lag_p95_ms
    )


def test_a_loop_that_is_stuck_for_good_is_not_called_well() -> None:
    """While a block goes on it counts already, though no histogram has it yet."""
    sample = _sampled(
        _report(1, loops=[_loop([], 1.0)]), _report(2, loops=[_loop([], 1.0, now=4.0)])
    )

    assert sample.loop_lag_p95_ms == pytest.approx(3800, rel=0.03)
    assert sample.loop_lag_max_ms == 4000


def test_what_a_silent_process_said_is_forgotten() -> None:
    """Three seconds without a report: unknown, not the last number for ever."""
    assert _sampled(_report(1), _report(2, heap=_heap(1, 2)), now=2.9).heap_used_bytes == 1
    assert _sampled(_report(1), _report(2, heap=_heap(1, 2)), now=3.1).heap_used_bytes is None


def _heap(used: int | None, size: int, src: str = "malloc") -> dict[str, object]:
    return {"src": src, "size": size, "used": used}


def test_a_process_that_replaced_itself_begins_anew() -> None:
    """After an exec the numbers fall back to nothing, and no difference is negative."""
    again = msgspec.structs.replace(_report(1, loops=[_loop([0.1], 0.9)]), born=8)
    sample = _sampled(_report(5, loops=[_loop([2.0], 9.0)]), again)

    assert sample.loop_lag_max_ms == 100
    assert sample.loop_utilization == pytest.approx(0.1)


def test_heaps_add_up_and_the_worst_loop_counts() -> None:
    """Two processes: sum of sizes and use, worst lag, use of the busiest."""
    inside = [Inside(), Inside()]
    for number, each in enumerate(inside, 1):
        for seq in (1, 2):
            loops = [_loop([0.1 * number] * seq, 1.0 * seq)]
            each.add(_report(seq, heap=_heap(10 * number, 20 * number), tasks=1, loops=loops), seq)
    sample = put_into(Sample(at=1.0), [f for each in inside if (f := each.figures(2.0))])

    assert (sample.heap_used_bytes, sample.heap_size_bytes) == (30, 60)
    assert sample.heap_usage_percent == 50.0
    assert sample.loop_lag_max_ms == 200
    assert sample.loop_utilization == pytest.approx(0.2 / 1.2, abs=0.001)
    assert sample.tasks == 2


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    """One process whose use cannot be read: the sum's use is unknown, and so is the source."""
    inside = [Inside(), Inside()]
    inside[0].add(_report(1, heap=_heap(5, 10)), 0.0)
    inside[1].add(_report(1, heap=_heap(None, 30, "rss")), 0.0)
    sample = put_into(Sample(at=1.0), [f for each in inside if (f := each.figures(0.0))])

    assert (sample.heap_size_bytes, sample.heap_used_bytes) == (40, None)
    assert sample.heap_usage_percent is None
    assert sample.heap_src == "rss"


@given(st.binary(max_size=200))
def test_bytes_that_are_no_report_are_refused(raw: bytes) -> None:
    """Whatever a process sends, it is a report or a `BadReportError`."""
    with pytest.raises(BadReportError):
        read_report(raw)


@pytest.mark.parametrize(
    "fields",
    [{"v": 2}, {"loops": [_loop([], 1.0, lag=[[40, 1.0]])]}, {"gc": [[1, 1, 1]] * 9},
     {"loops": [_loop([], 1.0, now=-1.0)]}, {"blocked": [{"kind": "else"}]}],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    """Other versions, buckets that do not exist, negative times, endless lists."""
    with pytest.raises(BadReportError):
        _report(1, **fields)


def _block(name: str, count: int = 1, took: float = 0.2, at: float = 5.0) -> BlockWords:
    stack = (("/usr/lib/python3/json.py", 3, "dumps"), ("/srv/app.py", 7, name))
    return BlockWords(kind="culprit", stack=stack, count=count, total=took * count, max=took, at=at)


def test_equal_blocks_are_one_line_with_the_apps_own_frame_named() -> None:
    """Folded over reports and processes, longest total first."""
    blocks = Blocks()
    blocks.add(1, (_block("price"),), 0.0)
    blocks.add(2, (_block("price", took=0.3, at=9.0), _block("tax", count=9)), 1.0)
    tax, price = blocks.records(1.0)

    assert (tax.count, tax.total_ms) == (9, 1800.0)
    assert (price.count, price.total_ms, price.max_ms) == (2, 500.0, 300.0)
    assert (price.first_at, price.last_at) == (5.0, 9.0)
    assert price.stack[price.culprit].function == "price"


def test_a_block_that_goes_on_is_shown_until_it_ends_or_falls_silent() -> None:
    """Not counted before it is over; gone from the table when nothing is heard any more."""
    blocks = Blocks()
    blocks.add(1, (_block("price", count=0, took=2.0),), 10.0)
    (going_on,) = blocks.records(10.5)

    assert (going_on.count, going_on.going_on_ms) == (0, 2500.0)
    assert blocks.records(14.0) == ()
    blocks.add(1, (_block("price", took=4.0),), 15.0)
    (over,) = blocks.records(15.0)
    assert (over.count, over.going_on_ms) == (1, None)


def test_the_table_is_bounded_and_says_what_it_lost() -> None:
    """An app that is stuck in ever new places cannot fill the agent's memory."""
    blocks = Blocks()
    for number in range(BLOCKS + 5):
        blocks.add(1, (_block(f"f{number}", at=float(number)),), 0.0)

    assert len(blocks.records(0.0)) == BLOCKS
    assert blocks.lost == 5
    assert grown([(1, 2.0)], [(1, 3.0)]) == {}


def _http(requests: int, errors: int = 0, **more: object) -> dict[str, object]:
    return {"requests": requests, "errors": errors, **more}


def test_requests_of_all_processes_add_up() -> None:
    """Rates and requests in flight are sums, and a percentile is that of all requests: nine of
    ten took 1 ms in one process, the tenth 100 ms in the other."""
    figures = []
    for count, bucket, longest in ((900, 7, 0.001), (100, 20, 0.1)):
        inside = Inside()
        inside.add(_report(1, http=_http(50, 1, hist=[[bucket, 50]])), 0.0)
        after = _http(50 + count, 3, now=2, hist=[[bucket, 50 + count]], max=longest)
        inside.add(_report(2, http=after), 4.0)
        figures.append(inside.figures(4.5))
    sample = put_into(Sample(at=1.0), figures)

    assert sample.http_rps == 250.0
    assert sample.http_errors_per_s == 1.0
    assert sample.http_in_flight == 4
    assert sample.http_p50_ms is not None
    assert bounds_ms(7)[0] < sample.http_p50_ms < bounds_ms(7)[1]
    assert sample.http_p95_ms is not None
    assert bounds_ms(20)[0] < sample.http_p95_ms <= 100
    assert sample.http_max_ms == 100


def test_what_is_not_known_of_requests_is_none() -> None:
    """Without a server nothing is known; after one report what is in flight; without a request
    no latency, while the rate is 0; and a server that appears counts from nothing."""
    assert _sampled(_report(1), _report(2)).http_in_flight is None
    first = _sampled(_report(1, http=_http(7, now=3, hist=[[2, 7]])))
    assert (first.http_rps, first.http_p50_ms, first.http_in_flight) == (None, None, 3)
    idle = _sampled(_report(1, http=_http(7)), _report(2, http=_http(7)))
    assert (idle.http_rps, idle.http_p99_ms, idle.http_max_ms) == (0.0, None, None)
    late = _sampled(_report(1), _report(2, http=_http(8, hist=[[4, 8]], max=0.0003)))
    assert (late.http_rps, late.http_max_ms) == (8.0, 0.3)


@pytest.mark.parametrize(
    "words", [{"requests": -1}, {"requests": 1, "hist": [[99, 1]]}, {"requests": 1, "max": "x"}, []]
)
def test_nonsense_about_requests_is_refused(words: object) -> None:
    """A report whose HTTP part is none is no report."""
    with pytest.raises(BadReportError):
        _report(1, http=words)
