"""When the agent itself asks for a restart."""

from datetime import datetime, timedelta

import pytest

from monit_agent.observe.triggers import Calendar, MemoryGuard
from monit_agent.wire.messages import Sample

LIMIT = 200_000_000


def _sample(rss: int | None, pid: int = 7) -> Sample:
    return Sample(at=0.0, pid=pid, rss_bytes=rss)


def test_two_samples_over_the_limit_are_a_reason_once() -> None:
    """The second sample in a row over the limit is the reason, and the same worker is not
    asked for again."""
    guard = MemoryGuard()

    said = [guard.exceeded(0, _sample(210_000_000), LIMIT) for _ in range(5)]

    assert said == [None, "memory 210 MB > limit 200 MB", None, None, None]


def test_a_spike_is_no_reason() -> None:
    """One sample over the limit between others below it changes nothing."""
    guard = MemoryGuard()
    sizes = [210_000_000, 100, 210_000_000, 200_000_000]

    assert {guard.exceeded(0, _sample(size), LIMIT) for size in sizes} == {None}


def _samples_until_asked(guard: MemoryGuard, pid: int) -> int:
    count = 1
    while not guard.exceeded(0, _sample(210_000_000, pid), LIMIT):
        count += 1
    return count


def test_an_app_that_needs_more_than_its_limit_is_restarted_ever_more_rarely() -> None:
    """When each next worker is over the limit at once, each gets twice the time, to a bound."""
    guard = MemoryGuard()

    assert [_samples_until_asked(guard, pid) for pid in range(8)] == [2, 4, 8, 16, 32, 64, 64, 64]


def test_a_worker_that_kept_to_the_limit_for_long_begins_anew() -> None:
    """After a worker that grew slowly the next is judged as strictly as the first."""
    guard = MemoryGuard()
    _samples_until_asked(guard, 1)
    for _ in range(200):
        guard.exceeded(0, _sample(100, 2), LIMIT)
    _samples_until_asked(guard, 2)

    assert _samples_until_asked(guard, 3) == 2


def test_no_limit_is_never_exceeded() -> None:
    """Without a limit there is no reason, whatever a worker takes."""
    guard = MemoryGuard()

    assert {guard.exceeded(0, _sample(10**12), None) for _ in range(3)} == {None}


START = datetime(2026, 3, 1, 11, 59, 58)  # noqa: DTZ001 (as the wall clock shows it)


def _due(calendar: Calendar, expression: str | None, *seconds: float) -> list[float]:
    return [s for s in seconds if calendar.due(expression, START + timedelta(seconds=s))]


def test_a_time_is_met_once() -> None:
    """Every five minutes means once each five minutes, however often one looks."""
    assert _due(Calendar(), "*/5 * * * *", *range(602)) == [2, 302]


def test_times_slept_over_count_as_one() -> None:
    """After a suspend of hours there is one restart, not one for every hour."""
    assert _due(Calendar(), "0 * * * *", 0, 36_010, 36_011, 36_012) == [36_010]


def test_a_clock_set_back_does_not_silence_the_calendar() -> None:
    """When the clock goes back a day, the next time is that of the clock's new day."""
    assert _due(Calendar(), "0 12 * * *", 0, 2, -86_400, -86_398) == [2, -86_398]


def test_another_expression_counts_from_now() -> None:
    """A changed schedule holds at once; without one nothing is due."""
    calendar = Calendar()

    assert _due(calendar, "0 12 * * *", 0) == []
    assert _due(calendar, None, 2, 3) == []
    assert _due(calendar, "* * * * *", 4, 62) == [62]


def test_an_unreadable_expression_is_said_and_never_due(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A wrong expression restarts nothing and is said once, not every second."""
    assert _due(Calendar(), "every day", 0, 60, 120) == []

    assert capsys.readouterr().err.count("every day") == 1
