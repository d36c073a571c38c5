"""The bottom line: keys of the pane with the focus, from the registry. Pure: the first frame is
drawn with it before Textual is imported.
"""

from typing import NamedTuple

from monit_tui.keys.actions import KeyAction
from monit_tui.keys.names import key_name
from monit_tui.palettes import ToneParts

KEPT = frozenset({"help", "back"})
"""Shown also where other actions do not fit: without them a new user is lost."""


def _cells(action: KeyAction) -> int:
    return len(key_name(action.keys[0])) + len(action.label) + 3


class FooterLine(NamedTuple):
    """The line, and where each action ends."""

    parts: ToneParts
    ends: list[tuple[int, KeyAction]]


def footer_line(actions: tuple[KeyAction, ...], width: int) -> FooterLine:
    """Return the line; actions that do not fit are left out, help and quit last."""
    line, room = FooterLine([], []), width
    kept = sum(_cells(action) for action in actions if action.id in KEPT)
    for action in actions:
        kept -= _cells(action) if action.id in KEPT else 0
        if _cells(action) + kept > room:
            continue
        key = f" {key_name(action.keys[0])}"
        line.parts.extend([(key, "key"), (f" {action.label} ", "muted")])
        room -= len(key) + len(action.label) + 2
        line.ends.append((width - room, action))
    return line
