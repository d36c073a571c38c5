"""The actions of the registry as Textual bindings."""

import string
import unicodedata
from collections.abc import Iterable

from textual.binding import Binding, BindingType
from textual.keys import KEY_NAME_REPLACEMENTS

from monit_tui.keys.actions import REGISTRY, KeyAction, KeyScope

PRIORITY_IDS = frozenset({"leave"})
"""Actions whose keys work also while text is typed into a field."""


def character_key(char: str) -> str:
    """Return Textual's name of the key of a character."""
    if char.isalnum():
        return char
    name = unicodedata.name(char).lower().replace("-", "_").replace(" ", "_")
    return KEY_NAME_REPLACEMENTS.get(name, name)


_NAMES = {
    "space": "Space", "escape": "Esc", "enter": "Enter", "tab": "Tab", "backspace": "Backspace",
    "delete": "Delete", "insert": "Insert", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home",
    "end": "End", "up": "Up", "down": "Down", "left": "Left", "right": "Right", "shift": "Shift",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
    **{character_key(char): char for char in string.punctuation},
}  # fmt: skip
"""How keys of more than one character are written."""


def bindings_of(scope: KeyScope) -> list[BindingType]:
    """Return the bindings of the widget that handles the keys of ``scope``."""
    return make_bindings(action for action in REGISTRY if action.scope == scope)


def make_bindings(actions: Iterable[KeyAction]) -> list[BindingType]:
    """Return the bindings of actions, with the actions' ids."""
    return [
        Binding(
            key, action.handler, action.label, show=False, id=action.id,
            priority=action.id in PRIORITY_IDS,
        )
        for action in actions
        for key in action.keys
    ]  # fmt: skip


def key_name(key: str) -> str:
    """Return a key as it is written on the keyboard: ``?`` for ``question_mark``."""
    return "+".join(_NAMES.get(part, part) for part in key.split("+"))
