"""The terminal's answer for the colour of its page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_tui.preferences.page import LONGEST, PageAnswer, is_light

ANSWER = "\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\"


@pytest.mark.parametrize(
    ("colour", "light"),
    [
        ("rgb:0000/0000/0000", False), ("rgb:ffff/ffff/ffff", True), ("rgb:ff/ff/ff", True),
        ("rgb:fdfd/f6f6/e3e3", True), ("rgb:0000/2b2b/3636", False), ("rgba:f/f/f/8", True),
        ("#ffffff", None), ("", None), ("rgb:ffff/ffff", None),
    ],
)  # fmt: skip
def test_a_page_is_light_or_dark(colour: str, light: bool | None) -> None:
    """The brightness of the colour decides, in each form that terminals write; other texts tell
    nothing."""
    assert is_light(colour) is light


@given(st.text("ab]1;q", max_size=8), st.text("ab]1;q", max_size=8), st.data())
def test_an_answer_among_keys_takes_none_of_them(before: str, after: str, data: st.DataObject):
    """An answer may come between keys, and in pieces: the keys arrive, the answer does not."""
    answer = PageAnswer()
    # terminals write the two bytes that begin an answer together
    cut = data.draw(st.sampled_from([0, *range(2, len(ANSWER) + 1)]))
    typed = answer.without(before + ANSWER[:cut]) + answer.without(ANSWER[cut:] + after)
    assert typed == before + after
    assert answer.is_light is False


@given(st.lists(st.text("\x1b]1;rgb:/\\\x07[A", max_size=9), max_size=9))
def test_what_is_no_answer_is_typed(pieces: list[str]) -> None:
    """Whatever else a terminal sends reaches the program in order, at most its end is held."""
    answer = PageAnswer()
    sent = "".join(pieces)
    typed = "".join(answer.without(piece) for piece in pieces)
    if answer.is_light is None and "\x1b]11;" not in sent:
        assert sent.startswith(typed)
        assert len(sent) - len(typed) <= LONGEST
