"""Text of workers as cells: never too wide, and never control characters."""

import re
import unicodedata
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from monit_agent.client.logs.filter import Matcher
from monit_tui.text.cells import Parts, cropped, highlighted, styled, wrapped

BASE = Style()
MESSY = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=40).map(str.encode),
    st.binary(max_size=40),
    st.lists(
        st.sampled_from(["a", "茶", "\t", "e\u0301", "🍵", "\x1b[31m", "\x00", " "]), max_size=30
    )
    .map("".join)
    .map(str.encode),
)  # fmt: skip


def text(parts: Parts) -> str:
    return "".join(part for part, _ in parts)


@given(MESSY)
@example(b"\x1b]52;c;eA==\x07\xc2\x9b2J\xe2\x80\xae")
def test_no_cell_holds_a_control_character(raw: bytes) -> None:
    """No bytes make a cell with a control or hidden format character, or without a style."""
    for part, style in styled(raw, BASE, 1 << 20):
        assert style is not None
        for character in part:
            assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
            assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b"


@given(MESSY, st.integers(1, 200))
def test_wrapping_keeps_every_character(raw: bytes, width: int) -> None:
    """Wrapped rows fit the width and together are the text, except characters wider than a row."""
    parts = styled(raw, BASE, 1 << 20)
    rows = wrapped(parts, width)
    assert rows
    assert all(cell_len(text(row)) <= width for row in rows)
    joined = "".join(text(row) for row in rows)
    if width > 1:
        assert joined == text(parts)
    else:
        assert len(joined) == len(text(parts))


@given(st.text(st.sampled_from("ab茶e\u0301 "), max_size=60), st.integers(2, 30))
@example("\u0301 aa茶", 3)
def test_a_row_ends_where_the_next_word_does_not_fit(words: str, width: int) -> None:
    """A row ends behind a blank if the next word does not fit and the row is half full, else where
    the next character does not fit."""
    rows = [text(row) for row in wrapped([(words, BASE)], width)]
    for row, after in pairwise(rows):
        word = after[: after.find(" ") + 1] or after
        assert cell_len(row) + cell_len(word) > width
        if not row.endswith(" "):
            assert cell_len(row) + cell_len(after[0]) > width


def test_words_stay_whole() -> None:
    """Lines are wrapped between words; a word that is longer than half a row may be broken."""
    rows = wrapped([("the kettle is ", BASE), ("boiling aaaaaaaaaaaaaaaa", Style(bold=True))], 12)
    assert [text(row) for row in rows] == ["the kettle ", "is boiling ", "aaaaaaaaaaaa", "aaaa"]


@given(st.text(st.sampled_from("ab茶 "), max_size=40), st.integers(0, 60), st.integers(1, 40))
def test_a_crop_has_the_cells_of_its_columns(words: str, start: int, width: int) -> None:
    """A crop has the cells from a column on, with blanks for halves of wide characters."""
    cells: list[str] = []
    for character in words:
        cells += [character, ""] if cell_len(character) == 2 else [character]
    expected = cells[start : start + width]
    if expected and expected[0] == "":
        expected[0] = " "
    if len(expected) == width and cell_len(expected[-1] or "") == 2:
        expected[-1] = " "
    assert text(cropped([(words, BASE)], start, width)) == "".join(expected)


def test_tabs_go_to_the_next_eighth_column() -> None:
    """Tabs are expanded as in a terminal, also after wide characters and across colours."""
    raw = "a\tb\x1b[31m\tc\x1b[0m茶\td".encode()
    assert text(styled(raw, BASE, 1 << 20)) == "a       b       c茶     d"


def test_colours_become_styles() -> None:
    """All colours and attributes become styles on top of the base style."""
    (part,) = styled(b"\x1b[1;31;48;5;17mx", Style(dim=True), 1 << 20)
    style = part[1]
    assert style.bold
    assert style.dim
    assert style.color is not None
    assert style.color.number == 1
    assert style.bgcolor is not None
    assert style.bgcolor.number == 17
    (part,) = styled(b"\x1b[38;2;1;2;3mx", BASE, 1 << 20)
    assert part[1].color is not None
    assert part[1].color.triplet == (1, 2, 3)


@given(
    st.lists(st.text(st.sampled_from("abx"), min_size=1, max_size=5), max_size=6),
    st.sampled_from(["x", "ab", "a*", "b+x", "$"]),
)
def test_only_matches_are_highlighted(pieces: list[str], pattern: str) -> None:
    """Exactly the characters of matches have the style, also across parts."""
    found = re.compile(pattern)
    whole = "".join(pieces)
    spans = Matcher(pattern).spans
    shown = highlighted([(piece, BASE) for piece in pieces], spans, Style(reverse=True))
    assert text(shown) == whole
    flags = [bool(style.reverse) for part, style in shown for _ in part]
    expected = [False] * len(whole)
    for match in found.finditer(whole):
        expected[match.start() : match.end()] = [True] * (match.end() - match.start())
    assert flags == expected
