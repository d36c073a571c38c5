"""The base of all dialogs: a box in the middle, Left and Right between buttons, Esc to cancel."""

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

T = TypeVar("T")


class Dialog(ModalScreen[T]):
    """A box over the overview; Esc closes it and returns None."""

    DEFAULT_CSS = """
    Dialog { align: center middle; background: transparent; }
    Dialog > .box {
        width: auto; max-width: 72; min-width: 24; height: auto; max-height: 100%;
        border: round $accent; padding: 0 2; background: $panel; color: $raised-text;
    }
    Dialog .title { text-style: bold; width: auto; max-width: 66; }
    Dialog .changed { text-style: bold; width: auto; max-width: 66; }
    Dialog .quiet { text-style: dim; width: auto; max-width: 66; }
    Dialog .plain { width: auto; max-width: 66; }
    Dialog .buttons { height: 1; width: auto; margin-top: 1; }
    Dialog Button {
        height: 1; min-width: 10; border: none; margin-right: 2; background: $panel;
        color: $raised-text; text-style: none;
    }
    Dialog Button:focus { text-style: reverse bold; }
    Dialog #yes:disabled { text-style: dim; border: none !important; opacity: 100%; }
    Dialog Input {
        border: none; height: 1; width: 30; padding: 0; background: $panel; color: $raised-text;
        text-style: underline;
    }
    Dialog.-tight > .box { border: none; padding: 0; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "leave", show=False),
        Binding("ctrl+c,ctrl+q", "app.leave", "quit", show=False, priority=True),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def action_leave(self) -> None:
        """Close without doing anything."""
        self.dismiss(None)

    def on_resize(self) -> None:
        """Remove the border when there is no room for it."""
        self.set_class(self.app.size.height < 12 or self.app.size.width < 40, "-tight")
