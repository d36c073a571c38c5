"""The config folder of the screen, and what is read from it at start."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monit_agent.client.text.format import format_quantity
from monit_tui.keys.keymap import Keymap, load_keymap
from monit_tui.palettes import Palette
from monit_tui.preferences.folder import config_folder
from monit_tui.preferences.themes import load_themes


def problems_text(problems: Sequence[str]) -> str:
    """Return one line for problems that begin with the path of their file: a single one without
    its folder, of several how many each file has."""
    pairs = [
        (os.path.basename(path), text) for path, _, text in (p.partition(": ") for p in problems)
    ]
    if len(pairs) == 1:
        return ": ".join(filter(None, pairs[0]))
    counts = Counter(name for name, _ in pairs)
    return ", ".join(f"{name}: {format_quantity(n, 'problem')}" for name, n in counts.items())


class Preferences(NamedTuple):
    """What the user's files have, and what is wrong with them."""

    palettes: Mapping[str, Palette] = {}
    problems: tuple[str, ...] = ()
    keymap: Keymap = Keymap()


def load_preferences(environ: Mapping[str, str]) -> Preferences:
    """Read the user's files; a missing one is no fault."""
    config = config_folder(environ)
    themes, keymap = load_themes(config), load_keymap(config)
    return Preferences(themes.palettes, (*themes.problems, *keymap.problems), keymap)


def without_files(own: Preferences) -> Preferences:
    """Return the preferences without the keys of actions that write files."""
    actions = tuple(action for action in own.keymap.actions if not action.writes_files)
    return own._replace(keymap=own.keymap._replace(actions=actions))
