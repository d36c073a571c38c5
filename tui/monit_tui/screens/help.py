"""The help screen: all keys of the registry, those of the pane with the focus first."""

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip

from monit_tui.commands.table import all_commands
from monit_tui.keys.actions import SCOPE_TITLES, KeyAction, KeyScope, allowed_actions
from monit_tui.keys.bindings import key_name
from monit_tui.keys.keymap import fill_keys
from monit_tui.text.fitting import wrap_words
from monit_tui.theme import Look
from monit_tui.widgets.lines import make_strip
from monit_tui.widgets.scrolled import ScrolledLines

KEYS_WIDTH = 18
COMMANDS_TITLE = " Commands; each action above is one too, by its id: :zoom, :logs.wrap"
INTRODUCTION = " Esc or q closes this help. The apps keep running when monit is closed."


class HelpLines(ScrolledLines):
    """The text of the help screen."""

    def __init__(
        self, scope: KeyScope, look: Look, actions: tuple[KeyAction, ...], *, read_only: bool
    ) -> None:
        super().__init__(id="help-lines")
        self._actions = actions
        self._scope: KeyScope = scope
        self._look, self._read_only = look, read_only

    def lines(self, width: int) -> list[Strip]:
        """Return a heading per scope and a line per action."""
        style = self._look.style
        lines = [make_strip([(INTRODUCTION, style("muted"))], width)]
        scopes = sorted(SCOPE_TITLES, key=lambda scope: scope != self._scope)
        for scope in scopes:
            lines.append(make_strip([], width))
            lines.append(make_strip([(f" {SCOPE_TITLES[scope]}", style("accent"))], width))
            for action in allowed_actions(read_only=self._read_only, actions=self._actions):
                if action.scope == scope:
                    keys = "  ".join(key_name(key) for key in action.keys) or f":{action.id}"
                    lines += self._action(keys, fill_keys(action.help, self._actions), width)
        lines += [make_strip([], width), make_strip([(COMMANDS_TITLE, style("accent"))], width)]
        known = all_commands((), read_only=self._read_only).values()
        for command in dict.fromkeys(known):
            lines += self._action(f":{command.usage}", command.help, width)
        return lines

    def _action(self, keys: str, text: str, width: int) -> list[Strip]:
        style, room = self._look.style, max(10, width - KEYS_WIDTH - 3)
        first, *rest = wrap_words(text, room)
        head: list[tuple[str, Style]] = [(f" {keys:<{KEYS_WIDTH}} ", style("key"))]
        if len(keys) > KEYS_WIDTH:
            lines, rest = [make_strip(head, width)], [first, *rest]
        else:
            lines = [make_strip([*head, (first, style("plain"))], width)]
        indent = " " * (KEYS_WIDTH + 2)
        return lines + [make_strip([(indent + line, style("plain"))], width) for line in rest]


class HelpScreen(ModalScreen[None]):
    """Shows the help text on the whole screen."""

    DEFAULT_CSS = "HelpScreen { background: $background; } #help-lines { height: 1fr; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1", "dismiss", "close", show=False),
        Binding("ctrl+c,ctrl+q", "app.leave", "quit", show=False, priority=True),
    ]

    def __init__(
        self, scope: KeyScope, look: Look, actions: tuple[KeyAction, ...], *, read_only: bool
    ) -> None:
        super().__init__()
        self._text = HelpLines(scope, look, actions, read_only=read_only)

    def compose(self) -> ComposeResult:
        """Compose the text."""
        yield self._text
