"""Numbers as a person reads them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.text import format as form
from monit_agent.client.text.format import UNKNOWN

K, M, G, T = 1024, 1024**2, 1024**3, 1024**4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (form.format_percent(0.0), "0.0%"), (form.format_percent(4.14), "4.1%"),
        (form.format_percent(9.94), "9.9%"), (form.format_percent(9.96), "10%"),
        (form.format_percent(99.96), "100%"), (form.format_percent(340.2), "340%"),
        (form.format_bytes(0), "0B"), (form.format_bytes(999), "999B"),
        (form.format_bytes(1000), "1.0K"), (form.format_bytes(99.9 * K), "99.9K"),
        (form.format_bytes(99.96 * K), "100K"), (form.format_bytes(999.4 * K), "999K"),
        (form.format_bytes(999.6 * K), "1.0M"), (form.format_bytes(1023.9 * K), "1.0M"),
        (form.format_bytes(70 * M), "70.0M"), (form.format_bytes(512 * M), "512M"),
        (form.format_bytes(1023.99 * M), "1.0G"), (form.format_bytes(3 * G), "3.0G"),
        (form.format_bytes(1023.99 * G), "1.0T"), (form.format_bytes(5000 * T), "5000T"),
        (form.format_ms(float("inf")), UNKNOWN), (form.format_ms(float("nan")), UNKNOWN),
        (form.format_ms(0.42), "0.4ms"), (form.format_ms(9.96), "10ms"),
        (form.format_ms(12.3), "12ms"), (form.format_ms(999.4), "999ms"),
        (form.format_ms(999.7), "1.0s"), (form.format_ms(1234), "1.2s"),
        (form.format_ms(99_940), "99.9s"), (form.format_ms(99_960), "1m40s"),
        (form.format_ms(7_380_000), "2h03m"),
        (form.format_rate(0), "0/s"), (form.format_rate(4.2), "4.2/s"),
        (form.format_rate(9.96), "10/s"), (form.format_rate(9999.4), "9999/s"),
        (form.format_rate(9999.6), "10k/s"), (form.format_rate(999_600), "1.0M/s"),
        (form.format_count(9999), "9999"), (form.format_count(12345), "12k"),
        (form.format_count(999_499), "999k"), (form.format_count(999_500), "1.0M"),
        (form.format_count(9_960_000), "10M"),
    ],
)  # fmt: skip
def test_numbers_have_their_unit_and_move_to_the_next_where_they_round_up(
    text: str, expected: str
) -> None:
    """Short, with a unit; a value that rounds up to the next unit is written in that unit."""
    assert text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (form.format_duration(42), "42s"), (form.format_duration(59.99), "59s"),
        (form.format_duration(61), "1m01s"), (form.format_duration(190), "3m10s"),
        (form.format_duration(3599), "59m59s"), (form.format_duration(7380), "2h03m"),
        (form.format_duration(86400 * 5 + 7200), "5d02h"), (form.format_duration(-3), "0s"),
        (form.format_duration(float("inf")), "-"),
        (form.format_uptime(190), "3m"), (form.format_uptime(7380), "2h03m"),
        (form.format_uptime(59), "59s"), (form.format_uptime(3599), "59m"),
        (form.format_run_time(0.05), "0.05s"), (form.format_run_time(0.994), "0.99s"),
        (form.format_run_time(0.996), "1.0s"), (form.format_run_time(1.5), "1.5s"),
        (form.format_run_time(59.94), "59.9s"), (form.format_run_time(59.96), "1m00s"),
        (form.format_run_time(7380), "2h03m"),
        (form.format_setting_s(0.5), "0.5s"), (form.format_setting_s(10.0), "10s"),
        (form.format_setting_s(90), "1m30s"), (form.format_setting_s(60), "1m"),
        (form.format_setting_s(3600), "1h"), (form.format_setting_s(30 * 86400), "30d"),
        (form.format_setting_s(90061), "1d1h1m1s"),
        (form.format_setting_bytes(20 * M), "20M"), (form.format_setting_bytes(1.5 * M), "1.5M"),
    ],
)  # fmt: skip
def test_time_spans_show_the_two_largest_units(text: str, expected: str) -> None:
    """A time span is exact where it is short and never has more than two units."""
    assert text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (form.format_number(3.14159, "req"), "3.14 req"), (form.format_number(17.0), "17"),
        (form.format_number(999.7), "1,000"), (form.format_number(12345.6), "12,346"),
        (form.format_number(1e20), "1e+20"), (form.format_number(float("nan")), "nan"),
        (form.format_number(float("-inf")), "-inf"),
        (form.format_short_number(0.123), "0.123"), (form.format_short_number(999.4), "999"),
        (form.format_short_number(999.7), "1k"), (form.format_short_number(12_345), "12.3k"),
        (form.format_quantity(1, "line"), "1 line"),
        (form.format_quantity(1204, "line"), "1,204 lines"),
        (form.format_known(0), "0"),
    ],
)  # fmt: skip
def test_plain_numbers_are_readable(text: str, expected: str) -> None:
    """Numbers of an app's own metrics keep three digits, whole ones all of them."""
    assert text == expected


@pytest.mark.parametrize(
    "write",
    [form.format_percent, form.format_bytes, form.format_ms, form.format_rate, form.format_count,
     form.format_duration, form.format_uptime, form.format_number, form.format_known],
)  # fmt: skip
def test_unknown_is_never_zero(write: Callable[[None], str]) -> None:
    """What nobody measured is a dash."""
    assert write(None) == UNKNOWN


@given(st.integers(min_value=0, max_value=10**15))
def test_sizes_fit_their_column(count: int) -> None:
    """No number of bytes below a petabyte needs more than five characters."""
    assert len(form.format_bytes(count)) <= 5


@given(st.floats(min_value=0, max_value=10**9))
def test_delays_rates_and_counts_fit_their_columns(value: float) -> None:
    """Delays up to eleven days, rates and counts below 10⁹ never jump out of their columns."""
    assert len(form.format_ms(value)) <= 6
    assert len(form.format_rate(value)) <= 6
    assert len(form.format_count(value)) <= 4


@given(st.floats(min_value=0, max_value=10**7))
def test_uptimes_fit_their_column(seconds: float) -> None:
    """No uptime below a hundred days needs more than six characters."""
    assert len(form.format_uptime(seconds)) <= 6
