"""From reports to figures: lag, sums over processes, staleness, the table of blocks."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.probes.blocks import ONGOING_S, Blocks
from monit_agent.agent.probes.figures import ProbeFigures, ReportWindow, combine_app
from monit_agent.agent.probes.histogram import MovingStretches, wait_percentiles
from monit_agent.agent.probes.reports import BadReportError, BlockReport, Report, read_report
from monit_agent.agent.sampling.sample import Inside, build_sample
from monit_agent.wire.limits import BLOCKS
from monit_agent.wire.messages import Sample
from monit_agent.wire.metrics import figure
from support.buckets import packed, packed_stretches


def _report(seq: int, **fields: object) -> Report:
    return read_report(
        msgspec.json.encode(
            {"v": 2, "rt": "python", "started": 7, "seq": seq, "loops": [], **fields}
        )
    )


def _loop(busy: list[float], idle: float, since: int = 0, **more: object) -> dict[str, object]:
    """Return a loop that was busy for these stretches and idle for the rest; those from ``since``
    on came after the report before."""
    lag, longest = packed_stretches(busy[since:]), max(busy, default=0.0)
    return {"id": 1, "type": "asyncio", "busy": sum(busy), "wall": sum(busy) + idle, "idle": idle,
            "lag": lag, "max": longest, **more}  # fmt: skip


def _sampled(*reports: Report, now: float = 0.5) -> Sample:
    inside = ReportWindow()
    for number, report in enumerate(reports):
        inside.add(report, float(number))
    figures = inside.figures(len(reports) - 1 + now)
    return _combined([figures] if figures else [])


def _combined(figures: Sequence[ProbeFigures | None]) -> Sample:
    known = {pid: each for pid, each in enumerate(figures, 1) if each is not None}
    return build_sample(1.0, 1, None, Inside(known))


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

    assert figure(sample, "loop_lag_p50_ms") == pytest.approx(p50, abs=1)
    assert figure(sample, "loop_lag_p95_ms") == pytest.approx(p95, rel=0.03, abs=1)
    assert figure(sample, "loop_lag_p99_ms") == pytest.approx(p99, rel=0.03, abs=1)
    assert figure(sample, "loop_lag_max_ms") == 1000 * max(busy)
    assert figure(sample, "loop_utilization") == pytest.approx(sum(busy) / 10, abs=0.001)


@given(st.lists(st.floats(0.0, 5.0), min_size=1, max_size=20), st.floats(0.0, 20.0))
def test_percentiles_are_ordered_and_bounded(busy: list[float], idle: float) -> None:
    """p50 is not above p95, p95 not above p99, and none above the longest wait."""
    stretches = MovingStretches()
    stretches.add(packed_stretches(busy))
    shares = wait_percentiles(stretches.stretches(), idle, (0.5, 0.95, 0.99, 1.0))

    assert shares == sorted(shares)
    assert shares[-1] <= max(busy) + 1e-6  # stretches are reported in whole microseconds


def test_a_lost_report_loses_nothing() -> None:
    """Counters are cumulative, and a probe keeps its histograms until a report was received: the
    window's lag is the same."""
    reports = [_report(n, loops=[_loop([0.2] * n, 0.8 * n, since=n - 1)]) for n in range(1, 5)]
    late = _report(4, loops=[_loop([0.2] * 4, 3.2, since=1)])

    assert figure(_sampled(*reports), "loop_lag_p95_ms") == pytest.approx(
        figure(_sampled(reports[0], late), "loop_lag_p95_ms")
    )


def test_a_loop_that_is_stuck_for_good_is_not_called_well() -> None:
    """While a block lasts it counts already, though no histogram has it yet."""
    sample = _sampled(
        _report(1, loops=[_loop([], 1.0)]), _report(2, loops=[_loop([], 1.0, now=4.0)])
    )

    assert figure(sample, "loop_lag_p95_ms") == pytest.approx(3800, rel=0.03)
    assert figure(sample, "loop_lag_max_ms") == 4000


def test_what_a_silent_process_reported_is_dropped() -> None:
    """Three seconds without a report: unknown, and no longer the last number."""
    assert (
        figure(_sampled(_report(1), _report(2, heap=_heap(1, 2)), now=2.9), "heap_used_bytes") == 1
    )
    assert (
        figure(_sampled(_report(1), _report(2, heap=_heap(1, 2)), now=3.1), "heap_used_bytes")
        is None
    )


def _heap(used: int | None, size: int, src: str = "malloc") -> dict[str, object]:
    return {"src": src, "size": size, "used": used}


def test_loops_that_come_and_go_and_nonsense_do_no_harm() -> None:
    """A thread pool starts and ends loops all the time; and what is no histogram counts as none."""
    window = ReportWindow()
    for seq in range(1, 40):
        loop = {**_loop([0.1], 0.9), "id": seq // 2}
        odd = {**_loop([], 1.0, lag=[5, 0, 3]), "id": 1000}
        window.add(_report(seq, loops=[loop, odd] if seq % 3 else [], sched=[7, 0]), 0.5 * seq)
        sample = _combined([window.figures(0.5 * seq)])
        assert (figure(sample, "loop_lag_max_ms") or 0.0) <= 100


def test_a_process_that_replaced_itself_begins_again() -> None:
    """After an exec the numbers fall back to nothing, and no difference is negative."""
    again = msgspec.structs.replace(_report(1, loops=[_loop([0.1], 0.9)]), started=8)
    sample = _sampled(_report(5, loops=[_loop([2.0], 9.0)]), again)

    assert figure(sample, "loop_lag_max_ms") == 100
    assert figure(sample, "loop_utilization") == pytest.approx(0.1)


def test_heaps_add_up_and_the_worst_loop_counts() -> None:
    """Two processes: sum of sizes and use, worst lag, use of the busiest."""
    inside = [ReportWindow(), ReportWindow()]
    for number, each in enumerate(inside, 1):
        for seq in (1, 2):
            loops = [_loop([0.1 * number] * seq, 1.0 * seq)]
            each.add(_report(seq, heap=_heap(10 * number, 20 * number), tasks=1, loops=loops), seq)
    sample = _combined([each.figures(2.0) for each in inside])

    assert (figure(sample, "heap_used_bytes"), figure(sample, "heap_size_bytes")) == (30, 60)
    assert figure(sample, "heap_usage_percent") == 50.0
    assert figure(sample, "loop_lag_max_ms") == 200
    assert figure(sample, "loop_utilization") == pytest.approx(0.2 / 1.2, abs=0.001)
    assert figure(sample, "tasks") == 2


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    """One process whose use cannot be read: the sum's use is unknown, and so is the source."""
    inside = [ReportWindow(), ReportWindow()]
    inside[0].add(_report(1, heap=_heap(5, 10)), 0.0)
    inside[1].add(_report(1, heap=_heap(None, 30, "rss")), 0.0)
    sample = _combined([each.figures(0.0) for each in inside])

    assert (figure(sample, "heap_size_bytes"), figure(sample, "heap_used_bytes")) == (40, None)
    assert figure(sample, "heap_usage_percent") is None
    assert sample.heap.source == "rss"


@given(st.binary(max_size=200))
def test_bytes_that_are_no_report_are_refused(raw: bytes) -> None:
    """Whatever a process sends, it is a report or a `BadReportError`."""
    with pytest.raises(BadReportError):
        read_report(raw)


@pytest.mark.parametrize(
    "fields",
    [{"v": 3}, {"loops": [_loop([], 1.0, lag=[[40, 1.0]])]}, {"gc": [[1, 1, 1]] * 9},
     {"loops": [_loop([], 1.0, now=-1.0)]}, {"blocked": [{"kind": "else"}]}],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(fields: dict[str, object]) -> None:
    """Other versions, buckets that do not exist, negative times, endless lists."""
    with pytest.raises(BadReportError):
        _report(1, **fields)


def _block(name: str, count: int = 1, took: float = 0.2, at: float = 5.0) -> BlockReport:
    stack = (("/usr/lib/python3/json.py", 3, "dumps"), ("/srv/app.py", 7, name))
    return BlockReport(
        kind="callback", stack=stack, count=count, total=took * count, max=took, at=at
    )


def test_equal_blocks_are_one_line_with_the_apps_own_frame_named() -> None:
    """Folded over reports and processes, longest total first."""
    blocks = Blocks()
    blocks.add(1, (_block("price"),), 0.0)
    blocks.add(2, (_block("price", took=0.3, at=9.0), _block("tax", count=9)), 1.0)
    tax, price = blocks.records(1.0)

    assert (tax.count, tax.total_ms) == (9, 1800.0)
    assert (price.count, price.total_ms, price.max_ms) == (2, 500.0, 300.0)
    assert (price.first_at, price.last_at) == (5.0, 9.0)
    assert price.stack[price.blocking_frame].function == "price"


def test_a_block_that_lasts_is_shown_until_it_ends_or_reports_stop() -> None:
    """Not counted before it is over; gone from the table when no report comes any more."""
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


def test_blocked_processes_that_were_killed_leave_nothing() -> None:
    """A pool may kill its stuck children for years, each with a pid of its own."""
    blocks = Blocks()
    for number in range(1000):
        blocks.add(number, (_block("price", count=0),), float(number))

    assert len(blocks._ongoing) <= ONGOING_S + 1


def _http(requests: int, errors: int = 0, **more: object) -> dict[str, object]:
    return {"requests": requests, "errors": errors, **more}


def test_requests_of_all_processes_add_up() -> None:
    """Rates and requests in flight are sums, and a percentile is that of all requests: nine of
    ten took 1 ms in one process, the tenth 100 ms in the other."""
    figures = []
    for count, took in ((900, 0.001), (100, 0.1)):
        inside = ReportWindow()
        inside.add(_report(1, http=_http(50, 1, hist=packed([took] * 50))), 0.0)
        after = _http(50 + count, 3, now=2, hist=packed([took] * count), max=took)
        inside.add(_report(2, http=after), 4.0)
        figures.append(inside.figures(4.5))
    sample = _combined(figures)

    assert figure(sample, "http_rps") == 250.0
    assert figure(sample, "http_errors_per_s") == 1.0
    assert figure(sample, "http_in_flight") == 4
    assert figure(sample, "http_p50_ms") == pytest.approx(1, rel=0.016)
    assert figure(sample, "http_p95_ms") == pytest.approx(100, rel=0.016)
    assert figure(sample, "http_max_ms") == 100


def test_what_is_not_known_of_requests_is_none() -> None:
    """Without a server nothing is known; after one report what is in flight; without a request
    no latency, while the rate is 0; and a server that appears counts from nothing."""
    assert figure(_sampled(_report(1), _report(2)), "http_in_flight") is None
    first = _sampled(_report(1, http=_http(7, now=3, hist=packed([0.0001] * 7))))
    assert (
        figure(first, "http_rps"),
        figure(first, "http_p50_ms"),
        figure(first, "http_in_flight"),
    ) == (None, None, 3)
    idle = _sampled(_report(1, http=_http(7)), _report(2, http=_http(7)))
    assert (figure(idle, "http_rps"), figure(idle, "http_p99_ms"), figure(idle, "http_max_ms")) == (
        0.0,
        None,
        None,
    )
    late = _sampled(_report(1), _report(2, http=_http(8, hist=packed([0.0003] * 8), max=0.0003)))
    assert (figure(late, "http_rps"), figure(late, "http_max_ms")) == (8.0, 0.3)


@pytest.mark.parametrize(
    "words", [{"requests": -1}, {"requests": 1, "hist": [[99, 1]]}, {"requests": 1, "max": "x"}, []]
)
def test_nonsense_about_requests_is_refused(words: object) -> None:
    """A report whose HTTP part is none is no report."""
    with pytest.raises(BadReportError):
        _report(1, http=words)


def _window(*reports: Report) -> ProbeFigures:
    window = ReportWindow()
    for number, report in enumerate(reports):
        window.add(report, float(number))
    figures = window.figures(float(len(reports)))
    assert figures is not None
    return figures


def _worker(took: Sequence[float], busy: list[float], idle: float) -> ProbeFigures:
    """Return the figures of a worker with these requests, whose loop was busy and idle for so long,
    and whose threads waited as long as its requests took."""
    metric = {"kind": "histogram", "count": len(took), "sum": sum(took), "buckets": packed(took)}
    http = {"requests": len(took), "errors": 0, "now": 0, "hist": packed(took), "max": max(took)}
    none = {**http, "requests": 0, "hist": [], "max": 0.0}
    nothing = {**metric, "count": 0, "sum": 0.0, "buckets": []}
    return _window(
        _report(1, mono=1.0, loops=[_loop([], 0.0)], http=none, metrics={"took": nothing}),
        _report(2, mono=2.0, loops=[_loop(busy, idle)], http=http, sched=packed(took),
                sched_max=max(took), metrics={"took": metric}),
    )  # fmt: skip


_TOOK = st.lists(st.floats(1e-4, 10.0), min_size=1, max_size=20)
_WORKERS = st.lists(
    st.tuples(_TOOK, st.lists(st.floats(1e-3, 5.0), max_size=10)), min_size=4, max_size=4
)


@given(_WORKERS)
def test_four_workers_together_are_as_all_in_one(
    workers: list[tuple[list[float], list[float]]],
) -> None:
    """Percentiles of an app are those of all that happened, whichever of its workers did it: of
    requests, of waits for loops and threads, and of the app's own histograms."""
    whole = combine_app([_worker(took, busy, 1.0) for took, busy in workers])
    all_took = [each for took, _ in workers for each in took]
    all_busy = [each for _, busy in workers for each in busy]
    one = combine_app([_worker(all_took, all_busy, 4.0)])

    for part, fields in {
        "http": ("p50_ms", "p95_ms", "p99_ms", "max_ms"),
        "loop": ("lag_p50_ms", "lag_p95_ms", "lag_p99_ms", "lag_max_ms"),
        "scheduling": ("delay_p95_ms", "delay_max_ms"),
    }.items():
        for field in fields:
            got, expected = (getattr(getattr(each, part), field) for each in (whole, one))
            assert got == pytest.approx(expected, rel=0.04, abs=0.002), field
    got, expected = whole.metrics["took"], one.metrics["took"]
    assert (got.p50, got.p95, got.p99) == (expected.p50, expected.p95, expected.p99)
