"""Numbers as people read them."""

import pytest

from monit_agent.cli import words
from monit_agent.cli.visible import cut, visible, width


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0B"), (999, "999B"), (1000, "1.0K"), (73_400_320, "70.0M"),
     (262_144_000, "250M"), (2 * 1024**3, "2.0G"), (3 * 1024**4, "3.0T")],
)  # fmt: skip
def test_sizes(value: int | None, text: str) -> None:
    """Sizes have a unit and at most four characters before it."""
    assert words.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0s"), (59.9, "59s"), (61, "1m01s"), (3599, "59m"), (7380, "2h03m"),
     (90_000, "1d01h"), (-5, "0s")],
)  # fmt: skip
def test_spans(value: float | None, text: str) -> None:
    """Durations show the two largest units that matter."""
    assert words.span(value) == text


def test_percent_lag_and_lives() -> None:
    """Small numbers keep a digit, large ones lose it."""
    assert [words.percent(each) for each in (None, 0.04, 99.96, 340.2)] == [
        "-", "0.0%", "100.0%", "340%",
    ]  # fmt: skip
    assert [words.lag(each) for each in (None, 3.21, 120, 1400)] == ["-", "3.2ms", "120ms", "1.4s"]
    assert [words.ran_for(each) for each in (0.05, 1.5, 7380)] == ["0.05s", "1.5s", "2h03m"]
    assert words.counted(1, "line") == "1 line"
    assert words.counted(1204, "line") == "1,204 lines"


def test_text_is_cut_by_columns_and_not_by_characters() -> None:
    """Wide characters count two, and nothing is wider than asked for."""
    assert width("日本") == 4
    assert cut("日本語", 5, "…") == "日本…"
    assert cut("short", 9, "…") == "short"
    assert visible("a\x1b[2Jb") == "a^[[2Jb"
