"""Where something stands in a config file, and what is wrong with it."""

import os
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from monit_agent.config.errors import BadInputError


class Place(NamedTuple):
    """Where something stands in a file."""

    path: str
    """Absolute."""
    line: int | None = None
    """None where the format does not show it (a program computed the value)."""

    @property
    def folder(self) -> str:
        """Return the folder from which the paths in the file count."""
        return os.path.dirname(self.path)

    def __str__(self) -> str:
        shown = shown_path(self.path)
        return shown if self.line is None else f"{shown}:{self.line}"


class Fault(NamedTuple):
    """One thing that is wrong with a file."""

    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


class ConfigFaultsError(BadInputError):
    """A config file cannot be used; ``faults`` has everything that is wrong with it."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = in_order(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


def in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Return each fault once, by file and line."""
    return sorted(dict.fromkeys(faults), key=lambda each: (each.place.path, each.place.line or 0))


def shown_path(path: str) -> str:
    """Return a path as people write it: relative to the current folder if it is below."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return path
    return path.removeprefix(here + "/") if path.startswith(here + "/") else path


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return ``; did you mean 'instances'?`` for a word like one of ``known``, else ""."""
    plain = word.replace("_", "-").lower()
    near = get_close_matches(plain, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def meant_key(fault: Fault) -> str:
    """Return the key whose value is wrong, or the one that a misspelled key stands for."""
    hint = _HINT.search(fault.text)
    return hint[1] if hint else fault.text.partition(":")[0]


_HINT = re.compile(r"; did you mean '([^']*)'\?$")
