"""The base of live widgets: lines that remember what is painted and repaint what changed.

Textual sends a dirty region whole and does not compare frames. So a `Lines` widget compares: it
makes its lines again, finds the cells that differ from those on the screen, and calls ``refresh``
with exactly these. If nothing changed, nothing is sent.
"""

from collections.abc import Iterator, Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from monit_tui.keys.keymap import fill_keys, key_actions
from monit_tui.text.strips import cells_of

BLANK = Style()

GAP = 6
"""Most unchanged cells between two changes that are sent again: skipping them by moving the
cursor takes about seven bytes."""


def make_strip(parts: Sequence[tuple[str, Style]], width: int, fill: Style = BLANK) -> Strip:
    """Return a strip of exactly ``width`` cells, filled up in the style ``fill``; longer text is
    cut."""
    made = Strip([Segment(text, style) for text, style in parts if text])
    return made.adjust_cell_length(width, fill)


class Lines(Widget):
    """A widget that draws lines and repaints only the cells that changed."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__(id=id)
        self._painted: list[Strip] = []

    @property
    def ground(self) -> Style:
        """Return the style below all text: the page, where the theme paints it."""
        found: Style = getattr(self.app, "page", BLANK)  # pyright: ignore[reportUnknownArgumentType]
        return found

    def with_keys(self, text: str) -> str:
        """Return a text with keys in place of the ids of actions: ``{list.stop} stops``."""
        return fill_keys(text, key_actions(self))

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the present lines: at most ``height`` of ``width`` cells."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw again and send what changed."""
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

    def dress(self) -> None:
        """Draw everything again, in the look that another theme has."""
        self._painted = []
        self.repaint()

    def _drawn(self, width: int, height: int) -> list[Strip]:
        if not width or not height:
            return []
        lines = self.draw(width, height)[:height]
        blank = Strip.blank(width, BLANK)
        ground = self.ground
        drawn = [*lines, *[blank] * (height - len(lines))]
        return [line.apply_style(ground) for line in drawn] if ground else drawn

    def render_line(self, y: int) -> Strip:
        """Return a line of what `repaint` drew last."""
        if len(self._painted) != self.size.height:
            self._painted = self._drawn(*self.size)
        return self._painted[y] if y < len(self._painted) else Strip.blank(self.size.width, BLANK)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._painted = self._drawn(*self.size)
        self.refresh()


def changed_spans(old: Strip, new: Strip) -> Iterator[tuple[int, int]]:
    """Yield (start, end) in cells of the parts in which two strips differ; no part begins or ends
    within a wide character of ``new``."""
    start = last = -1
    for x, (before, after) in enumerate(zip(cells_of(old), cells_of(new), strict=False)):
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
