"""Textual's bindings, made of the registry."""

from collections.abc import Iterable

from textual.binding import Binding, BindingType

from monit_tui.actions import GLOBAL_ACTIONS, LIST_ACTIONS, METRICS_ACTIONS, Action, Place

_TABLES: dict[Place, tuple[Action, ...]] = {
    "global": GLOBAL_ACTIONS,
    "list": LIST_ACTIONS,
    "metrics": METRICS_ACTIONS,
}


def bindings(place: Place) -> list[BindingType]:
    """Give the bindings of a place; the log pane makes its own with `bind`."""
    return bind(_TABLES[place])


def bind(actions: Iterable[Action]) -> list[BindingType]:
    """Turn actions into bindings that carry their ids."""
    return [
        Binding(
            key, action.handler, action.label, show=False, id=action.id,
            priority=action.id in PRIORITY,
        )
        for action in actions
        for key in action.keys
    ]  # fmt: skip


PRIORITY = frozenset({"leave"})
"""Works also while a text is being typed."""


_NAMES = {
    "question_mark": "?", "colon": ":", "slash": "/", "asterisk": "*", "less_than_sign": "<",
    "greater_than_sign": ">", "plus": "+", "minus": "-", "equals_sign": "=", "space": "Space",
    "left_square_bracket": "[", "right_square_bracket": "]", "escape": "Esc", "enter": "Enter",
    "tab": "Tab", "shift+tab": "Shift+Tab", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home",
    "end": "End", "up": "Up", "down": "Down", "left": "Left", "right": "Right", "f1": "F1",
    "f10": "F10", "ampersand": "&", "apostrophe": "'", "full_stop": ".", "comma": ",",
}  # fmt: skip


def key_name(key: str) -> str:
    """Give a key as it stands on the keyboard: ``?`` for ``question_mark``."""
    return _NAMES.get(key, key)
