"""The terminal's answer for the colour of its page."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.system import jsonline
from monit_tui.preferences.page import (
    LONGEST,
    LONGEST_KIND,
    MOST_KINDS,
    PageAnswer,
    is_light,
    page_kept,
    pages_with,
    terminal_kind,
)

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


@pytest.mark.parametrize(
    "pages", [None, 3, "dark", [], ["x"], {}, {"x": 3}, {"x": None}, {"x": ["dark"]}, {"x": "red"}]
)
def test_what_is_not_valid_in_the_kept_pages_counts_as_missing(pages: object) -> None:
    """It is replaced by the next answer."""
    assert page_kept(pages, "x") is None
    assert pages_with(pages, "x", light=False) == {"x": "dark"}


def test_the_pages_of_the_last_kinds_of_terminals_are_kept() -> None:
    """An answer that is known already changes nothing, so nothing is saved."""
    pages: dict[str, str] = {}
    for number in range(MOST_KINDS + 3):
        pages = pages_with(pages, str(number), light=number % 2 == 0)
    assert list(pages) == [str(number) for number in range(3, MOST_KINDS + 3)]
    assert list(pages_with(pages, "4", light=True).items()) == list(pages.items())
    assert page_kept(pages, "4") is True
    assert page_kept(pages_with(pages, "4", light=False), "4") is False


def test_terminals_are_told_apart_by_what_they_set() -> None:
    """A name by its value, a mark of a window or a connection by its presence."""
    one = {"TERM": "xterm-256color", "TERM_PROGRAM": "one"}
    assert terminal_kind(one) != terminal_kind({**one, "TERM_PROGRAM": "other"})
    assert terminal_kind(one) != terminal_kind({**one, "TMUX": "/tmp/a,1,0"})
    assert terminal_kind({**one, "TMUX": "a"}) == terminal_kind({**one, "TMUX": "b"})
    assert terminal_kind(one) == terminal_kind({**one, "HOME": "/root"})


@given(st.text())
def test_a_kind_of_terminal_is_kept_whatever_it_is_called(name: str) -> None:
    """Also with bytes that are no text."""
    kind = terminal_kind({"TERM": name, "COLORTERM": "\udce4\x1b\n"})
    pages = pages_with(None, kind, light=True)
    assert page_kept(jsonline.load(msgspec.json.encode(pages)), kind) is True
    assert kind.isascii()
    assert kind.isprintable()
    assert len(kind) <= LONGEST_KIND


@pytest.mark.parametrize("end", [0, *range(2, len(ANSWER))])
def test_answers_that_come_together_are_no_keys(end: int) -> None:
    """Each is taken out, and of the last one also the part that has come."""
    answer = PageAnswer()
    typed = answer.without(f"j{ANSWER}x{ANSWER}{ANSWER}{ANSWER[:end]}")
    assert typed == "jx"
    assert answer.without(f"{ANSWER[end:]}q") == "q"
    assert answer.is_light is False
