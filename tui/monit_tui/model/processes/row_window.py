"""Which lines of the process list are in view: rows of one or two lines. Pure."""

from collections.abc import Callable, Sequence

from monit_tui.model.processes.rows import RowKey

RowLine = tuple[RowKey, int]
"""A row, and which of its lines."""


def scroll_top(
    rows: Sequence[RowKey], top: int, place: int, height: int, lines_of: Callable[[RowKey], int]
) -> int:
    """Return the first row in view, near ``top``, such that the row at ``place`` is whole."""
    height = max(1, height)
    top = max(0, min(top, place, len(rows) - 1))
    used = sum(lines_of(key) for key in rows[top : place + 1])
    while used > height and top < place:
        used -= lines_of(rows[top])
        top += 1
    below = used + sum(lines_of(key) for key in rows[place + 1 : place + 1 + height])
    while top and below + lines_of(rows[top - 1]) <= height:  # no room is left empty
        top -= 1
        below += lines_of(rows[top])
    return top


def lines_in_view(
    rows: Sequence[RowKey], top: int, height: int, lines_of: Callable[[RowKey], int]
) -> list[RowLine]:
    """Return the lines from the row ``top`` on."""
    lines: list[RowLine] = []
    for key in rows[top : top + max(0, height)]:
        lines += [(key, line) for line in range(lines_of(key))]
        if len(lines) >= height:
            break
    return lines[: max(0, height)]
