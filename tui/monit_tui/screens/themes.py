"""The dialog in which a theme is chosen: the one under the cursor is shown at once."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from monit_agent.client.text.sanitize import printable
from monit_tui.screens.menu import Menu

NAME_CELLS = 10


class ThemeMenu(Menu[str]):
    """Returns the name of the chosen theme; Esc shows the one from before again."""

    DEFAULT_CSS = "ThemeMenu OptionList { width: 52; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "leave", show=False),
    ]

    def __init__(
        self, themes: Mapping[str, str], now: str, preview: Callable[[str], None], note: str
    ) -> None:
        super().__init__()
        self._themes, self._now, self._preview, self._note = themes, now, preview, note

    def compose(self) -> ComposeResult:
        """List the themes."""
        with Vertical(classes="box"):
            yield Static(Content("Theme"), classes="title")
            yield OptionList(*(
                Option(Content(printable(f"{name:<{NAME_CELLS}}  {text}")))
                for name, text in self._themes.items()
            ))  # fmt: skip
            yield Static(Content(self._note or "Enter keeps it   Esc: as before"), classes="quiet")

    def on_mount(self) -> None:
        """Move to the present theme."""
        names = list(self._themes)
        place = names.index(self._now) if self._now in names else 0
        self.options.highlighted = place

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the theme under the cursor."""
        event.stop()
        self._preview(list(self._themes)[event.option_index])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Close with the chosen theme."""
        event.stop()
        self.dismiss(list(self._themes)[event.option_index])

    def action_leave(self) -> None:
        """Show the theme from before, and close."""
        self._preview(self._now)
        self.dismiss(None)
