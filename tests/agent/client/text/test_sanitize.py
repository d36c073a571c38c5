"""No byte that a worker prints reaches a terminal as anything but text."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monit_agent.client.text.sanitize import coloured_text, plain_text, printable, spans
from monit_agent.client.text.sgr import PLAIN, TextStyle

HOSTILE = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(
        st.sampled_from(
            [b"\x1b", b"\x1b[", b"31m", b"\x1b[0m", b"]0;t\x07", b"\x9b", b"\xc2\x9b", b"\r", b"\t",
             b"\x1b[2J", b"\x1bP", b"\x1b\\", b"a", "\u202e".encode(), "\u200d".encode(),
             "\U0001f469".encode(), "\u0301".encode(), "\u0627".encode(), b"\n", b"\x00"]
        ),
        max_size=30,
    ).map(b"".join),
)  # fmt: skip


def dangerous(text: str) -> list[str]:
    """What may not be on the screen: controls but the tab, separators, hidden format marks."""
    drawn = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
    bad = [
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in drawn + "\t\u200c\u200d"
    ]
    for at, character in enumerate(text):
        around = text[at - 1 : at] + text[at + 1 : at + 2]
        if character in "\u200c\u200d" and not (
            len(around) == 2 and all(unicodedata.category(each)[0] in "LM" for each in around)
        ):
            bad.append(character)
    return bad


@given(HOSTILE)
@example(b"\x1b]52;c;ZXZpbA==\x07")
@example("\u202eevil\u2066".encode())
def test_nothing_dangerous_is_left(raw: bytes) -> None:
    """For any bytes, no control or hidden character is in the text."""
    assert not dangerous(plain_text(raw))


@given(HOSTILE)
def test_coloured_text_holds_only_colours(raw: bytes) -> None:
    """With colours, the only escape sequences are SGR, and the text between is the same."""
    coloured = coloured_text(raw)
    assert "".join(span.text for span in spans(coloured.encode())) == plain_text(raw)
    assert coloured.count("\x1b") in (0, *range(2, 400, 2))


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"]), max_size=60))
def test_ordinary_text_is_left_alone(text: str) -> None:
    """Letters, numbers, punctuation and blanks of all scripts come through unchanged."""
    kept = "".join(each for each in text if each not in "\u115f\u1160\u3164\uffa0")
    assert plain_text(kept.encode()) == kept


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[2Jgone?", "^[[2Jgone?"),
        (b"\x1b]0;title\x07x", "^[]0;title^Gx"),
        (b"\x00\x07\x7f", "^@^G^?"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"\xc2\x9b31m", r"\x9b31m"),
        ("a\u202eb".encode(), r"a\u202eb"),
        (b"10%\r20%\r30%\r", "^M30%"),
        (b"windows\r", "windows"),
        (b"a\tb", "a\tb"),
        (b"\x1b[31mred\x1b[0m", "red"),
        ("pay\u200dpal".encode(), r"pay\u200dpal"),
        ("\U0001f469\u200d\U0001f4bb".encode(), "\U0001f469\U0001f4bb"),
        ("\u0646\u200c\u0647".encode(), "\u0646\u200c\u0647"),
        (b"a" + "\u0301".encode() * 100, "a" + "\u0301" * 8 + "<92 more marks>"),
    ],
)
def test_hostile_text_becomes_visible(raw: bytes, text: str) -> None:
    """Each kind of trick is shown for what it is."""
    assert plain_text(raw) == text


@pytest.mark.parametrize(
    ("sgr", "style"),
    [
        ("31", TextStyle(fg=1)),
        ("97", TextStyle(fg=15)),
        ("44", TextStyle(bg=4)),
        ("103", TextStyle(bg=11)),
        ("38;5;200", TextStyle(fg=200)),
        ("38;2;1;2;3", TextStyle(fg=(1, 2, 3))),
        ("38:2::1:2:3", TextStyle(fg=(1, 2, 3))),
        ("38:2:1:2:3", TextStyle(fg=(1, 2, 3))),
        ("48:5:17", TextStyle(bg=17)),
        ("1;3;4;7;9", TextStyle(bold=True, italic=True, underline=True, reverse=True, strike=True)),
        ("1;31;0", PLAIN),
        ("1;2;22", PLAIN),
        ("4;4:0", PLAIN),
        ("4:3", TextStyle(underline=True)),
        ("31;39;44;49", PLAIN),
        ("1;31;", PLAIN),
        ("", PLAIN),
        ("38;5;999", PLAIN),
        ("38;2;300;0;0;1", TextStyle(bold=True)),
        ("5;8;53;75;123456789", PLAIN),
        ("38", PLAIN),
        (":::", PLAIN),
    ],
)
def test_sgr_becomes_an_ink(sgr: str, style: TextStyle) -> None:
    """Colours and attributes are understood; what is not known is ignored."""
    assert [span.style for span in spans(f"\x1b[{sgr}mx".encode())] == [style]


def test_colours_survive_an_overwritten_beginning() -> None:
    """What stands before a carriage return is not shown, but its colours still hold."""
    assert spans(b"\x1b[32m1\r2")[-1] == ("2", TextStyle(fg=2))


@given(HOSTILE, st.integers(1, 20))
def test_a_limit_gives_the_beginning(raw: bytes, most: int) -> None:
    """With a limit the text is the beginning of the whole text."""
    cut = "".join(span.text for span in spans(raw, most))
    assert plain_text(raw)[:most] == cut


@given(st.text())
def test_printable_text_holds_no_control_character(text: str) -> None:
    """Whatever an app names itself, what reaches the terminal is one line and printable."""
    assert not {"Cc", "Zl", "Zp", "Cs"} & {unicodedata.category(char) for char in printable(text)}
