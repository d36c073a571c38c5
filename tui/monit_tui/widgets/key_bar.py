"""The bars of screens that cover the overview: their title, and their keys."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style
from textual.events import Click
from textual.strip import Strip

from monit_tui.text.fitting import fit_end
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip


class KeyHint(NamedTuple):
    """A key as a bar names it, and what it does."""

    key: str
    label: str
    action: str
    """Carried out by the screen when the label is clicked."""


class KeyBar(Lines):
    """One line of keys and labels at the bottom; the last one, which leaves, is always shown."""

    DEFAULT_CSS = "KeyBar { height: 1; dock: bottom; }"

    def __init__(self, look: Look, hints: Sequence[KeyHint]) -> None:
        super().__init__()
        self._look = look
        self._hints = hints
        self._ends: list[tuple[int, KeyHint]] = []

    @property
    def ground(self) -> Style:
        """Return the style of a raised bar."""
        return self._look.raised

    def show(self, hints: Sequence[KeyHint]) -> None:
        """Show other keys."""
        self._hints = hints
        self.repaint()

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Return the line."""
        style = self._look.bar_style
        last = len(self._hints) - 1
        room = width - sum(map(_cells, self._hints[last:]))
        parts: list[tuple[str, Style]] = []
        self._ends, used = [], 0
        for number, hint in enumerate(self._hints):
            if number < last:
                if _cells(hint) > room:
                    continue
                room -= _cells(hint)
            parts += [(f" {hint.key}", style("key")), (f" {hint.label} ", style("muted"))]
            used += _cells(hint)
            self._ends.append((used, hint))
        return [make_strip(parts, width)]

    async def on_click(self, event: Click) -> None:
        """Do what the label under the mouse says."""
        found = next((hint for end, hint in self._ends if event.x < end), None)
        if found is not None:
            await self.screen.run_action(found.action)


class TitleBar(Lines):
    """The line of `title_bar`, where nothing in it changes."""

    DEFAULT_CSS = "TitleBar { height: 1; }"

    def __init__(self, look: Look, title: str, details: Sequence[str] = ()) -> None:
        super().__init__()
        self._look, self._title, self._details = look, title, details

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Return the line."""
        return [title_bar(self._title, self._details, width, self._look)]


def _cells(hint: KeyHint) -> int:
    return cell_len(hint.key) + cell_len(hint.label) + 3


def title_bar(title: str, details: Sequence[str], width: int, look: Look) -> Strip:
    """Return the top line of such a screen: what it shows, then details as far as they fit."""
    style = look.bar_style
    name = " monit " if cell_len(title) + 9 <= width else ""
    room = max(1, width - cell_len(name) - 2)
    shown = fit_end(title, min(room, cell_len(title)), look.glyphs.ellipsis)
    parts = [(name, style("accent")), (f" {shown} ", style("strong"))]
    room = width - sum(cell_len(text) for text, _ in parts)
    for detail in details:
        if cell_len(detail) + 2 > room:
            break
        parts.append((f" {detail} ", style("muted")))
        room -= cell_len(detail) + 2
    return make_strip(parts, width).apply_style(look.raised)
