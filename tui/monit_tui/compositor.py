"""Textual's compositor, changed to send only dirty cells, each to its own place.

Textual crops a dirty stretch of a line on its right but not on its left
(`ChopsUpdate.render_segments`, 8.2.8): one changed digit at the end of a row sends the
row from its widget's left edge on. Over ssh that is most of the traffic of a quiet screen.

It also trusts that the terminal gives each character as many cells as Rich does. Terminals
disagree about marks, pictures and some scripts, and then the rest of the line, and every later
change of it, lands beside its place. So the cursor is set again behind such text.
"""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, RenderableType
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

from monit_tui.text.strips import crop_line, sure_pieces


def move_along(x: int) -> str:
    """Return the sequence that moves the cursor to column ``x`` of its line (CHA): a few bytes
    less than a move to a line and a column."""
    return f"\x1b[{x + 1}G"


def placed(strip: Strip, x: int, console: Console) -> str:
    """Return the sequences that write a strip at column ``x``; the cursor is there already."""
    pieces = sure_pieces(strip)
    if pieces is None:
        return strip.render(console)
    sent: list[str] = []
    for number, (column, piece) in enumerate(pieces):
        if number:
            sent.append(move_along(x + column))
        sent.append(piece.render(console))
    return "".join([*sent, move_along(x + strip.cell_length)])


class TightUpdate(ChopsUpdate):
    """An update that is cropped on both sides."""

    def render_segments(self, console: Console) -> str:
        """Return the terminal sequences that paint exactly the dirty stretches."""
        sent: list[str] = []
        line = -1
        for y, start, end in self.spans:
            for right, (left, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                first, last = max(left, start), min(right, end)
                if strip is None or first >= last:
                    continue
                there = y == line
                sent.append(move_along(first) if there else Control.move_to(first, y).segment.text)
                sent.append(placed(crop_line(strip, first - left, last - left), first, console))
                line = y
        return "".join(sent)


class WholeUpdate(LayoutUpdate):
    """An update of the whole screen."""

    def __init__(self, strips: list[Iterable[Strip]], region: Region) -> None:
        super().__init__([list(line) for line in strips], region)

    def render_segments(self, console: Console) -> str:
        """Return the terminal sequences that paint all lines."""
        sent: list[str] = []
        for y, line in enumerate(self.strips, self.region.y):
            x = self.region.x
            sent.append(Control.move_to(x, y).segment.text)
            for strip in line:
                sent.append(placed(strip, x, console))
                x += strip.cell_length
        return "".join(sent)


class TightCompositor(Compositor):
    """A compositor whose updates are `TightUpdate` and `WholeUpdate`, and which can be paused."""

    paused = False
    """While True nothing is rendered; set it to False, then refresh the screen."""

    def render_update(
        self,
        full: bool = False,
        screen_stack: list[Screen[Any]] | None = None,
        simplify: bool = False,
    ) -> RenderableType | None:
        """Return what to send, or None."""
        if self.paused:
            return None
        return super().render_update(full, screen_stack, simplify)

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        """Return everything."""
        update = super().render_full_update(simplify)
        return WholeUpdate(update.strips, update.region)

    def render_partial_update(self) -> ChopsUpdate | None:
        """Return what is dirty, or None."""
        update = super().render_partial_update()
        if update is None:
            return None
        return TightUpdate(update.chops, update.spans, update.chop_ends)
