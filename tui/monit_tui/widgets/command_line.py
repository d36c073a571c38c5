"""The field for commands, in place of the footer, and the line above it that helps with them."""

from collections.abc import Mapping
from typing import ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input

from monit_tui.commands.reading import Completion, ValuesOf, complete, extend
from monit_tui.commands.table import ScreenCommand
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip

KEPT_LINES = 100
"""Commands that Up brings back."""

COLON = ":"
"""Stands before every command; deleting it closes the field."""

HINT = "Tab completes   Up brings back earlier commands   Esc closes"


class CommandHint(Lines):
    """What the command takes, and which words may stand next."""

    DEFAULT_CSS = "CommandHint { layer: above; position: absolute; height: 1; display: none; }"

    def __init__(self, look: Look) -> None:
        super().__init__(id="command-hint")
        self._look = look
        self._head, self._text = "", HINT
        self._words: tuple[str, ...] = ()
        self._chosen = ""

    @property
    def ground(self) -> Style:
        """Return the style of a raised bar."""
        return self._look.raised

    def show(
        self, head: str = "", text: str = HINT, words: tuple[str, ...] = (), chosen: str = ""
    ) -> None:
        """Show a head, and then the words that may stand next or, without any, a text."""
        self._head, self._text, self._words, self._chosen = head, text, words, chosen
        width, height = self.app.size
        self.styles.width, self.styles.offset = width, (0, max(0, height - 2))
        self.display = True
        self.repaint()

    def draw(self, width: int, _height: int, /) -> list[Strip]:
        """Return the line; the chosen word stays in view."""
        style = self._look.bar_style
        parts = [(" ", style("plain"))]
        if self._head:
            parts.append((f"{self._head}  ", style("key")))
        if not self._words:
            return [make_strip([*parts, (self._text, style("muted"))], width)]
        room = width - len(self._head) - 4
        place = self._words.index(self._chosen) if self._chosen in self._words else 0
        first = 0
        while first < place and len(" ".join(self._words[first : place + 1])) > room:
            first += 1
        for word in self._words[first:]:
            tone = style("accent" if word == self._chosen else "muted")
            parts += [(word, tone), (" ", style("plain"))]
        return [make_strip(parts, width)]


class CommandLine(Input):
    """Reads a command; it is hidden while none is typed."""

    DEFAULT_CSS = """
    CommandLine { height: 1; border: none; padding: 0 1; display: none; background: $background; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete(1)", show=False),
        Binding("shift+tab", "complete(-1)", show=False),
        Binding("up", "recall(-1)", show=False),
        Binding("down", "recall(1)", show=False),
        Binding("escape", "close", show=False),
    ]

    class Entered(Message):
        """A command was entered; without one, the field was closed."""

        def __init__(self, line: str) -> None:
            super().__init__()
            self.line = line

    def __init__(self, look: Look) -> None:
        super().__init__(id="command", compact=True, select_on_focus=False)
        self.hint = CommandHint(look)
        self.known: Mapping[str, ScreenCommand] = {}
        self._values: ValuesOf = lambda _kind: ()
        self._earlier: list[str] = []
        self._place = 0
        self._back: Widget | None = None
        self._cycled: Completion | None = None
        self._chosen = ""

    def open(self, known: Mapping[str, ScreenCommand], values: ValuesOf, line: str) -> None:
        """Show the field with the beginning of a command."""
        self.known, self._values = known, values
        self._place, self._cycled = len(self._earlier), None
        self._back = self.screen.focused if self.screen.focused is not self else self._back
        self._put(COLON + line)
        self.display = True
        self.screen.set_focus(self)  # at once: the next key belongs to it
        self._show_hint()

    def _enter(self, line: str) -> None:
        """Close the field and return the focus at once: the next key belongs to the pane."""
        self.display = self.hint.display = False
        self.screen.set_focus(self._back)
        self.post_message(self.Entered(line))

    # ------------------------------------------------------------ keys

    def action_complete(self, step: int) -> None:
        """Complete the word as far as possible, then take one candidate after the other."""
        cycled = self._cycled
        if cycled is None or self.value != cycled.before + self._chosen:
            cycled = complete(self.value, self.known, self._values)
            longer = extend(self.value, cycled)
            if longer != self.value or len(cycled.candidates) < 2:
                self._put(longer)
                return
            self._cycled, self._chosen = cycled, ""
        words = cycled.candidates
        place = words.index(self._chosen) + step if self._chosen in words else min(step - 1, 0)
        self._chosen = words[place % len(words)]
        self._put(cycled.before + self._chosen)

    def action_recall(self, step: int) -> None:
        """Bring back an earlier command."""
        if 0 <= self._place + step <= len(self._earlier):
            self._place += step
            self._put([*self._earlier, COLON][self._place])

    def action_close(self) -> None:
        """Close without a command."""
        self._enter("")

    # ------------------------------------------------------------ events

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what may stand next; close when even the colon is deleted."""
        event.stop()
        if self.display and not event.value:
            self.action_close()
        elif self.display:
            self._show_hint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter the command."""
        event.stop()
        line = event.value.strip()
        if line != COLON and self._earlier[-1:] != [line]:
            self._earlier = [*self._earlier, line][-KEPT_LINES:]
        self._enter(line)

    def _put(self, line: str) -> None:
        self.value = line
        self.cursor_position = len(line)

    def _show_hint(self) -> None:
        line = self.value.lstrip(" :")
        if not line:
            self.hint.show()
            return
        cycled = self._cycled
        if cycled is not None and self.value == cycled.before + self._chosen:
            found, chosen = cycled, self._chosen
        else:
            found, chosen = complete(self.value, self.known, self._values), ""
        name, space, _ = line.partition(" ")
        only = found.candidates[0] if not space and len(found.candidates) == 1 else name
        command = self.known.get(only)
        if command is None or (not space and len(found.candidates) > 1):
            nothing = "" if found.candidates else "no such command; Tab lists all after Backspace"
            self.hint.show("", nothing, found.candidates, chosen)
        elif space and found.candidates:
            self.hint.show(command.usage, "", found.candidates, chosen)
        else:
            self.hint.show(command.usage, command.help)
