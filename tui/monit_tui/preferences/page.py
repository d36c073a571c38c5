"""The colour of the terminal's page: the question for it, and the answer among what is typed."""

import re

QUESTION = "\x1b]11;?\x1b\\"
"""Asks for the colour of the page (OSC 11). A terminal that does not know it prints nothing."""

_ANSWER = re.compile(r"\x1b\]11;([^\x07\x1b]*)(?:\x07|\x1b\\)")
_BEGINNING = re.compile(r"\x1b\](?:1(?:1(?:;[^\x07\x1b]*\x1b?)?)?)?\Z")
"""An answer of which the end has not come yet."""
_COLOUR = re.compile(r"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
LONGEST = 64
"""Characters of an answer; what is longer is none."""


class PageAnswer:
    """Takes the answer out of what the terminal sends, which would look like keys."""

    def __init__(self) -> None:
        self.is_light: bool | None = None
        """Whether the page is light; None while the terminal has not told its colour."""
        self._held = ""

    def without(self, typed: str) -> str:
        """Return what was typed, without an answer; what may be the beginning of one is held until
        more comes."""
        text = self._held + typed
        self._held = ""
        found = _ANSWER.search(text)
        if found is not None:
            self.is_light = is_light(found[1])
            return text[: found.start()] + text[found.end() :]
        begun = _BEGINNING.search(text)
        if begun is not None and len(begun[0]) <= LONGEST:
            self._held = begun[0]
            return text[: begun.start()]
        return text


def is_light(colour: str) -> bool | None:
    """Return whether a colour as terminals write it, ``rgb:1e1e/1e1e/2e2e``, is light; None for
    other texts."""
    found = _COLOUR.match(colour)
    if found is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in found.groups())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5
