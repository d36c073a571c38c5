"""The base of everything live: lines that know what is painted and repaint what changed.

Textual sends a dirty region whole and does not compare frames. So a `Lines` widget compares:
it makes its lines anew, looks for the cells that differ from those on the screen, and calls
``refresh`` with exactly these. Nothing changed costs no byte.
"""

from collections.abc import Iterator, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

BLANK = Style()

GAP = 6
"""Unchanged cells between two changes that are cheaper to send again than to jump over:
moving the cursor takes about seven bytes."""


def strip(parts: Sequence[tuple[str, Style]], width: int) -> Strip:
    """Make a strip of exactly ``width`` cells; what does not fit is cut."""
    made = Strip([Segment(text, style) for text, style in parts if text])
    return made.adjust_cell_length(width, BLANK)


class Lines(Widget):
    """A widget that draws lines and repaints only the cells that changed."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._painted: list[Strip] = []

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Give the lines as they should look now: at most ``height`` of ``width`` cells."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw anew and send what changed. Cheap when nothing did."""
        width, height = self.size
        before = self._painted
        fresh = self._drawn(width, height)
        self._painted = fresh
        if len(before) != height or any(old.cell_length != width for old in before[:1]):
            self.refresh()
            return
        regions = [
            Region(start, y, end - start, 1)
            for y, (old, new) in enumerate(zip(before, fresh, strict=True))
            if old is not new and old != new
            for start, end in changed_spans(old, new)
        ]
        if regions:
            self.refresh(*regions)

    def _drawn(self, width: int, height: int) -> list[Strip]:
        if not width or not height:
            return []
        lines = self.draw(width, height)[:height]
        blank = Strip.blank(width, BLANK)
        return [*lines, *[blank] * (height - len(lines))]

    def render_line(self, y: int) -> Strip:
        """Give Textual a line of what `repaint` drew last."""
        if len(self._painted) != self.size.height:
            self._painted = self._drawn(*self.size)
        return self._painted[y] if y < len(self._painted) else Strip.blank(self.size.width, BLANK)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._painted = self._drawn(*self.size)
        self.refresh()


def changed_spans(old: Strip, new: Strip) -> Iterator[tuple[int, int]]:
    """Give (start, end) in cells of the stretches in which two strips differ."""
    start = last = -1
    for x, (before, after) in enumerate(zip(_cells(old), _cells(new), strict=False)):
        if before == after:
            continue
        if start >= 0 and x - last > GAP:
            yield start, last + 1
            start = x
        elif start < 0:
            start = x
        last = x
    if start >= 0:
        yield start, last + 1


def _cells(line: Strip) -> Iterator[tuple[str, Style | None]]:
    for text, style, _ in line:
        if text.isascii():
            for char in text:
                yield char, style
            continue
        for char in text:
            yield char, style
            for _ in range(Segment(char).cell_length - 1):
                yield "", style
