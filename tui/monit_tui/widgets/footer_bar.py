"""The bottom line: what the keys do here, made of the registry."""

from rich.style import Style
from textual.strip import Strip

from monit_tui.actions import Action
from monit_tui.bindings import key_name
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, strip


class FooterBar(Lines):
    """One line of keys and labels."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="footer")
        self._look = look
        self._actions: tuple[Action, ...] = ()

    def show(self, actions: tuple[Action, ...]) -> None:
        """Offer these."""
        self._actions = actions
        self.repaint()

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Give the line; what does not fit whole is left out."""
        style, room = self._look.style, width
        parts: list[tuple[str, Style]] = []
        for action in self._actions:
            key = f" {key_name(action.keys[0])}"
            if len(key) + len(action.label) + 2 > room:
                break
            parts += [(key, style("key")), (f" {action.label} ", style("muted"))]
            room -= len(key) + len(action.label) + 2
        return [strip(parts, width)]
