"""What the probes of an instance say of its own metrics, as one figure each."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.probes.app_metrics import (
    MetricReading,
    combine_metrics,
    printable,
    readings,
)
from monit_agent.agent.probes.reports import MetricReport, Report
from monit_agent.wire.limits import METRICS
from monit_agent.wire.messages import Metric
from support.buckets import packed


def _report(mono: float, **metrics: dict[str, Any]) -> Report:
    words = {name: MetricReport(**fields) for name, fields in metrics.items()}
    return Report(v=2, rt="python", started=1, seq=int(mono), mono=mono, metrics=words)


def _of(*processes: list[Report]) -> dict[str, Metric]:
    return combine_metrics([readings(reports) for reports in processes])[0]


def test_a_counter_has_its_total_and_its_rate_over_the_window() -> None:
    """Growth is divided by the process's own time; processes add up."""
    one = [_report(10, hits={"kind": "counter", "value": 100}),
           _report(14, hits={"kind": "counter", "value": 120})]  # fmt: skip
    other = [_report(500, hits={"kind": "counter", "value": 7}),
             _report(502, hits={"kind": "counter", "value": 8})]  # fmt: skip

    assert _of(one)["hits"] == Metric(value=120, kind="counter", rate=5.0)
    assert _of(one, other)["hits"] == Metric(value=128, kind="counter", rate=5.5)


def test_a_rate_is_unknown_at_first_and_never_below_nothing() -> None:
    """One report has no growth; a counter that fell was reset and counts from 0."""
    first = _report(10, hits={"kind": "counter", "value": 100})

    assert _of([first])["hits"].rate is None
    assert _of([first, _report(12, hits={"kind": "counter", "value": 6})])["hits"].rate == 3.0


@pytest.mark.parametrize(("agg", "value"), [("avg", 4.0), ("sum", 8.0), ("max", 6.0), ("min", 2.0)])
def test_gauges_combine_as_they_say(agg: str, value: float) -> None:
    """Two processes with 2 and 6; one that does not know does not count."""
    processes = [[_report(1, queue={"kind": "gauge", "value": each, "agg": agg})]
                 for each in (2, 6, None)]  # fmt: skip

    assert _of(*processes)["queue"].value == value


def test_what_nobody_knows_is_unknown() -> None:
    """No value is not 0; what no number can hold is none."""
    assert _of([_report(1, queue={"kind": "gauge"})])["queue"].value is None
    huge = [_report(1, queue={"kind": "gauge", "value": 1.7e308, "agg": "sum"})]
    assert _of(huge, huge)["queue"].value is None


def test_texts_are_shown_once_each() -> None:
    """Processes that say the same are one text; an escape sequence is written out."""
    processes = [[_report(1, mode={"kind": "text", "text": each})]
                 for each in ("day", "night", "day", "\x1b[2J")]  # fmt: skip

    assert _of(*processes)["mode"].text == "day, night, \\x1b[2J"


def test_a_histogram_has_mean_rate_and_percentiles_of_the_window() -> None:
    """What was observed before the window does not count."""
    old = {"kind": "histogram", "count": 1000, "sum": 1e6, "buckets": packed([1000.0] * 1000)}
    new = {**old, "count": 1010, "sum": 1e6 + 30, "buckets": packed([2.2] * 9 + [4.4])}
    metric = _of([_report(1, took=old), _report(6, took=new)])["took"]

    assert (metric.kind, metric.value, metric.rate) == ("histogram", 3.0, 2.0)
    assert metric.p50 == pytest.approx(2.2, rel=0.016)
    assert metric.p99 == pytest.approx(4.4, rel=0.016)
    quiet = {**old, "buckets": []}
    assert _of([_report(1, took=old), _report(6, took=quiet)])["took"].p95 is None


def test_a_name_that_changes_its_kind_is_not_compared() -> None:
    """A gauge that became a counter has no rate against what it was."""
    reports = [_report(1, x={"kind": "gauge", "value": 1}),
               _report(2, x={"kind": "counter", "value": 50})]  # fmt: skip

    assert _of(reports)["x"].rate is None


def test_more_names_than_there_is_room_for_are_counted() -> None:
    """Two processes with a hundred other names each: a hundred are shown, the rest is counted."""
    names = [[f"{who}{n:03}" for n in range(100)] for who in "ab"]
    gauge = {"kind": "gauge", "value": 1}
    known, lost = combine_metrics(
        [readings([_report(1, **dict.fromkeys(each, gauge))]) for each in names]
    )

    assert (len(known), lost) == (METRICS, 100)


@given(st.text())
def test_names_cannot_act_on_a_terminal(name: str) -> None:
    """What is printed of a name is printable."""
    assert printable(name).isprintable()


def test_no_process_is_no_metric() -> None:
    """Nothing in, nothing out."""
    none: list[dict[str, MetricReading]] = []
    assert combine_metrics(none) == ({}, 0)
    assert readings([]) == {}
