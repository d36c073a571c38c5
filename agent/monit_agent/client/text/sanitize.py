r"""The only place that turns a worker's output into text for a terminal.

Whatever the bytes are, the returned text holds no control character but the tab, nothing
that changes the direction of writing, and nothing invisible. Colours (SGR) are parsed into
a `TextStyle`; every other control character is written out: ``^[`` ``\x9b`` ``\u202e``.
No Textual and no Rich, because the command line uses it too.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from monit_agent.client.text.sgr import PLAIN, STAND_IN, TextStyle, apply_sgr, with_sgr

_NO_LIMIT = 1 << 30

# Cc but the tab, Cs, Zl, Zp and the invisible of Cf; Hangul fillers and the braille blank are
# invisible as well. Left out: the Arabic and Kaithi number signs (Cf, but they are drawn), and the
# joiners, which have a rule of their own.
_DANGER = (
    r"\x00-\x08\x0a-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    r"\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_MARKS = (
    r"\u0300-\u034e\u0350-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
    r"\ufe20-\ufe2f"
)
_MAX_MARKS = 8
"""Combining marks that may follow one character: more pile up over the lines around."""

_TOKEN = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|(?P<escape>\x1b(?:"
    r"\[[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\][^\x07\x1b\x9c]{0,256}(?:\x07|\x1b\\|\x9c)?"  # OSC
    r"|[PX^_][^\x1b\x9c]{0,256}(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|[ -/]*[0-~])?)"
    rf"|(?P<control>[{_DANGER}]+)"
    r"|(?P<joiner>[\u200c\u200d\ufe00-\ufe0f])"
    rf"|(?<=[{_MARKS}]{{{_MAX_MARKS}}})(?P<marks>[{_MARKS}]+)"
)
_HIDDEN = re.compile(rf"[{_DANGER}\u200c\u200d\ufe00-\ufe0f]")
_SGR = re.compile(r"\x1b\[([0-9;:]*)m")


class Span(NamedTuple):
    """Text of one style; the only control character in it may be the tab."""

    text: str
    style: TextStyle


def spans(raw: bytes, most: int = _NO_LIMIT) -> list[Span]:
    """Return the styled text of ``raw``, a line without its newline: about ``most`` characters
    at most. Adjacent spans may have the same style."""
    text = raw.decode("utf-8", "backslashreplace")
    if text.isprintable() and text.isascii():
        return [Span(text[:most], PLAIN)] if text else []
    return list(_limited(_spans(text), most))


def plain_text(raw: bytes) -> str:
    """Return ``raw`` as text without colours, safe for every terminal and file."""
    if raw.isascii() and (text := raw.decode("ascii")).isprintable():
        return text
    return "".join(span.text for span in spans(raw))


def coloured_text(raw: bytes) -> str:
    """Return ``raw`` as text with its colours, rewritten and ended with a reset; safe for
    every terminal."""
    return "".join(with_sgr(span.text, span.style) for span in spans(raw))


def escape_controls(text: str) -> str:
    r"""Return ``text`` with each unsafe character written as ``^[``, ``\x9b``, ``\u202e``."""
    return _HIDDEN.sub(_escaped, text)


def printable(text: str) -> str:
    """Return `escape_controls` of ``text`` with tabs as blanks: one line of the terminal."""
    return escape_controls(text).replace("\t", " ")


def _escaped(found: re.Match[str]) -> str:
    point = ord(found[0])
    if point < 0x20 or point == 0x7F:
        return "^" + chr(point ^ 0x40)
    if point < 0x100 or 0xDC80 <= point < 0xDD00:  # the latter is a byte, as in os.fsdecode
        return f"\\x{point & 0xFF:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _spans(text: str) -> Iterator[Span]:
    style = PLAIN
    text = text.rstrip("\r")
    overwritten, returned, text = text.rpartition("\r")
    if returned:  # a terminal shows only what was printed last
        for found in _SGR.finditer(overwritten[-4096:]):
            style = apply_sgr(found[1], style)
        yield Span("^M", STAND_IN)
    at = 0
    for found in _TOKEN.finditer(text):
        if found.start() > at:
            yield Span(text[at : found.start()], style)
        at = found.end()
        if found.lastgroup == "sgr":
            style = apply_sgr(found["sgr"], style)
        elif found.lastgroup == "marks":
            yield Span(f"<{len(found[0])} more marks>", STAND_IN)
        elif found.lastgroup != "joiner":
            yield Span(escape_controls(found[0]), STAND_IN)
        else:
            yield from _joiner(text, found.start(), style)
    if at < len(text):
        yield Span(text[at:], style)


def _joiner(text: str, at: int, style: TextStyle) -> Iterator[Span]:
    """Keep a non-joiner inside a word of a script that needs it. Joiners and variation
    selectors are removed from such words and from between pictures: terminals disagree on the
    width of the result. Elsewhere they are invisible, so they are written out."""
    joiner = text[at]
    if joiner >= "\ufe00":
        return
    around = (text[at - 1 : at], text[at + 1 : at + 2])
    if all(_needs_joiner(each) for each in around):
        if joiner == "\u200c":
            yield Span(joiner, style)
    elif not any(_is_picture(each) for each in around):
        yield Span(escape_controls(joiner), STAND_IN)


def _needs_joiner(character: str) -> bool:
    return (
        character > "\u0590"
        and unicodedata.category(character)[0] in "LM"
        and (not _is_picture(character))
    )


def _is_picture(character: str) -> bool:
    return character != "" and (
        unicodedata.category(character) in ("So", "Sk") or "\ufe00" <= character <= "\ufe0f"
    )


def _limited(stream: Iterator[Span], most: int) -> Iterator[Span]:
    for span in stream:
        yield span if len(span.text) <= most else Span(span.text[:most], span.style)
        most -= len(span.text)
        if most <= 0:
            return
