"""Metrics in steps of time, the times under a chart, and marks of events."""

import math
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.wire.messages import EventRecord, HistoryColumn, HistoryPart
from monit_tui.model.charts.chart_times import ChartTimes
from monit_tui.model.charts.marks import marks_of
from monit_tui.model.charts.steps import (
    MOST_STEPS,
    MetricStep,
    StepTable,
    Window,
    choose_window,
    is_flat,
)
from monit_tui.model.charts.time_axis import ticks
from monit_tui.palettes import ASCII, Glyphs


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _part(begin: float, *values: float | None, step_s: int = 5) -> HistoryPart:
    column = HistoryColumn(
        name="cpu_percent", low=values, high=values, mean=values,
        samples=tuple(step_s if value is not None else 0 for value in values),
    )  # fmt: skip
    return HistoryPart(
        instance=0, step_s=step_s, begin=begin, steps=len(values), columns=(column,)
    )  # fmt: skip


def _add(table: StepTable, at: float, value: float) -> None:
    table.add(at, {"cpu_percent": value})


def test_a_step_holds_its_lowest_and_its_highest_second() -> None:
    """A step has the lowest, the highest and the mean value of its seconds; others are gaps."""
    table = StepTable(5)
    for second, value in [(1001, 2.0), (1002, 90.0), (1004, 4.0), (1012, 7.0)]:
        _add(table, second, value)
    assert table.steps("cpu_percent", 200, 203) == [
        MetricStep(2.0, 90.0, 32.0), None, MetricStep(7.0, 7.0, 7.0),
    ]  # fmt: skip
    assert table.steps("other", 200, 201) == [None]


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=60), st.integers(0, 60))
def test_an_answer_and_live_samples_overlap_without_counting_twice(
    values: list[float], cut: int
) -> None:
    """What is both answered and received makes the same steps as what is received alone."""
    alone, both = StepTable(5), StepTable(5)
    for second, value in enumerate(values):
        _add(alone, 1000 + second, value)
    end = 200 + (len(values) + 4) // 5
    steps = alone.steps("cpu_percent", 200, end)
    for second, value in list(enumerate(values))[cut:]:
        _add(both, 1000 + second, value)
    known = [(s.low, s.high, s.mean) for s in steps if s is not None]
    part = _part(1000.0, *[high for _, high, _ in known])
    column = part.columns[0]
    columns = HistoryColumn(
        name="cpu_percent", low=tuple(one[0] for one in known), high=column.high,
        mean=tuple(one[2] for one in known), samples=column.samples,
    )  # fmt: skip
    both.merge(HistoryPart(instance=0, step_s=5, begin=1000.0, steps=len(known),
                           columns=(columns,)), {})  # fmt: skip
    merged = both.steps("cpu_percent", 200, end)
    assert [(s.low, s.high) for s in merged if s] == [(s.low, s.high) for s in steps if s]


def test_a_table_is_bounded() -> None:
    """However far apart its times are, a table keeps no more steps than its bound."""
    table = StepTable(1)
    for at in (1000, 1000 + MOST_STEPS * 3, 1500, 10**9, 10**9 - 50):
        _add(table, at, 1.0)
        assert table.size <= MOST_STEPS
        assert table.steps("cpu_percent", at, at + 1) == [MetricStep(1.0, 1.0, 1.0)]


def test_an_answer_of_other_steps_is_not_taken() -> None:
    """An answer in steps of another length changes nothing; factors apply to what is taken."""
    table = StepTable(5)
    table.merge(_part(1000.0, 1.0, step_s=10), {})
    assert table.steps("cpu_percent", 200, 201) == [None]
    table.merge(_part(1000.0, 0.5, None), {"cpu_percent": 100.0})
    assert table.steps("cpu_percent", 200, 202) == [MetricStep(50.0, 50.0, 50.0), None]


def test_an_answer_that_cannot_be_drawn_is_a_gap() -> None:
    """Infinite values and what is no number leave a gap; the others of the answer are taken."""
    table = StepTable(5)
    table.merge(_part(1000.0, math.inf, 1.0, math.nan), {})
    assert table.steps("cpu_percent", 200, 203) == [None, MetricStep(1.0, 1.0, 1.0), None]


@pytest.mark.parametrize("span", [60, 300, 3600, 21600, 86400, 604800, 2592000])
@pytest.mark.parametrize("columns", [20, 66, 140, 376])
def test_a_window_has_at_most_a_step_for_each_column(span: int, columns: int) -> None:
    """Steps are at most as many as columns, whole seconds, and reach over the present."""
    window = choose_window(span, 1_773_496_999.5, 1_773_496_999.5, columns)
    assert window.end - window.first <= columns
    assert window.begin <= 1_773_496_999.5 - span + window.step_s
    assert window.until > 1_773_496_999.5
    assert len(ticks(window, columns // 2)) <= columns // 2 // 10 + 1


def test_old_times_have_the_steps_that_are_kept() -> None:
    """Of what is older than a day only minutes are kept, so no chart has shorter steps."""
    now = 1_773_496_999.0
    assert choose_window(300, now, now, 400).step_s == 1
    assert choose_window(300, now - 7200, now, 400).step_s == 10
    assert choose_window(300, now - 90000, now, 400).step_s == 60


@pytest.mark.usefixtures("_berlin")
def test_times_under_a_chart_are_round_where_the_user_lives() -> None:
    """Ticks stand at round local times, name the day at midnight, and survive a change of the
    clock, where a day has 23 hours."""
    midnight = 1_774_738_800  # 2026-03-29 00:00 in Berlin; at 02:00 the clock goes to 03:00
    quarter = choose_window(900, midnight + 480.0, midnight + 480.0, 200)
    labels = [tick.label for tick in ticks(quarter, 80)]
    assert "Sun 29 Mar" in labels
    assert "23:55" in labels
    day = Window((midnight - 3600) // 300, (midnight + 82800) // 300, 300)
    named = {tick.label: tick.at - midnight for tick in ticks(day, 120)}
    assert named["Sun 29 Mar"] == 0
    assert named["06:00"] == 5 * 3600, "an hour is missing"
    week = Window((midnight - 3 * 86400) // 3600, (midnight + 4 * 86400 - 3600) // 3600, 3600)
    assert [tick.label for tick in ticks(week, 100)] == [
        f"{day} {number} {month}" for day, number, month in [
            ("Thu", 26, "Mar"), ("Fri", 27, "Mar"), ("Sat", 28, "Mar"), ("Sun", 29, "Mar"),
            ("Mon", 30, "Mar"), ("Tue", 31, "Mar"), ("Wed", 1, "Apr"),
        ]
    ]  # fmt: skip


def test_a_cursor_stops_the_charts_and_now_starts_them() -> None:
    """With a cursor the charts end where they ended; moving it out of view moves them."""
    times, now = ChartTimes(), 100_000.0
    window = times.window(140, now)
    times.move_cells(-1, 70, window, now)
    assert times.cursor is not None
    assert window.until - 10 < times.cursor < window.until
    assert times.window(140, now + 60) == window
    times.point_at(now - 5000, now)
    shown = times.window(140, now)
    assert shown.begin < now - 5000 < shown.until
    times.pan(1, now)
    times.change_span(1, now)
    assert times.cursor == now - 4850
    times.show_now()
    assert times.window(140, now + 60).until > now + 60


def _event(seq: int, kind: str, text: str = "", instance: int | None = 0) -> EventRecord:
    return EventRecord(seq=seq, at=1000.0 + seq, kind=kind, instance=instance, text=text)


def test_an_exit_that_was_not_requested_is_a_crash() -> None:
    """Crashes, requests and alerts have marks; a requested exit and a start have none."""
    events = [
        _event(1, "requested", "restart 0", None), _event(2, "stopping"),
        _event(3, "exited", "exit code 0 after 2 s"), _event(4, "spawned", "pid 2"),
        _event(5, "exited", "exit code 1 after 1 s"), _event(6, "spawned", "pid 3"),
        _event(7, "exited", "exit code 1 after 1 s", 1), _event(8, "unhealthy"),
        _event(9, "some kind of another version"),
    ]  # fmt: skip
    signs = [(mark.event.seq, mark.sign) for mark in marks_of(events)]
    assert signs == [(1, "r"), (5, "error"), (7, "error"), (8, "warn")]
    assert [mark.event.seq for mark in marks_of(events, 1)] == [1, 7]
    for mark in marks_of(events):
        assert len(mark.glyph(Glyphs())) == 1
        assert mark.glyph(ASCII).isascii()


def test_a_series_that_never_changes_is_flat() -> None:
    """A series is flat when all its values are the same; one value alone is not."""
    five = MetricStep(5.0, 5.0, 5.0)
    assert is_flat([None, five, five])
    assert not is_flat([five, MetricStep(5.0, 6.0, 5.5)])
    assert not is_flat([five, None])
