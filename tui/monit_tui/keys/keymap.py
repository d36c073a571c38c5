"""The user's keys: ``keys.toml`` in the config folder, an action's id and its key or keys a line.

Each fault is described in words and its line is ignored; the other lines count.
"""

import os
import re
import string
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, cast

from monit_tui.keys.actions import REGISTRY, SCOPE_TITLES, KeyAction, KeyScope
from monit_tui.keys.names import PRIORITY_IDS, character_key, key_name

FILE = "keys.toml"
"""Its name in the config folder."""

MOST_BYTES = 256 * 1024
"""A larger file is none of ours: all actions with a comment each take 20 kB."""

MOST_KEYS = 8
"""Keys of one action."""

NAMED = {
    "enter": "enter", "return": "enter", "tab": "tab", "space": "space", "esc": "escape",
    "escape": "escape", "backspace": "backspace", "delete": "delete", "insert": "insert",
    "up": "up", "down": "down", "left": "left", "right": "right", "home": "home", "end": "end",
    "pgup": "pageup", "pageup": "pageup", "pgdn": "pagedown", "pagedown": "pagedown",
    **{f"f{number}": f"f{number}" for number in range(1, 13)},
}  # fmt: skip
"""Keys without a character, as they are typed and as Textual calls them."""

SAME_BYTE = {"ctrl+i": "Tab", "ctrl+m": "Enter", "ctrl+h": "Backspace", "ctrl+[": "Esc"}
"""A terminal sends the same for these keys."""


KeyOwners = dict[tuple[KeyScope, str], str]
"""The actions to which the file gives a key, by pane and key."""


class Keymap(NamedTuple):
    """The actions with the user's keys."""

    actions: tuple[KeyAction, ...] = REGISTRY
    keys: Mapping[str, tuple[str, ...]] = {}
    """The keys of the actions that the user has changed, by id."""
    problems: tuple[str, ...] = ()

    @property
    def for_textual(self) -> dict[str, str]:
        """Return the changed keys as Textual's keymap."""
        return {name: ",".join(keys) for name, keys in self.keys.items()}


def load_keymap(config: str) -> Keymap:
    """Return the keymap of a config folder; the default one without a file."""
    path = os.path.join(config, FILE)
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            return Keymap(problems=(f"{path}: larger than {MOST_BYTES // 1024} kB",))
        import tomllib  # noqa: PLC0415 - start-up time

        made = make_keymap(tomllib.loads(raw.decode()))
    except FileNotFoundError:
        return Keymap()
    except OSError as error:
        return Keymap(problems=(f"{path}: cannot be read ({error.strerror})",))
    except (ValueError, RecursionError) as error:
        return Keymap(problems=(f"{path}: is not TOML ({error})",))
    return made._replace(problems=tuple(f"{path}: {problem}" for problem in made.problems))


def make_keymap(table: Mapping[str, Any]) -> Keymap:
    """Return the keymap of a table of ids and keys."""
    chosen: dict[str, tuple[str, ...]] = {}
    owners: KeyOwners = {}
    problems: list[str] = []
    for name, value in _flat(table):
        try:
            action = _action(name)
            keys = _free_keys(action, value, owners)
        except ValueError as error:
            problems.append(str(error))
            continue
        chosen[name] = keys
        owners.update({(action.scope, key): name for key in keys})
    actions = tuple(_with_keys(action, chosen, owners) for action in REGISTRY)
    return Keymap(actions, chosen, (*problems, *_consequences(actions, chosen, owners)))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    """Yield ids and values: TOML reads ``list.stop = "x"`` as a table in a table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, Any]", value), f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _action(name: str) -> KeyAction:
    found = next((action for action in REGISTRY if action.id == name), None)
    if found is not None:
        return found
    from difflib import get_close_matches  # noqa: PLC0415 - start-up time

    near = get_close_matches(name, [action.id for action in REGISTRY], n=1, cutoff=0.5)
    guess = f"did you mean {near[0]}?" if near else "docs/screen.md lists all"
    raise ValueError(f"there is no action {name!r}; {guess}")


def _free_keys(action: KeyAction, value: object, owners: KeyOwners) -> tuple[str, ...]:
    keys = _keys(action, value)
    for key in keys:
        owner = owners.get((action.scope, key))
        if owner is not None:
            raise ValueError(f"{action.id}: {key_name(key)} is already the key of {owner}")
    return keys


def _keys(action: KeyAction, value: object) -> tuple[str, ...]:
    listed = cast("list[object]", value) if isinstance(value, list) else [value]
    if not 0 < len(listed) <= MOST_KEYS:
        raise ValueError(f"{action.id}: give 1 to {MOST_KEYS} keys")
    keys: list[str] = []
    for each in listed:
        key = parse_key(each) if isinstance(each, str) else None
        if key is None:
            raise ValueError(
                f'{action.id}: {each!r} is no key; write "r", "R", "?", "F5", "ctrl+r", "PgUp"'
            )
        if isinstance(each, str) and each.lower() in SAME_BYTE:
            raise ValueError(f"{action.id}: {each} is {SAME_BYTE[each.lower()]} to a terminal")
        if action.id in PRIORITY_IDS and len(key_name(key)) == 1:
            raise ValueError(
                f"{action.id} works while text is typed too; {key_name(key)!r} could not be typed"
            )
        if action.id not in PRIORITY_IDS and key == "ctrl+c":
            raise ValueError(f"{action.id}: ctrl+c leaves the screen, in every pane")
        keys.append(key)
    return tuple(dict.fromkeys(keys))


def parse_key(text: str) -> str | None:
    """Return Textual's name of a key as help shows it or as it is typed; None for others."""
    if len(text) == 1:
        return _character(text)
    *modifiers, last = text.split("+") if not text.endswith("++") else [*text[:-2].split("+"), "+"]
    modifiers = [each.lower() for each in modifiers]
    if any(each not in {"ctrl", "shift", "alt"} for each in modifiers):
        return None
    name = last.lower()
    base = NAMED.get(name) or (_character(name) if len(name) == 1 and modifiers else None)
    base = base or (last if _is_textual_name(last) else None)
    if base is None or (modifiers == ["shift"] and len(base) == 1):
        return None
    return "+".join([*sorted(modifiers), base])


def _character(char: str) -> str | None:
    if char.isalnum() or char in string.punctuation:
        return character_key(char)
    return "space" if char == " " else None


def _is_textual_name(name: str) -> bool:
    return any(name == character_key(char) for char in string.punctuation)


def _with_keys(
    action: KeyAction, chosen: Mapping[str, tuple[str, ...]],
    owners: KeyOwners,
) -> KeyAction:  # fmt: skip
    """Return an action with the user's keys, or its own without those given to others."""
    if action.id in chosen:
        return action._replace(keys=chosen[action.id])
    left = tuple(key for key in action.keys if (action.scope, key) not in owners)
    return action._replace(keys=left)


def _consequences(
    actions: tuple[KeyAction, ...], chosen: Mapping[str, tuple[str, ...]], owners: KeyOwners
) -> Iterator[str]:
    """Yield what the user may not have meant: actions without a key, keys that a pane has too."""
    for action, before in zip(actions, REGISTRY, strict=True):
        if not action.keys:
            key = next(key for key in before.keys if (action.scope, key) in owners)
            yield f"{action.id} has no key: {key_name(key)} is {owners[action.scope, key]} now"
        elif action.scope == "global" and action.id in chosen:
            others = (other for other in actions if other.scope != "global")
            shadows = ((key, other) for other in others for key in action.keys if key in other.keys)
            for key, other in shadows:
                yield f"{action.id}: in {SCOPE_TITLES[other.scope]}, {key_name(key)} is {other.id}"


_PLACE = re.compile(r"\{([a-z][a-z_.]*)\}")


def fill_keys(text: str, actions: tuple[KeyAction, ...]) -> str:
    """Return a text with the keys of actions in place of their ids: ``{list.stop} stops``. An
    action without a key is named by its command."""
    if "{" not in text:
        return text
    keys = {
        action.id: key_name(action.keys[0]) if action.keys else f":{action.id}"
        for action in actions
    }
    return _PLACE.sub(lambda found: keys.get(found[1], found[0]), text)


class InApp(Protocol):
    """A part of a Textual app."""

    @property
    def app(self) -> object:
        """The app."""
        ...


def key_actions(part: InApp) -> tuple[KeyAction, ...]:
    """Return all actions with the keys that they have in the app of a widget."""
    actions: tuple[KeyAction, ...] = getattr(part.app, "key_actions", REGISTRY)
    return actions
