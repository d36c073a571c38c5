"""The question before anything is stopped: whom it concerns, how many, what will happen."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from monit_tui.asking import Asking
from monit_tui.format import printable
from monit_tui.screens.dialog import Dialog


class ConfirmScreen(Dialog[bool]):
    """Gives True for yes. The focus is on Cancel; where a name must be typed, in the field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "yes", show=False),
        Binding("n,q", "leave", "no", show=False),
        Binding("h,k", "app.focus_previous", show=False),
        Binding("l,j", "app.focus_next", show=False),
    ]

    AUTO_FOCUS = "Input, #no"

    def __init__(self, asking: Asking) -> None:
        super().__init__()
        self._asking = asking

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        asking = self._asking
        with Vertical(classes="box"):
            yield Static(Content(printable(asking.title)), classes="title")
            if len(asking.targets) > 1 or asking.pids:
                yield Static(Content(printable("  ".join(asking.targets))), classes="plain")
            yield Static(Content(asking.effect), classes="quiet")
            if asking.typed is not None:
                yield Static(Content(f"Type {printable(asking.typed)} to go on:"), classes="plain")
                yield Input(id="typed", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Cancel (n)", id="no", compact=True)
                yield Button(
                    f"{asking.yes} (y)" if asking.typed is None else asking.yes,
                    id="yes", compact=True, disabled=asking.typed is not None,
                )  # fmt: skip

    def on_input_changed(self, event: Input.Changed) -> None:
        """Allow yes once the name stands there."""
        self.query_one("#yes", Button).disabled = event.value != self._asking.typed

    def on_input_submitted(self) -> None:
        """Enter in the field goes on to the button, it does not press it."""
        if not self.query_one("#yes", Button).disabled:
            self.query_one("#yes", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        self.dismiss(event.button.id == "yes" or None)

    def action_yes(self) -> None:
        """Say yes, unless a name is still missing."""
        if not self.query_one("#yes", Button).disabled:
            self.dismiss(True)
