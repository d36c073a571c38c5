"""Copying through the terminal, with its limits, also in tmux."""

import asyncio
import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from monit_tui.text.clipboard import MOST_ENCODED, clipboard_write, copy_text


def decoded(sequence: str) -> str:
    found = re.search(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\x07", sequence)
    assert found
    return base64.b64decode(found[1]).decode()


def test_a_plain_terminal_gets_osc52() -> None:
    """The sequence is OSC 52 with the text, ended by BEL."""
    copied = clipboard_write("héllo\nworld", {"TERM": "xterm-256color"})
    assert decoded(copied.sequence) == "héllo\nworld"
    assert (copied.characters, copied.through) == (11, "terminal")


def test_tmux_gets_it_wrapped() -> None:
    """In tmux the sequence is wrapped, with every escape doubled."""
    sequence = clipboard_write("x", {"TMUX": "/tmp/s", "TERM": "tmux-256color"}).sequence
    assert sequence.startswith("\x1bPtmux;")
    assert sequence.endswith("\x1b\\")
    inner = sequence.removeprefix("\x1bPtmux;").removesuffix("\x1b\\")
    assert inner.count("\x1b") == 2 * inner.replace("\x1b\x1b", "\x1b").count("\x1b")
    assert decoded(inner.replace("\x1b\x1b", "\x1b")) == "x"


def test_screen_gets_it_in_pieces() -> None:
    """GNU screen gets short pieces, which together are the sequence."""
    sequence = clipboard_write("y" * 2000, {"TERM": "screen"}).sequence
    pieces = sequence.split("\x1b\\")[:-1]
    assert all(piece.startswith("\x1bP") and len(piece) < 768 for piece in pieces)
    assert decoded("".join(piece.removeprefix("\x1bP") for piece in pieces)) == "y" * 2000


def test_too_much_is_cut_and_counted() -> None:
    """At most 74,994 encoded bytes are sent, whole characters only, and the count is right."""
    text = "aé茶" * 40_000
    copied = clipboard_write(text, {"TERM": "xterm"})
    found = re.search(r"52;c;([^\x07]*)\x07", copied.sequence)
    assert found
    assert MOST_ENCODED - 8 <= len(found[1]) <= MOST_ENCODED
    assert decoded(copied.sequence) == text[: copied.characters]


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of a program inside a tmux with its defaults."""
    socket = str(tmp_path / "tmux")
    environ = {name: value for name, value in os.environ.items() if name != "TMUX"}
    control = ["tmux", "-f", "/dev/null", "-S", socket]
    subprocess.run(
        [*control, "new-session", "-d", "-s", "test", "sleep 600"],
        check=True, env={**environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    try:
        yield {**environ, "TERM": "tmux-256color", "TMUX": f"{socket},1,0"}
    finally:
        subprocess.run([*control, "kill-server"], check=False, env=environ)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine")
def test_a_copy_inside_tmux_arrives(tmux: dict[str, str]) -> None:
    """Inside a tmux with its defaults, a copy is in tmux's buffer, and the notice says so."""
    written: list[str] = []
    text = "line 1\nzażółć 茶\n" * 5_000
    said = asyncio.run(copy_text(text, tmux, written.append))
    socket = tmux["TMUX"].partition(",")[0]
    shown = subprocess.run(
        ["tmux", "-S", socket, "show-buffer"], check=True, capture_output=True, text=True
    )
    assert shown.stdout == text
    assert "tmux buffer" in said
    assert written == []


def test_a_copy_that_may_be_lost_is_not_called_done() -> None:
    """Where only an escape sequence is left, the notice says what it depends on."""
    written: list[str] = []
    environ = {"TMUX": "/nowhere,1,0", "TERM": "tmux-256color", "PATH": "/nowhere"}
    said = asyncio.run(copy_text("x", environ, written.append))
    assert "if tmux passes it on" in said
    assert len(written) == 1
    said = asyncio.run(copy_text("x" * 100_000, {"TERM": "xterm"}, written.append))
    assert "if it allows OSC 52" in said
    assert "only the first 56244 of 100000 characters" in said
