"""Textual's compositor, sending only what is dirty.

Textual crops a dirty stretch of a line on its right but not on its left
(`ChopsUpdate.render_segments`, 8.2.8): one changed digit at the end of a row sends the
row from its widget's left edge on. Over ssh that is most of the traffic of a quiet screen.
"""

from typing import Any

from rich.console import Console, RenderableType
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.screen import Screen


class TightUpdate(ChopsUpdate):
    """The same update, cropped on both sides."""

    def render_segments(self, console: Console) -> str:
        """Give the terminal sequences that paint exactly the dirty stretches."""
        sent: list[str] = []
        for y, start, end in self.spans:
            for right, (left, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                first, last = max(left, start), min(right, end)
                if strip is None or first >= last:
                    continue
                sent.append(Control.move_to(first, y).segment.text)
                sent.append(strip.crop(first - left, last - left).render(console))
        return "".join(sent)


class TightCompositor(Compositor):
    """A compositor whose partial updates are `TightUpdate`, and which can be held back."""

    held = False
    """While True nothing is rendered; whoever lets go refreshes the screen afterwards."""

    def render_update(
        self,
        full: bool = False,
        screen_stack: list[Screen[Any]] | None = None,
        simplify: bool = False,
    ) -> RenderableType | None:
        """Give what to send, or None."""
        if self.held:
            return None
        return super().render_update(full, screen_stack, simplify)

    def render_partial_update(self) -> ChopsUpdate | None:
        """Give what is dirty, or None."""
        update = super().render_partial_update()
        if update is None:
            return None
        return TightUpdate(update.chops, update.spans, update.chop_ends)
