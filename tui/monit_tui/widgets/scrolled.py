"""Lines that scroll: the base of metadata, events, blocked, help and answers."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import MouseScrollDown, MouseScrollUp
from textual.strip import Strip

from monit_tui.widgets.lines import Lines

_KEYS = {
    "up": "up,k", "down": "down,j", "half_up": "ctrl+u", "half_down": "ctrl+d",
    "page_up": "pageup", "page_down": "pagedown", "first": "home,g", "last": "end,G",
}  # fmt: skip


class ScrolledLines(Lines, can_focus=True):
    """Stays in place when lines are added, or follows them at the end."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(keys, f"scroll_lines('{where}')", where, show=False)
        for where, keys in _KEYS.items()
    ]

    top = 0
    at_end = False
    """Whether the view stays at the last line when lines are added."""

    def lines(self, width: int) -> list[Strip]:
        """Return all lines."""
        raise NotImplementedError

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the lines in view."""
        lines = self.lines(width)
        last = max(0, len(lines) - height)
        self.top = last if self.at_end else max(0, min(self.top, last))
        return lines[self.top : self.top + height]

    def scroll_by(self, lines: int) -> None:
        """Move the view."""
        total, height = len(self.lines(self.size.width)), self.size.height
        self.top = max(0, min(self.top + lines, total - height))
        self.at_end = self.follows and self.top >= total - height
        self.repaint()

    follows = False
    """Whether a view at the end follows new lines."""

    def action_scroll_lines(self, where: str) -> None:
        """Scroll by keys."""
        height = max(1, self.size.height)
        half, far = height // 2, 10**9
        steps = {"up": -1, "down": 1, "half_up": -half, "half_down": half,
                 "page_up": -height, "page_down": height, "first": -far, "last": far}  # fmt: skip
        self.scroll_by(steps[where])

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.scroll_by(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll with the wheel."""
        event.stop()
        self.scroll_by(-3)
