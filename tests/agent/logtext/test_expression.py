"""Searching blocks of lines for an expression finds exactly what trying each line would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.logtext.expression import Expression, line_spans

PATTERNS = st.sampled_from(
    [
        "timeout", "time|out", "t(im|om)e?", "[tx]ime$", "^out", r"\btime\b", r"\d+ ms", "(?i)TIME",
        "a+b", "", "x{2,}", r"(?<=t)ime", r"(?!t)ime", "é", r"\s", "[^a]b", "(?s:t.*b)",
        "(?x) t i m e",
        r"t\Z", "o.*e", "(?:ab)+c?", r"(a|b)\1", "\u017f",
    ]
)  # fmt: skip
PIECES = st.sampled_from(
    [
        b"time", b"Time", b"out", b" ", b"\n", b"a", b"b", b"x", b"12 ms", b"\x1b[31m", b"\x1b[0m",
        b"\r", "é".encode(), b"\xff", b"\t",
    ]
)  # fmt: skip


@given(PATTERNS, st.booleans(), st.lists(PIECES, max_size=25).map(b"".join))
def test_candidates_leave_no_match_out(pattern: str, ignore_case: bool, block: bytes) -> None:
    """Every line that matches is among the candidates, in order and once; without colours in the
    block, those of a plain text are the matches."""
    expression = Expression(pattern, ignore_case=ignore_case)
    spans = list(line_spans(block))
    matching = [span for span in spans if expression.matches(block[slice(*span)])]
    candidates = list(expression.candidates(block))
    assert [span for span in candidates if expression.matches(block[slice(*span)])] == matching
    assert candidates == sorted(set(candidates) & set(spans))
    if expression.is_literal and b"\x1b" not in block:
        assert candidates == matching


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("status=5\\d\\d", (b"status=5",)),
        ("timeout|refused", (b"timeout", b"refused")),
        ("(?i)TimeOut", (b"timeout",)),
        ("(a+)+$", ()),
        ("(?:connect|recv) failed", (b" failed",)),
    ],
)
def test_a_literal_is_taken_out_of_an_expression(pattern: str, literals: tuple[bytes, ...]) -> None:
    """What every match must hold is looked for first."""
    assert Expression(pattern).literals == literals


@pytest.mark.parametrize("pattern", ["(a+", "[z-a]", "(?P<x>a)(?P<x>b)", "a{99999999999}"])
def test_what_is_no_expression_is_refused(pattern: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(ValueError, match="expression"):
        Expression(pattern)


def test_the_search_is_blind_to_colours_and_line_ends() -> None:
    """A colour within a word does not hide it, and `$` stands before the return of CRLF."""
    assert Expression("red flag$").matches(b"\x1b[31mred\x1b[0m flag\r")
    assert not Expression("31").matches(b"\x1b[31mred")
