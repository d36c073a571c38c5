"""Running an action of an app: with which words, and what each process answered."""

import shlex
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.strip import Strip
from textual.widgets import Input, Static

from monit_agent.wire.limits import ACTION_BYTES
from monit_agent.wire.messages import Offer
from monit_tui.format import printable
from monit_tui.screens.dialog import Dialog
from monit_tui.text.cells import wrapped
from monit_tui.theme import Look
from monit_tui.widgets.lines import strip
from monit_tui.widgets.scrolled import Scrolled


class ArgumentsPrompt(Dialog[tuple[str, ...]]):
    """Gives the words that the action is called with."""

    def __init__(self, who: str, offer: Offer) -> None:
        super().__init__()
        self._who, self._offer = who, offer

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        offer = self._offer
        count = f"{offer.processes} processes" if offer.processes != 1 else "1 process"
        with Vertical(classes="box"):
            title = f"Trigger {offer.name} in {self._who}, {count}?"
            yield Static(Content(printable(title)), classes="title")
            if offer.help:
                yield Static(Content(printable(offer.help)), classes="plain")
            yield Input(placeholder="arguments, if it takes any", compact=True)
            yield Static(Content("Enter runs it, Esc leaves"), classes="quiet", id="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the words, as a shell would split them; or say what is wrong."""
        try:
            words = tuple(shlex.split(event.value))
        except ValueError as error:
            self._hint(str(error))
            return
        if sum(len(word) + 8 for word in words) > ACTION_BYTES:
            self._hint(f"more than {ACTION_BYTES} characters")
        else:
            self.dismiss(words)

    def _hint(self, text: str) -> None:
        self.query_one("#hint", Static).update(Content(text))


class AnswerLines(Scrolled):
    """The answers, wrapped."""

    def __init__(self, look: Look) -> None:
        super().__init__(id="answers")
        self._look = look
        self.said: tuple[str, ...] = ("waiting for the answers",)

    def lines(self, width: int) -> list[Strip]:
        """Give every line in as many rows as it needs."""
        plain, muted = self._look.style("plain"), self._look.style("muted")
        rows: list[Strip] = []
        for place, line in enumerate(self.said):
            parts = [(printable(line), muted if place == 0 else plain)]
            rows += [strip(row, width) for row in wrapped(parts, max(1, width))]
        return rows


class AnswersScreen(Dialog[None]):
    """Waits for answers and shows them; closing it calls nothing off."""

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
        """Lay it out."""
        with Vertical(classes="box"):
            yield Static(Content(printable(self._title)), classes="title")
            yield self._lines
            yield Static(Content("Esc closes"), classes="quiet")

    def show(self, lines: Sequence[str]) -> None:
        """Show what came."""
        self._lines.said = tuple(lines)
        self._lines.repaint()
