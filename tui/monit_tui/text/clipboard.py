"""Copying to the clipboard of the user's terminal, also over ssh and inside tmux and screen.

The terminal takes text by an escape sequence (OSC 52). tmux with its defaults does not pass that
on, so inside tmux the text goes through ``tmux load-buffer -w`` (3.2 and newer), which fills tmux's
own buffer and the terminal's clipboard.
"""

import asyncio
import base64
import os
import shutil
from collections.abc import Callable, Mapping
from typing import NamedTuple

MOST_ENCODED = 74_994
"""Bytes of base64 that terminals accept (the limit of k9s, hterm and tmux)."""

TMUX_S = 1.0
"""How long tmux may take; without an answer the escape sequence is tried."""


class ClipboardWrite(NamedTuple):
    """What to write to the terminal, and how much of the text it has."""

    sequence: str
    characters: int
    """How many characters of the text are in it."""
    through: str
    """What passes it on: ``terminal``, ``tmux``, ``screen``."""


async def copy_text(text: str, environ: Mapping[str, str], write: Callable[[str], None]) -> str:
    """Copy ``text``, by ``write`` to the terminal unless tmux takes it; return where it is now, as
    the end of a sentence: ``to the tmux buffer …``."""
    if environ.get("TMUX") and await _load_tmux_buffer(text, environ):
        return "to the tmux buffer, and to your clipboard if your terminal allows it"
    copied = clipboard_write(text, environ)
    write(copied.sequence)
    cut = ""
    if copied.characters < len(text):
        cut = f"; only the first {copied.characters} of {len(text)} characters fit"
    if copied.through == "tmux":
        return f"to your terminal, if tmux passes it on (allow-passthrough is off by default){cut}"
    if copied.through == "screen":
        return f"to your terminal through screen, if it allows OSC 52{cut}"
    return f"to your terminal's clipboard, if it allows OSC 52{cut}"


async def _load_tmux_buffer(text: str, environ: Mapping[str, str]) -> bool:
    """Return whether tmux took the text."""
    program = shutil.which("tmux", path=environ.get("PATH", os.defpath))
    if program is None:
        return False
    try:
        child = await asyncio.create_subprocess_exec(
            program, "load-buffer", "-w", "-", env=dict(environ), stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:  # no descriptor or no process is left
        return False
    try:
        await asyncio.wait_for(child.communicate(text.encode(errors="replace")), TMUX_S)
    except TimeoutError:
        child.kill()
        await child.wait()
        return False
    return child.returncode == 0


def clipboard_write(text: str, environ: Mapping[str, str]) -> ClipboardWrite:
    """Return the sequence that puts ``text``, or as much of its beginning as is allowed, into
    the clipboard of the user's terminal."""
    data = text.encode()[: MOST_ENCODED // 4 * 3]
    kept = data.decode(errors="ignore")  # the cut may go through a character
    encoded = base64.b64encode(kept.encode()).decode()
    sequence = f"\x1b]52;c;{encoded}\x07"
    if environ.get("TMUX"):
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return ClipboardWrite(f"\x1bPtmux;{doubled}\x1b\\", len(kept), "tmux")
    if environ.get("TERM", "").startswith("screen"):
        return ClipboardWrite(_for_screen(sequence), len(kept), "screen")
    return ClipboardWrite(sequence, len(kept), "terminal")


def _for_screen(sequence: str) -> str:
    """Return the sequence in pieces for GNU screen, which takes at most 768 bytes at a time."""
    pieces = [sequence[at : at + 256] for at in range(0, len(sequence), 256)]
    return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
