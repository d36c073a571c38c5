"""Dialogs for one value: the number of instances, the column to sort by."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from monit_agent.client.text.sanitize import printable
from monit_tui.model.processes.rows import SORT_COLUMNS, SortColumn
from monit_tui.screens.dialog import Dialog
from monit_tui.screens.menu import Menu

MOST = 256
"""Most instances in this dialog, against typing errors; the command line accepts more."""


class ScalePrompt(Dialog[int]):
    """Returns the number of instances to scale to."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,up", "add(1)", "one more", show=False, priority=True),
        Binding("minus,down", "add(-1)", "one less", show=False, priority=True),
    ]

    def __init__(self, app_name: str, count: int) -> None:
        super().__init__()
        self._app_name, self._count = app_name, count

    def compose(self) -> ComposeResult:
        """Lay out the text and the field."""
        with Vertical(classes="box"):
            yield Static(
                Content(f"How many instances of {printable(self._app_name)}?"), classes="title"
            )
            yield Input(str(self._count), type="integer", max_length=4, compact=True)
            hint = f"now {self._count}; + and - change it   Enter scales, Esc cancels"
            yield Static(Content(hint), classes="quiet", id="hint")

    def action_add(self, step: int) -> None:
        """Increase or decrease the number."""
        field = self.query_one(Input)
        now = int(field.value) if field.value.isdigit() else self._count
        field.value = str(max(0, min(MOST, now + step)))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the number, or show what is wrong with it."""
        if event.value.isdigit() and int(event.value) <= MOST:
            self.dismiss(int(event.value))
        else:
            self.query_one("#hint", Static).update(Content(f"Enter a number from 0 to {MOST}."))


class SortMenu(Menu[SortColumn]):
    """Returns the column to sort by."""

    DEFAULT_CSS = "SortMenu OptionList { width: 40; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "leave", show=False),
    ]

    def __init__(self, now: SortColumn) -> None:
        super().__init__()
        self._now: SortColumn = now

    def compose(self) -> ComposeResult:
        """List the columns."""
        with Vertical(classes="box"):
            yield Static(Content("Sort by"), classes="title")
            yield OptionList(
                *(Option(Content(text), id=name) for name, text in SORT_COLUMNS.items())
            )

    def on_mount(self) -> None:
        """Move to the present column."""
        self.options.highlighted = list(SORT_COLUMNS).index(self._now)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the chosen column."""
        self.dismiss(next(name for name in SORT_COLUMNS if name == event.option_id))
