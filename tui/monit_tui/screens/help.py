"""All keys, made of the registry: the place one comes from first."""

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip

from monit_tui.actions import Place
from monit_tui.bindings import key_name
from monit_tui.registry import PLACE_NAMES, allowed
from monit_tui.theme import Look
from monit_tui.widgets.lines import strip
from monit_tui.widgets.scrolled import Scrolled

KEYS_WIDTH = 18


class HelpLines(Scrolled):
    """The text of the help screen."""

    def __init__(self, place: Place, look: Look, *, read_only: bool) -> None:
        super().__init__(id="help-lines")
        self._place: Place = place
        self._look, self._read_only = look, read_only

    def lines(self, width: int) -> list[Strip]:
        """Give a heading per place and a line per action."""
        style = self._look.style
        lines = [
            strip(
                [(" Esc or q closes. Closing monit changes nothing for the apps.", style("muted"))],
                width,
            )
        ]
        places = sorted(PLACE_NAMES, key=lambda place: place != self._place)
        for place in places:
            lines.append(strip([], width))
            lines.append(strip([(f" {PLACE_NAMES[place]}", style("accent"))], width))
            for action in allowed(read_only=self._read_only):
                if action.place == place:
                    keys = "  ".join(key_name(key) for key in action.keys)
                    lines += self._action(keys, action.help, width)
        return lines

    def _action(self, keys: str, text: str, width: int) -> list[Strip]:
        style, room = self._look.style, max(10, width - KEYS_WIDTH - 3)
        first, *rest = _wrapped(text, room)
        head: list[tuple[str, Style]] = [(f" {keys:<{KEYS_WIDTH}} ", style("key"))]
        lines = [strip([*head, (first, style("plain"))], width)]
        indent = " " * (KEYS_WIDTH + 2)
        return lines + [strip([(indent + line, style("plain"))], width) for line in rest]


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return lines


class HelpScreen(ModalScreen[None]):
    """The whole screen full of keys."""

    DEFAULT_CSS = "HelpScreen { background: ansi_default; } #help-lines { height: 1fr; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "close", show=False),
        Binding("ctrl+c,ctrl+q", "app.leave", "quit", show=False, priority=True),
    ]

    def __init__(self, place: Place, look: Look, *, read_only: bool) -> None:
        super().__init__()
        self._text = HelpLines(place, look, read_only=read_only)

    def compose(self) -> ComposeResult:
        """Show the text."""
        yield self._text
