"""Text cut to a number of cells, and names that stay different when they are cut."""

import re
from collections import defaultdict
from collections.abc import Iterable

from rich.cells import cell_len

from monit_tui.text.clusters import clusters

_INSTANCE = re.compile(r"/\d+$")
"""The number of an instance at the end of its name, which is always shown."""


def fit_end(text: str, width: int, ellipsis: str) -> str:
    """Cut or pad to ``width`` cells; cut text ends in the ellipsis."""
    cells = cell_len(text)
    if cells <= width:
        return text + " " * (width - cells)
    return _pad(_head(text, width - 1) + ellipsis[: min(1, width)], width)


def fit_middle(text: str, width: int, ellipsis: str, keep: int = 0) -> str:
    """Cut or pad to ``width`` cells; what is cut is in the middle.

    ``keep`` is a place in the text that must be visible: where it differs from its like.
    """
    if cell_len(text) <= width:
        return fit_end(text, width, ellipsis)
    if width < 5:
        return _pad(_tail(text, width), width)
    number = _INSTANCE.search(text)
    end = min(len(text) // 3, width // 3, 6) or 1
    if number and len(number[0]) + 2 <= width:
        end = max(end, len(number[0]))
    head = width - 1 - end
    if keep < head or len(text) - end <= keep:
        return _pad(_head(text, head) + ellipsis + _tail(text, end), width)
    shown = max(1, width - 2 - end - 1)
    part = _head(text[keep : len(text) - end], shown - 1)
    closing = ellipsis if keep + len(part) < len(text) - end else ""
    return _pad(_head(text, 1) + ellipsis + part + closing + _tail(text, end), width)


def wrap_words(text: str, width: int) -> list[str]:
    """Return the text as lines of at most ``width`` cells, broken between words where that is
    possible; "" has no lines."""
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
            continue
        rest = word
        while cell_len(rest) > width > 0 and (head := _head(rest, width)):
            lines.append(head)
            rest = rest[len(head) :]
        if rest:
            lines.append(rest)
    return lines


def different_names(names: Iterable[str], width: int, ellipsis: str) -> dict[str, str]:
    """Return each name fitted to ``width`` cells, so that different names look different as far as
    the width allows."""
    places = dict.fromkeys(names, 0)
    for _ in range(2):  # names that still look alike may differ in a later place
        alike: dict[str, list[str]] = defaultdict(list)
        for name, keep in places.items():
            alike[fit_middle(name, width, ellipsis, keep)].append(name)
        for group in alike.values():
            if len(group) > 1:
                places |= dict.fromkeys(group, _common(group))
    return {name: fit_middle(name, width, ellipsis, keep) for name, keep in places.items()}


def _common(names: list[str]) -> int:
    """Return the number of characters with which all names begin."""
    first, last = min(names), max(names)
    pairs = enumerate(zip(first, last, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(last)))


def _head(text: str, cells: int) -> str:
    kept = ""
    for cluster, width in clusters(text):
        cells -= width
        if cells < 0:
            break
        kept += cluster
    return kept


def _tail(text: str, cells: int) -> str:
    kept = ""
    for cluster, width in reversed(list(clusters(text))):
        cells -= width
        if cells < 0:
            break
        kept = cluster + kept
    return kept


def _pad(text: str, width: int) -> str:
    return text + " " * max(0, width - cell_len(text))
