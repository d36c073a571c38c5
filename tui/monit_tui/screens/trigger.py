"""Dialogs of an app's own action: its arguments, and the answer of each process."""

import shlex
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.strip import Strip
from textual.widgets import Input, Static

from monit_agent.client.text.sanitize import printable
from monit_agent.wire.limits import ACTION_BYTES
from monit_agent.wire.messages import Offer
from monit_tui.screens.dialog import Dialog
from monit_tui.text.cells import wrapped
from monit_tui.theme import Look
from monit_tui.widgets.lines import make_strip
from monit_tui.widgets.scrolled import ScrolledLines


class ArgumentsPrompt(Dialog[tuple[str, ...]]):
    """Returns the arguments of the action."""

    def __init__(self, who: str, offer: Offer) -> None:
        super().__init__()
        self._who, self._offer = who, offer

    def compose(self) -> ComposeResult:
        """Lay out the text and the field."""
        offer = self._offer
        count = f"{offer.processes} processes" if offer.processes != 1 else "1 process"
        with Vertical(classes="box"):
            title = f"Trigger {offer.name} in {self._who} ({count})?"
            yield Static(Content(printable(title)), classes="title")
            if offer.help:
                yield Static(Content(printable(offer.help)), classes="plain")
            yield Input(placeholder="arguments (optional)", compact=True)
            yield Static(Content("Enter runs it, Esc cancels"), classes="quiet", id="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the arguments, split as in a shell, or show what is wrong with them."""
        try:
            words = tuple(shlex.split(event.value))
        except ValueError as error:
            self._hint(str(error))
            return
        if sum(len(word) + 8 for word in words) > ACTION_BYTES:
            self._hint(f"too long; at most {ACTION_BYTES} bytes")
        else:
            self.dismiss(words)

    def _hint(self, text: str) -> None:
        self.query_one("#hint", Static).update(Content(text))


class AnswerLines(ScrolledLines):
    """The answers, wrapped."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="answers")
        self._look = look
        self.answers: tuple[str, ...] = ("waiting for answers",)

    def lines(self, width: int) -> list[Strip]:
        """Return the lines, wrapped."""
        plain, muted = self._look.style("plain"), self._look.style("muted")
        rows: list[Strip] = []
        for place, line in enumerate(self.answers):
            parts = [(printable(line), muted if place == 0 else plain)]
            rows += [make_strip(row, width) for row in wrapped(parts, max(1, width))]
        return rows


class AnswersScreen(Dialog[None]):
    """Waits for answers and shows them; closing it does not stop the action."""

    DEFAULT_CSS = """
    AnswersScreen > .box { width: 90%; max-width: 120; height: 80%; }
    AnswersScreen #answers { height: 1fr; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,enter", "leave", "close", show=False)]

    def __init__(self, title: str, look: Look) -> None:
        super().__init__()
        self._title = title
        self._lines = AnswerLines(look)

    def compose(self) -> ComposeResult:
        """Lay out the title and the lines."""
        with Vertical(classes="box"):
            yield Static(Content(printable(self._title)), classes="title")
            yield self._lines
            yield Static(Content("Esc closes"), classes="quiet")

    def show(self, lines: Sequence[str]) -> None:
        """Show the lines of the answers."""
        self._lines.answers = tuple(lines)
        self._lines.repaint()
