"""The field of the log pane: what to search for, what to show, which time to go to."""

from typing import Literal

from textual.widgets import Input

from monit_tui.keys.keymap import fill_keys, key_actions

Question = Literal["search", "filter", "moment"]
"""What is typed into the field."""

_HINTS: dict[Question, str] = {
    "search": "{logs.search} search: text or regular expression",
    "moment": "{logs.moment} go to a time: 14:03, 14:03:20, 2026-11-29T14:03, or 10m (ago)",
    "filter": "{logs.filter} filter: regex; !regex excludes; -C 3 adds context; "
    ":err :out :warn :error",
}


class LogPrompt(Input):
    """Asks one question at a time; it is hidden without one."""

    DEFAULT_CSS = """
    LogPrompt { height: 1; border: none; padding: 0 1; display: none; background: $background; }
    """

    def __init__(self) -> None:
        super().__init__(compact=True)
        self.question: Question = "search"

    @property
    def is_open(self) -> bool:
        """Return whether something is asked."""
        return bool(self.display)

    def ask(self, question: Question) -> None:
        """Open the field."""
        self.question = question
        self.placeholder = fill_keys(_HINTS[question], key_actions(self))
        self.value = ""
        self.display = True
        self.screen.set_focus(self)  # at once: the next key belongs to it
