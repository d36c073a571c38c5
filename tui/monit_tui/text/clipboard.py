"""Copying through the terminal (OSC 52), which works over ssh when nothing else does."""

import base64
from collections.abc import Mapping
from typing import NamedTuple

MOST_ENCODED = 74_994
"""Bytes of base64 that terminals take (k9s found the limit; hterm and tmux agree)."""


class Copied(NamedTuple):
    """What to write to the terminal, and what to tell the reader."""

    sequence: str
    characters: int
    """How many characters of the text are in it."""
    through: str
    """Who gets it: ``terminal``, ``tmux``, ``screen``."""


def osc52(text: str, environ: Mapping[str, str]) -> Copied:
    """Give the sequence that puts ``text``, or as much of its beginning as is allowed, into
    the clipboard of the reader's own terminal."""
    data = text.encode()[: MOST_ENCODED // 4 * 3]
    kept = data.decode(errors="ignore")  # the cut may go through a character
    encoded = base64.b64encode(kept.encode()).decode()
    sequence = f"\x1b]52;c;{encoded}\x07"
    if environ.get("TMUX"):
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return Copied(f"\x1bPtmux;{doubled}\x1b\\", len(kept), "tmux")
    if environ.get("TERM", "").startswith("screen"):
        return Copied(_for_screen(sequence), len(kept), "screen")
    return Copied(sequence, len(kept), "terminal")


def _for_screen(sequence: str) -> str:
    """Wrap for GNU screen, which takes at most 768 bytes at a time."""
    pieces = [sequence[at : at + 256] for at in range(0, len(sequence), 256)]
    return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
