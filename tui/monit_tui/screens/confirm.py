"""The confirmation before workers are stopped or replaced: which, how many, and the effect."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from monit_agent.client.text.sanitize import printable
from monit_tui.model.confirmation import PlannedAction
from monit_tui.screens.dialog import Dialog


class ConfirmScreen(Dialog[bool]):
    """Returns True for yes. The focus is on Cancel, or in the field when a name must be typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "yes", show=False),
        Binding("n,q", "leave", "no", show=False),
        Binding("h,k", "app.focus_previous", show=False),
        Binding("l,j", "app.focus_next", show=False),
    ]

    AUTO_FOCUS = "Input, #no"

    def __init__(self, planned: PlannedAction) -> None:
        super().__init__()
        self._planned = planned

    def compose(self) -> ComposeResult:
        """Lay out the text, the field and the buttons."""
        planned = self._planned
        with Vertical(classes="box"):
            yield Static(Content(printable(planned.title)), classes="title")
            if len(planned.targets) > 1:
                yield Static(Content(printable("  ".join(planned.targets))), classes="plain")
            if planned.changed:
                yield Static(Content(printable(planned.changed)), classes="changed")
            yield Static(Content(planned.effect), classes="quiet")
            if planned.typed is not None:
                yield Static(
                    Content(f"Type {printable(planned.typed)} to confirm:"), classes="plain"
                )
                yield Input(id="typed", compact=True)
            with Horizontal(classes="buttons"):
                yield Button("Cancel (n)", id="no", compact=True)
                yield Button(
                    f"{planned.yes} (y)" if planned.typed is None else planned.yes,
                    id="yes", compact=True, disabled=planned.typed is not None,
                )  # fmt: skip

    def on_input_changed(self, event: Input.Changed) -> None:
        """Enable yes when the name is complete."""
        self.query_one("#yes", Button).disabled = event.value != self._planned.typed

    def on_input_submitted(self) -> None:
        """Move the focus to the button; Enter in the field does not press it."""
        if not self.query_one("#yes", Button).disabled:
            self.query_one("#yes", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Close the dialog with the answer."""
        self.dismiss(event.button.id == "yes" or None)

    def action_yes(self) -> None:
        """Confirm, unless a name must still be typed."""
        if not self.query_one("#yes", Button).disabled:
            self.dismiss(True)
