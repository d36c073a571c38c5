"""Text as the terminal's cells: a character with the marks on it, and how many cells it takes.

A combining mark has no cell of its own. Rich counts it as a character of zero width. Standard
library and Rich's table of widths only: the first frame is drawn with it.
"""

import re
from collections.abc import Iterator

from rich.cells import get_character_cell_size

_SURE = (
    "\x20-\x7e\xa0-\xac\xae-\u02ff\u0370-\u0482\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2500-\u25fc"
    "\u2713-\u2718\u2800-\u28ff\u3041-\u3096\u30a1-\u30fa\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
)
UNSURE = re.compile(f"[^{_SURE}]+")
"""Characters whose width terminals disagree about: marks, pictures, most other scripts."""


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """Yield each character together with the marks behind it, and its width in cells.

    Marks at the beginning of ``text`` come first, with a width of 0.
    """
    if text.isascii():
        for char in text:
            yield char, 1
        return
    held, width = "", 0
    for char in text:
        own = get_character_cell_size(char)
        if own and held:
            yield held, width
            held, width = "", 0
        held, width = held + char, width or own
    if held:
        yield held, width


def sure_parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of ``text`` and whether their width is uncertain. A mark belongs to the
    character before it, and ends a part: some terminals drop what is written with it."""
    at = 0
    for found in UNSURE.finditer(text):
        first = found.start()
        if first > at and not get_character_cell_size(text[first]):
            first -= 1
        if first > at:
            yield text[at:first], False
        part = ""
        for cluster, width in clusters(text[first : found.end()]):
            part += cluster
            if len(cluster) > 1 or not width:
                yield part, True
                part = ""
        if part:
            yield part, True
        at = found.end()
    if at < len(text):
        yield text[at:], False
