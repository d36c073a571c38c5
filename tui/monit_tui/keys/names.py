"""What keys are called: by Textual, and on the keyboard. Pure: Textual is not imported."""

import string
import unicodedata

PRIORITY_IDS = frozenset({"leave"})
"""Actions whose keys work also while text is typed into a field."""

_REPLACEMENTS = {
    "solidus": "slash", "reverse_solidus": "backslash", "commercial_at": "at",
    "hyphen_minus": "minus", "plus_sign": "plus", "low_line": "underscore",
}  # fmt: skip
"""Textual's own names of some characters."""


def character_key(char: str) -> str:
    """Return Textual's name of the key of a character."""
    if char.isalnum():
        return char
    name = unicodedata.name(char).lower().replace("-", "_").replace(" ", "_")
    return _REPLACEMENTS.get(name, name)


_NAMES = {
    "space": "Space", "escape": "Esc", "enter": "Enter", "tab": "Tab", "backspace": "Backspace",
    "delete": "Delete", "insert": "Insert", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home",
    "end": "End", "up": "Up", "down": "Down", "left": "Left", "right": "Right", "shift": "Shift",
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
    **{character_key(char): char for char in string.punctuation},
}  # fmt: skip
"""How keys of more than one character are written."""


def key_name(key: str) -> str:
    """Return a key as it is written on the keyboard: ``?`` for ``question_mark``."""
    return "+".join(_NAMES.get(part, part) for part in key.split("+"))
