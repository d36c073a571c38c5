"""Counters of an instance over processes, restarts, resets and agents."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.probes.reports import Report, read_report
from monit_agent.agent.totals.counters import Counters
from monit_agent.agent.totals.instance import InstanceCounters, SavedTotals
from monit_agent.wire.limits import EXIT_KINDS, METRICS
from monit_agent.wire.messages import Exit, InstanceRecord, LogEnd
from support.buckets import packed


def _report(seq: int = 1, **fields: object) -> Report:
    return read_report(
        msgspec.json.encode({"v": 2, "rt": "python", "started": 7, "seq": seq, **fields})
    )


def _record(restarts: int = 0, exits: tuple[Exit, ...] = (), **fields: object) -> InstanceRecord:
    return InstanceRecord(**{
        "instance": 0, "id": 0, "status": "online", "desired": "running", "ready": True,
        "restarts": restarts, "exits": exits, **fields,
    })  # fmt: skip


def _exit(ran_s: float, code: int = 1, *, requested: bool = False, at: float = 5.0) -> Exit:
    return Exit(code=code, at=at, ran_s=ran_s, requested=requested)


def _next_agent(counters: InstanceCounters) -> InstanceCounters:
    raw = msgspec.json.encode(counters.saved())
    return InstanceCounters(msgspec.json.decode(raw, type=SavedTotals))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e9)), max_size=30), st.booleans())
def test_a_total_never_falls(steps: list[tuple[str, float]], resets: bool) -> None:
    """Whatever sources report, also less than before, no total steps back."""
    counters = Counters()
    before = 0.0
    for source, value in steps:
        counters.add(source, {"n": value}, resets=resets)
        assert counters.totals["n"] >= before
        before = counters.totals["n"]


def test_processes_add_up_and_an_agent_that_restarts_counts_nothing_twice() -> None:
    """Two processes and the next agent: each request counts once."""
    counters = InstanceCounters()
    counters.report_received("1 a", _report(http={"requests": 10, "errors": 1}))
    counters.report_received("2 b", _report(http={"requests": 5, "errors": 0}))
    counters = _next_agent(counters)
    counters.report_received("1 a", _report(http={"requests": 12, "errors": 1}))
    counters.report_received("3 c", _report(http={"requests": 1, "errors": 1}))
    record = counters.record()
    assert (record.http_requests, record.http_errors) == (18, 2)


def test_durations_are_counted_in_the_buckets_of_prometheus() -> None:
    """A duration is in the first bucket whose bound it does not exceed; the sum is near."""
    counters = InstanceCounters()
    hist = packed([0.003, 0.02, 0.02, 11.0])
    counters.report_received("1 a", _report(http={"requests": 4, "hist": hist}))
    record = counters.record()
    assert record.http_durations == (1, 0, 2, *[0] * 8, 1)
    assert abs(record.http_s - 11.043) < 0.02 * 11.043


def test_the_cpu_time_of_a_worker_that_is_gone_stays() -> None:
    """The next worker's time is added, and a smaller sum of the same tree takes nothing off."""
    counters = InstanceCounters()
    counters.cpu_used("1 tree", 5.0)
    counters.cpu_used("1 tree", 4.0)
    counters.cpu_used("2 tree", 1.5)
    assert counters.record().cpu_s == 6.5


def test_restarts_by_exit_and_by_request() -> None:
    """An exit that nobody requested and the restart after it are one; a reload is a request."""
    counters = InstanceCounters()
    counters.slot_changed(_record(0))
    counters.slot_changed(_record(1, (_exit(1.0),)))
    counters.slot_changed(_record(2, (_exit(1.0),)))
    counters.slot_changed(_record(2, (_exit(1.0), _exit(2.0, 0, requested=True))))
    counters.slot_changed(_record(2, (*(_exit(n) for n in (1.0, 3.0)),), status="backoff"))
    record = counters.record()
    assert (record.restarts, record.exit_restarts) == (2, 1)


def test_exits_count_once_also_when_the_clock_is_set_and_old_ones_are_dropped() -> None:
    """The last ten exits are a window: only what is behind the known ones is new."""
    counters = InstanceCounters()
    first = tuple(_exit(float(n)) for n in range(10))
    counters.slot_changed(_record(10, first))
    moved = tuple(_exit(float(n), at=-3600.0) for n in range(2, 12))
    counters = _next_agent(counters)
    counters.slot_changed(_record(12, moved))
    counters.slot_changed(_record(12, moved))
    record = counters.record()
    assert [(each.code, each.count) for each in record.exits] == [(1, 12)]
    assert record.exit_restarts == 12


def test_a_reset_of_the_user_sets_restarts_to_zero_and_no_other_counter() -> None:
    """`monit reset` empties what the list shows; exits were real and stay counted."""
    counters = InstanceCounters()
    counters.slot_changed(_record(3, tuple(_exit(float(n)) for n in range(3))))
    counters.slot_changed(_record(0))
    counters.slot_changed(_record(1, (_exit(9.0),)))
    record = counters.record()
    assert (record.restarts, record.exit_restarts) == (1, 1)
    assert sum(each.count for each in record.exits) == 4


def test_ways_to_exit_are_bounded() -> None:
    """Codes beyond the bound are counted together."""
    counters = InstanceCounters()
    for code in range(60):
        counters.slot_changed(_record(code, (_exit(float(code), code),)))
    exits = counters.record().exits
    assert len(exits) == EXIT_KINDS + 1
    assert sum(each.count for each in exits) == 60


def test_own_counters_go_on_after_a_reset_and_make_room() -> None:
    """A counter that starts again grows on; a name that no process reports gives way."""
    counters = InstanceCounters()
    jobs = {"kind": "counter", "value": 5.0, "unit": "jobs"}
    counters.report_received("1 a", _report(metrics={"jobs": jobs}))
    counters.report_received("1 a", _report(2, metrics={"jobs": {**jobs, "value": 2.0}}))
    assert counters.record().own["jobs"].value == 7.0
    many = {f"m{number}": {"kind": "counter", "value": 1.0} for number in range(METRICS)}
    counters.report_received("2 b", _report(metrics=many))
    assert counters.record().own_dropped == 1
    counters.drop_sources(lambda source: source == "1 a")
    counters.report_received("2 b", _report(2, metrics=many))
    record = counters.record()
    assert (record.own_dropped, len(record.own), "jobs" in record.own) == (0, METRICS, False)


def test_the_sum_of_a_histogram_follows_observations_below_zero() -> None:
    """Only a lower number of observations is a reset, not a lower sum."""
    counters = InstanceCounters()
    one = {"kind": "histogram", "count": 2, "sum": 10.0}
    two = {"kind": "histogram", "count": 3, "sum": 4.0}
    counters.report_received("1 a", _report(metrics={"t": one}))
    counters.report_received("1 a", _report(2, metrics={"t": two}))
    own = counters.record().own["t"]
    assert (own.value, own.count) == (4.0, 3.0)


def test_lost_bytes_go_on_over_keepers() -> None:
    """A new keeper counts from 0."""
    counters = InstanceCounters()
    for lost in (100, 150, 20):
        end = LogEnd(instance=0, stream="out", begin=0, end=0, lost_bytes=lost)
        counters.log_changed(end)
    assert counters.record().log_lost_bytes == 170
