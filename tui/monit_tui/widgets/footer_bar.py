"""The bottom line: keys of the pane with the focus, from the registry."""

from rich.style import Style
from textual.events import Click
from textual.message import Message
from textual.strip import Strip

from monit_tui.keys.actions import KeyAction
from monit_tui.keys.bindings import key_name
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip

KEPT = frozenset({"help", "back"})
"""Shown also where other actions do not fit: without them a new user is lost."""


def _cells(action: KeyAction) -> int:
    return len(key_name(action.keys[0])) + len(action.label) + 3


class FooterBar(Lines):
    """One line of keys and labels."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="footer")
        self._look = look
        self._actions: tuple[KeyAction, ...] = ()
        self._ends: list[tuple[int, KeyAction]] = []

    class Clicked(Message):
        """An action was clicked."""

        def __init__(self, action: KeyAction) -> None:
            super().__init__()
            self.action = action

    @property
    def ground(self) -> Style:
        """Return the style of a raised bar."""
        return self._look.raised

    def show(self, actions: tuple[KeyAction, ...]) -> None:
        """Show these actions."""
        self._actions = actions
        self.repaint()

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Return the line; actions that do not fit are left out, help and quit last."""
        style, room = self._look.bar_style, width
        parts: list[tuple[str, Style]] = []
        self._ends = []
        kept = sum(_cells(action) for action in self._actions if action.id in KEPT)
        for action in self._actions:
            kept -= _cells(action) if action.id in KEPT else 0
            if _cells(action) + kept > room:
                continue
            key = f" {key_name(action.keys[0])}"
            parts += [(key, style("key")), (f" {action.label} ", style("muted"))]
            room -= len(key) + len(action.label) + 2
            self._ends.append((width - room, action))
        return [make_strip(parts, width)]

    def on_click(self, event: Click) -> None:
        """Do what the label under the mouse says."""
        found = next((action for end, action in self._ends if event.x < end), None)
        if found is not None:
            self.post_message(self.Clicked(found))
