"""The bottom line, as a widget (``model/footer_line.py`` has its parts)."""

from rich.style import Style
from textual.events import Click
from textual.message import Message
from textual.strip import Strip

from monit_tui.keys.actions import KeyAction
from monit_tui.model.footer_line import footer_line
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip


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
        """Return the line."""
        parts, self._ends = footer_line(self._actions, width)
        return [make_strip(self._look.bar_parts(parts), width)]

    def on_click(self, event: Click) -> None:
        """Do what the label under the mouse says."""
        found = next((action for end, action in self._ends if event.x < end), None)
        if found is not None:
            self.post_message(self.Clicked(found))
