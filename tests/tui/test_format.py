"""Numbers as people read them."""

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_tui import format as say


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (say.percent(None), "-"), (say.percent(0.0), "0.0%"), (say.percent(4.14), "4.1%"),
        (say.percent(9.96), "10%"), (say.percent(130.2), "130%"),
        (say.size(None), "-"), (say.size(0), "0B"), (say.size(1023), "1K"),
        (say.size(70 * 1024**2), "70.0M"), (say.size(512 * 1024**2), "512M"),
        (say.size(3 * 1024**3), "3.0G"), (say.size(5000 * 1024**4), "5000T"),
        (say.milliseconds(None), "-"), (say.milliseconds(0.42), "0.4ms"),
        (say.milliseconds(12.3), "12ms"), (say.milliseconds(1234), "1.2s"),
        (say.duration(42), "42s"), (say.duration(190), "3m10s"), (say.duration(7380), "2h03m"),
        (say.duration(86400 * 5 + 7200), "5d02h"), (say.duration(-3), "0s"),
        (say.span(190), "3m"), (say.span(7380), "2h03m"), (say.span(59), "59s"),
        (say.count(None), "-"), (say.count(9999), "9999"), (say.count(12345), "12k"),
        (say.number(3.14159, "req"), "3.14 req"), (say.number(12345.6), "12,346"),
    ],
)  # fmt: skip
def test_numbers_are_said_with_their_unit(said: str, expected: str) -> None:
    """Short, with a unit, and never 0 for what is unknown."""
    assert said == expected


@given(st.integers(min_value=0, max_value=10**15))
def test_sizes_fit_their_column(count: int) -> None:
    """No number of bytes below a petabyte needs more than five characters."""
    assert len(say.size(count)) <= 5


@given(st.floats(min_value=0, max_value=10**7))
def test_spans_fit_their_column(seconds: float) -> None:
    """No uptime below a hundred days needs more than six characters."""
    assert len(say.span(seconds)) <= 6


@given(st.text())
def test_printable_text_holds_no_control_character(text: str) -> None:
    """Whatever an app names itself, what reaches the terminal is printable."""
    assert not {"Cc", "Zl", "Zp", "Cs"} & {category(char) for char in say.printable(text)}
