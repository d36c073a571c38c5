"""Small questions: how many instances, sorted by what."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from monit_tui.format import printable
from monit_tui.rows import SORT_COLUMNS, SortColumn
from monit_tui.screens.dialog import Dialog

MOST = 256
"""Instances that one may ask for by mistake of a finger: more is done on the command line."""


class ScalePrompt(Dialog[int]):
    """Gives the wanted number of instances."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,up", "add(1)", "one more", show=False, priority=True),
        Binding("minus,down", "add(-1)", "one less", show=False, priority=True),
    ]

    def __init__(self, app_name: str, count: int) -> None:
        super().__init__()
        self._app_name, self._count = app_name, count

    def compose(self) -> ComposeResult:
        """Lay the question out."""
        with Vertical(classes="box"):
            yield Static(
                Content(f"How many instances of {printable(self._app_name)}?"), classes="title"
            )
            yield Input(str(self._count), type="integer", max_length=4, compact=True)
            yield Static(
                Content(f"+ and - change it; now {self._count}"), classes="quiet", id="hint"
            )

    def action_add(self, step: int) -> None:
        """Count up or down."""
        field = self.query_one(Input)
        now = int(field.value) if field.value.isdigit() else self._count
        field.value = str(max(0, min(MOST, now + step)))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Give the number, or say what is wrong with it."""
        if event.value.isdigit() and int(event.value) <= MOST:
            self.dismiss(int(event.value))
        else:
            self.query_one("#hint", Static).update(Content(f"a number from 0 to {MOST}"))


class SortMenu(Dialog[SortColumn]):
    """Gives the column to sort by."""

    DEFAULT_CSS = """
    SortMenu OptionList {
        border: none !important; height: auto; width: 40; padding: 0; background: ansi_default;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,o", "leave", show=False),
        Binding("j", "cursor('down')", show=False),
        Binding("k", "cursor('up')", show=False),
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
        """Stand on the present one."""
        self.query_one(OptionList).highlighted = list(SORT_COLUMNS).index(self._now)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Give the chosen column."""
        self.dismiss(next(name for name in SORT_COLUMNS if name == event.option_id))

    def action_cursor(self, where: str) -> None:
        """Move as in vi."""
        options = self.query_one(OptionList)
        options.action_cursor_down() if where == "down" else options.action_cursor_up()
