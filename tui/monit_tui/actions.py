"""One registry of everything a key can do; footer, help, palette and keymap are made of it."""

from typing import Literal, NamedTuple

Place = Literal["global", "list", "logs", "metrics"]


class Action(NamedTuple):
    """One thing the user can do."""

    id: str
    """What a keymap file names: ``list.restart``."""
    keys: tuple[str, ...]
    """Textual's key names, the one that the footer shows first."""
    label: str
    """One or two words for the footer and the palette."""
    help: str
    """One sentence for the help screen."""
    handler: str
    """Textual action: ``restart`` calls ``action_restart`` of the place that it belongs to."""
    place: Place = "global"
    footer: bool = False
    """Whether the footer shows it while its place has the focus."""
    acts: bool = False
    """True when it changes apps: ``--read-only`` removes it everywhere."""
