"""Copying through the terminal stays within what terminals take, also inside tmux."""

import base64
import re

from monit_tui.text.clipboard import MOST_ENCODED, osc52


def decoded(sequence: str) -> str:
    found = re.search(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", sequence)
    assert found
    return base64.b64decode(found[1]).decode()


def test_a_plain_terminal_gets_it_as_it_is() -> None:
    """OSC 52 with the text, ended by BEL."""
    copied = osc52("héllo\nworld", {"TERM": "xterm-256color"})
    assert decoded(copied.sequence) == "héllo\nworld"
    assert (copied.characters, copied.through) == (11, "terminal")


def test_tmux_passes_it_on() -> None:
    """Inside tmux it is wrapped, with every escape doubled."""
    sequence = osc52("x", {"TMUX": "/tmp/s", "TERM": "tmux-256color"}).sequence
    assert sequence.startswith("\x1bPtmux;")
    assert sequence.endswith("\x1b\\")
    inner = sequence.removeprefix("\x1bPtmux;").removesuffix("\x1b\\")
    assert inner.count("\x1b") == 2 * inner.replace("\x1b\x1b", "\x1b").count("\x1b")
    assert decoded(inner.replace("\x1b\x1b", "\x1b")) == "x"


def test_screen_gets_it_in_pieces() -> None:
    """GNU screen takes short strings only; joined they are the whole."""
    sequence = osc52("y" * 2000, {"TERM": "screen"}).sequence
    pieces = sequence.split("\x1b\\")[:-1]
    assert all(piece.startswith("\x1bP") and len(piece) < 768 for piece in pieces)
    assert decoded("".join(piece.removeprefix("\x1bP") for piece in pieces)) == "y" * 2000


def test_too_much_is_cut_and_counted() -> None:
    """At most 74,994 encoded bytes go out, never half a character, and the count is true."""
    text = "aé茶" * 40_000
    copied = osc52(text, {"TERM": "xterm"})
    found = re.search(r"52;c;([^\x07]*)\x07", copied.sequence)
    assert found
    assert MOST_ENCODED - 8 <= len(found[1]) <= MOST_ENCODED
    assert decoded(copied.sequence) == text[: copied.characters]
