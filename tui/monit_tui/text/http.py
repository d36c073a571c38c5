"""Where a line names the status of an HTTP response."""

import re
from typing import Literal

Outcome = Literal["good", "key", "warn", "bad"]
"""The tone of a status, as `palettes.Tone` names it."""

_ACCESS = re.compile(
    r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) \S+(?: HTTP/[\d.]+)?\"? ([1-5]\d\d)\b"
)


def status_span(text: str) -> tuple[int, int] | None:
    """Return the place of a status of three digits in an access line, or None."""
    found = _ACCESS.search(text)
    return None if found is None else found.span(1)


def outcome_of(status: str) -> Outcome | None:
    """Return the tone of a status; None for what is none."""
    if len(status) != 3 or not status.isdecimal():
        return None
    outcomes: dict[str, Outcome] = {"2": "good", "3": "key", "4": "warn", "5": "bad"}
    return outcomes.get(status[0])
