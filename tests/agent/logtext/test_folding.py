"""Equal lines become a count, a stack becomes the line that says what went wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.logtext.folding import fold_lines, without_time


@pytest.mark.parametrize(
    ("raw", "rest"),
    [
        (b"2026-11-30 04:31:42,905 INFO x", b"INFO x"),
        (b"2026-11-30T04:31:42.905Z x", b"x"),
        (b"[2026-11-30 04:31:42 +0000] [7] x", b"[7] x"),
        (b"[28/Nov/2026:17:55:52 +0000] GET /", b"GET /"),
        (b"Nov 28 17:55:52 host app: x", b"host app: x"),
        (b"E1128 17:55:52.123456 1 main.go", b"1 main.go"),
        (b"17:55:52.1 x", b"x"),
        (b"1796013105.304 x", b"x"),
        (b"1796013105304 x", b"x"),
        (b"\x1b[2m2026-11-30 04:31:42\x1b[0m x", b"x"),
        (b"200 items", b"200 items"),
        (b"1796013105items", b"1796013105items"),
        (b"no time", b"no time"),
    ],
)
def test_the_time_at_the_beginning_does_not_count(raw: bytes, rest: bytes) -> None:
    """The forms of time that logs have are read."""
    assert without_time(raw) == rest


def test_lines_that_differ_only_in_time_are_one() -> None:
    """A burst is one line with a count; a stack that repeats too."""
    stack = [b"Traceback (most recent call last):", b'  File "a.py", line 1', b"ValueError: bad"]
    lines = [
        b"2026-11-30 04:00:00 slow", b"2026-11-30 04:00:01 slow", b"2026-11-30 04:00:02 slow",
        b"other", *stack, *stack, b"slow",
    ]  # fmt: skip
    folded = [(lines[each.shown], each.times, each.size) for each in fold_lines(lines)]
    assert folded == [
        (b"2026-11-30 04:00:00 slow", 3, 1),
        (b"other", 1, 1),
        (b"ValueError: bad", 2, 3),
        (b"slow", 1, 1),
    ]


@given(st.lists(st.sampled_from([b"a", b"12:00:00 a", b"", b"  at f", b"TypeError: x"])))
def test_each_line_is_in_one_fold(lines: list[bytes]) -> None:
    """Nothing is lost or shown twice, and the counts add up."""
    at = 0
    for each in fold_lines(lines):
        assert each.start == at <= each.shown < each.stop
        assert each.stop - each.start == each.times * each.size
        at = each.stop
    assert at == len(lines)
