"""When a cron schedule is due, and in which time zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from monit_agent.agent.restarts.cron_schedule import CronSchedule

START = datetime(2026, 3, 1, 11, 59, 58, tzinfo=UTC).timestamp()


def _due(calendar: CronSchedule, expression: str | None, *seconds: float) -> list[float]:
    return [s for s in seconds if calendar.is_due(expression, "UTC", START + s)]


def test_a_time_is_met_once() -> None:
    """Every five minutes means once each five minutes, however often one looks."""
    assert _due(CronSchedule(), "*/5 * * * *", *range(602)) == [2, 302]


def test_times_slept_over_count_as_one() -> None:
    """After a suspend of hours there is one restart, not one for every hour."""
    assert _due(CronSchedule(), "0 * * * *", 0, 36_010, 36_011, 36_012) == [36_010]


def test_a_clock_set_back_does_not_silence_the_calendar() -> None:
    """When the clock goes back a day, the next time is that of the clock's new day."""
    assert _due(CronSchedule(), "0 12 * * *", 0, 2, -86_400, -86_398) == [2, -86_398]


def test_another_expression_counts_from_now() -> None:
    """A changed schedule holds at once; without one nothing is due."""
    calendar = CronSchedule()

    assert _due(calendar, "0 12 * * *", 0) == []
    assert _due(calendar, None, 2, 3) == []
    assert _due(calendar, "* * * * *", 4, 62) == [62]


def test_an_unreadable_expression_is_logged_and_never_due(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A wrong expression restarts nothing and is logged once, not every second."""
    assert _due(CronSchedule(), "every day", 0, 60, 120) == []

    assert capfd.readouterr().err.count("every day") == 1


KOLKATA = ZoneInfo("Asia/Kolkata")


@pytest.mark.parametrize(
    ("variable", "hour"),
    [
        ("Asia/Kolkata", 9),
        (":Asia/Kolkata", 9),
        ("IST-5:30", 9),
        ("UTC", 4),
        ("", 4),
        ("EST5EDT,M3.2.0,M11.1.0", 4 - 5),
    ],
)
def test_the_zone_is_the_apps(variable: str, hour: int) -> None:
    """Every form that TZ may have means what it means for the app."""
    schedule = CronSchedule()
    start = datetime(2026, 3, 2, 0, 0, tzinfo=UTC).timestamp()
    schedule.is_due(f"0 {hour % 24} * * *", variable, start)

    assert schedule.next_at is not None
    minutes = 30 if hour == 9 else 0
    expected = datetime(2026, 3, 2, 3 if hour == 9 else 4, minutes, tzinfo=UTC)
    assert datetime.fromtimestamp(schedule.next_at, UTC) == expected


def test_a_clock_that_is_turned_back_in_autumn_runs_a_job_once() -> None:
    """The hour that comes twice is the same hour for a schedule."""
    schedule = CronSchedule()
    start = int(datetime(2026, 10, 25, 0, 0, tzinfo=UTC).timestamp())
    due = [
        second
        for second in range(0, 3 * 3600, 60)
        if schedule.is_due("30 2 * * *", "Europe/Berlin", start + second)
    ]

    assert len(due) == 1


def test_another_zone_counts_at_once() -> None:
    """When the app's TZ changes, the next time is computed again."""
    schedule = CronSchedule()
    schedule.is_due("0 12 * * *", "UTC", START - 7200)
    first = schedule.next_at
    schedule.is_due("0 12 * * *", "Asia/Kolkata", START - 7200)

    assert first is not None
    assert schedule.next_at is not None
    assert datetime.fromtimestamp(schedule.next_at, KOLKATA).hour == 12
    assert schedule.next_at != first


def test_an_unknown_zone_is_utc_as_for_the_app() -> None:
    """The C library takes UTC for a name that it does not know, and so does the schedule."""
    schedule = CronSchedule()
    schedule.is_due("0 12 * * *", "Nowhere/City", START)

    assert schedule.next_at == START + 2
    assert schedule.zone == "UTC (TZ='Nowhere/City' names no time zone)"
