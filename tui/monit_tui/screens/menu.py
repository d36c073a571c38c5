"""The base of dialogs in which one row of a list is chosen."""

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.widgets import OptionList

from monit_tui.screens.dialog import Dialog

T = TypeVar("T")


class Menu(Dialog[T]):
    """A dialog with one `OptionList`; j and k move as in vi."""

    DEFAULT_CSS = """
    Menu OptionList {
        border: none !important; height: auto; width: 64; max-width: 100%; padding: 0;
        background: $panel; color: $raised-text;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "leave", show=False),
        Binding("j", "cursor(1)", show=False),
        Binding("k", "cursor(-1)", show=False),
    ]

    @property
    def options(self) -> OptionList:
        """The rows."""
        return self.query_one(OptionList)

    def action_cursor(self, step: int) -> None:
        """Move to the next row, or with a negative ``step`` to the one before."""
        options = self.options
        options.action_cursor_down() if step > 0 else options.action_cursor_up()
