"""The help screen: all keys of the registry, those of the pane with the focus first."""

from typing import ClassVar

from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip

from monit_tui.commands.table import all_commands
from monit_tui.keys.actions import SCOPE_TITLES, KeyAction, KeyScope, allowed_actions
from monit_tui.keys.keymap import fill_keys
from monit_tui.keys.names import key_name
from monit_tui.text.fitting import wrap_words
from monit_tui.theme import Look
from monit_tui.widgets.key_bar import TitleBar
from monit_tui.widgets.lines import make_strip
from monit_tui.widgets.scrolled import ScrolledLines

KEYS_WIDTH, KEYS_NARROW = 18, 10
"""Cells of the keys before their texts."""
COLUMN = 75
"""Cells of a column; a screen twice as wide shows two."""
COMMANDS_TITLE = "Commands; each action is one too, by its id: :zoom, :logs.wrap"
INTRODUCTION = "Esc or q closes this help. The apps keep running when monit is closed."

Section = list[Strip]


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
        """Return a heading per scope and a line per action, in as many columns as there is room
        for; a section is never divided."""
        count = max(1, width // COLUMN)
        room, over = divmod(width, count)
        columns = _shared(self._sections(room), count)
        longest = max(map(len, columns))
        filled = [column + [make_strip([], room)] * (longest - len(column)) for column in columns]
        end = make_strip([], over)
        return [Strip.join([*row, end]) for row in zip(*filled, strict=True)]

    def _sections(self, width: int) -> list[Section]:
        style = self._look.style
        sections: list[Section] = []
        for scope in sorted(SCOPE_TITLES, key=lambda scope: scope != self._scope):
            lines = [make_strip([(f" {SCOPE_TITLES[scope]}", style("accent"))], width)]
            for action in allowed_actions(read_only=self._read_only, actions=self._actions):
                if action.scope == scope:
                    keys = "  ".join(key_name(key) for key in action.keys) or f":{action.id}"
                    lines += self._action(keys, fill_keys(action.help, self._actions), width)
            sections.append([*lines, make_strip([], width)])
        title = wrap_words(COMMANDS_TITLE, max(1, width - 2))
        lines = [make_strip([(f" {row}", style("accent"))], width) for row in title]
        known = all_commands((), read_only=self._read_only).values()
        for command in dict.fromkeys(known):
            lines += self._action(f":{command.usage}", command.help, width)
        return [*sections, lines]

    def _action(self, keys: str, text: str, width: int) -> list[Strip]:
        style = self._look.style
        cells = KEYS_WIDTH if width >= 90 else KEYS_NARROW
        first, *rest = wrap_words(text, max(10, width - cells - 3))
        head: list[tuple[str, Style]] = [(f" {keys:<{cells}} ", style("key"))]
        if len(keys) > cells:
            lines, rest = [make_strip(head, width)], [first, *rest]
        else:
            lines = [make_strip([*head, (first, style("plain"))], width)]
        indent = " " * (cells + 2)
        return lines + [make_strip([(indent + line, style("plain"))], width) for line in rest]


def _shared(sections: list[Section], count: int) -> list[list[Strip]]:
    """Return the lines of ``count`` columns, in order and as even as whole sections allow."""
    if count == 1 or len(sections) <= 1:
        return [[line for section in sections for line in section]]
    ways = (
        [[line for section in sections[:cut] for line in section],
         *_shared(sections[cut:], count - 1)]
        for cut in range(1, len(sections))
    )  # fmt: skip
    return min(ways, key=lambda columns: max(map(len, columns)))


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
        self._title = TitleBar(look, "help", [INTRODUCTION])
        self._text = HelpLines(scope, look, actions, read_only=read_only)

    def compose(self) -> ComposeResult:
        """Compose title and text."""
        yield self._title
        yield self._text
