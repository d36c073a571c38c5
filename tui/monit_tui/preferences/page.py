"""The colour of the terminal's page: the question for it, the answer among what is typed, and what
is kept of the answers.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

QUESTION = "\x1b]11;?\x1b\\"
"""Asks for the colour of the page (OSC 11). A terminal that does not know it prints nothing."""

_ANSWER = re.compile(r"\x1b\]11;([^\x07\x1b]*)(?:\x07|\x1b\\)")
_BEGINNING = re.compile(r"\x1b\](?:1(?:1(?:;[^\x07\x1b]*\x1b?)?)?)?\Z")
"""An answer of which the end has not come yet."""
_COLOUR = re.compile(r"rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
LONGEST = 64
"""Characters of an answer; what is longer is none."""

_NAMES = (
    "TERM", "COLORTERM", "COLORFGBG", "TERM_PROGRAM", "LC_TERMINAL", "TERMINAL_EMULATOR",
    "ITERM_PROFILE", "KONSOLE_PROFILE_NAME", "WT_PROFILE_ID",
)  # fmt: skip
"""Variables that name a terminal, or which of its profiles is shown."""
_MARKS = (
    "ALACRITTY_WINDOW_ID", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "SSH_CONNECTION", "STY", "TMUX",
    "VTE_VERSION", "WEZTERM_PANE", "WT_SESSION", "XTERM_VERSION",
)  # fmt: skip
"""Variables whose presence tells terminals apart; their values differ by window or connection."""

LONGEST_KIND = 400
"""Characters of a kind of terminal: those of today's terminals take a fourth of it."""

MOST_KINDS = 16
"""Kinds of terminals of which the page is kept; of more, the last ones."""


class PageAnswer:
    """Takes the answer out of what the terminal sends, which would look like keys."""

    def __init__(self) -> None:
        self.is_light: bool | None = None
        """Whether the page is light; None while the terminal has not told its colour."""
        self.held = ""
        """What may be the beginning of an answer."""

    def without(self, typed: str) -> str:
        """Return what was typed, without answers; what may be the beginning of one is held until
        more comes."""
        text = self.held + typed
        self.held = ""
        for found in _ANSWER.finditer(text):
            self.is_light = is_light(found[1])
        text = _ANSWER.sub("", text)
        begun = _BEGINNING.search(text)
        if begun is not None and len(begun[0]) <= LONGEST:
            self.held = begun[0]
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


def theme_of_page(*, light: bool) -> str:
    """Return the name of the theme that is made for a page."""
    return "light" if light else "dark"


def terminal_kind(environ: Mapping[str, str]) -> str:
    """Return what tells this kind of terminal from others, as ASCII."""
    named = [f"{name}={environ[name]}" for name in _NAMES if environ.get(name)]
    marks = [name for name in _MARKS if environ.get(name)]
    return ascii(" ".join(named + marks))[1:-1][:LONGEST_KIND]


def page_kept(pages: object, kind: str) -> bool | None:
    """Return whether the page of a kind of terminal was light, as `pages_with` keeps it; None where
    nothing is known or ``pages``, which comes from a file, has another form."""
    page = cast("dict[str, Any]", pages).get(kind) if isinstance(pages, dict) else None
    return page == "light" if page in ("light", "dark") else None


def expected_page(environ: Mapping[str, str], pages: object, told: bool | None) -> bool | None:
    """Return whether the page is light: as the terminal ``told``, else as it was in an earlier run
    in one of its kind; None if neither is known."""
    return page_kept(pages, terminal_kind(environ)) if told is None else told


def pages_with(pages: object, kind: str, *, light: bool) -> dict[str, str]:
    """Return the pages by kind of terminal, with that of one kind added; what is not valid is left
    out."""
    every = cast("dict[str, Any]", pages) if isinstance(pages, dict) else {}
    kept = {name: every[name] for name in every if page_kept(every, name) is not None}
    if page_kept(kept, kind) != light:
        kept.pop(kind, None)  # so that it is the last one
        kept[kind] = theme_of_page(light=light)
    return dict([*kept.items()][-MOST_KINDS:])
