"""The dialog in which columns of the process list are shown, hidden and moved."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from monit_tui.screens.menu import Menu
from monit_tui.theme import Look
from monit_tui.widgets.processes.columns import COLUMN_HELP, COLUMN_NAMES

SetColumns = Callable[[frozenset[str], tuple[str, ...]], None]
"""Shows other columns: those hidden, and the order of all."""

NAME_CELLS = max(len(name) for name in COLUMN_NAMES)


class ColumnMenu(Menu[None]):
    """Changes the list at once, which stays in view behind it. Names and states always stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("comma", "leave", show=False),
        Binding("space", "switch", show=False),
        Binding("J,shift+down,greater_than_sign", "move(1)", show=False),
        Binding("K,shift+up,less_than_sign", "move(-1)", show=False),
        Binding("equals_sign", "reset", show=False),
    ]

    def __init__(
        self, hidden: frozenset[str], order: tuple[str, ...], look: Look, then: SetColumns
    ) -> None:
        super().__init__()
        self._hidden: frozenset[str] = hidden
        self._order = list(order)
        self._look, self._then = look, then

    def compose(self) -> ComposeResult:
        """List the columns in their order."""
        with Vertical(classes="box"):
            yield Static(Content("Columns"), classes="title")
            yield OptionList(*(Option(self._text(name)) for name in self._order))
            yield Static(Content("Space shows or hides   J K moves   = default   Esc closes"),
                         classes="quiet")  # fmt: skip

    def on_mount(self) -> None:
        """Start at the first column."""
        self.options.highlighted = 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show or hide the column, as with Space; also by the mouse."""
        event.stop()
        self.action_switch()

    def action_switch(self) -> None:
        """Show or hide the column under the cursor."""
        place = self.options.highlighted
        if place is not None:
            self._hidden = self._hidden ^ frozenset((self._order[place],))
            self._show()

    def action_move(self, step: int) -> None:
        """Move the column under the cursor."""
        place = self.options.highlighted
        if place is None or not 0 <= place + step < len(self._order):
            return
        self._order.insert(place + step, self._order.pop(place))
        self._show()
        self.options.highlighted = place + step

    def action_reset(self) -> None:
        """Show all columns in their usual order."""
        self._hidden = frozenset[str]()
        self._order = list(COLUMN_NAMES)
        self._show()

    def _text(self, name: str) -> Content:
        mark = " " if name in self._hidden else self._look.glyphs.picked
        return Content(f"{mark} {name:<{NAME_CELLS}}  {COLUMN_HELP[name]}")

    def _show(self) -> None:
        for place, name in enumerate(self._order):
            self.options.replace_option_prompt_at_index(place, self._text(name))
        self._then(self._hidden, tuple(self._order))
