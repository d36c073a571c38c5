"""Curves out of characters: braille, blocks, or ASCII. Pure: numbers in, text out.

``None`` is a hole: nothing is drawn where nothing was measured.
"""

import math
from collections.abc import Sequence

from monit_tui.theme import Glyphs, Tone

Steps = Sequence[float | None]
Row = list[tuple[str, Tone]]

_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Braille dots of the left and the right column, from the bottom up."""


def ceiling(values: Steps, *, binary: bool = False) -> float:
    """Give a round number not below any value: 1, 2 or 5 times a power of 10 (or of 1024)."""
    highest = max((value for value in values if value is not None), default=0.0)
    if highest <= 0:
        return 1.0
    highest = max(highest, 1e-6)  # below it the arithmetic ends before the meaning does
    unit = 1024.0 ** math.floor(math.log(highest, 1024)) if binary and highest >= 1 else 1.0
    power = 10.0 ** math.floor(math.log10(highest / unit))
    rounds = (factor * power * unit for factor in (1, 2, 5, 10))
    return next((value for value in rounds if value >= highest), highest)


def spread(values: Steps, columns: int) -> list[float | None]:
    """Stretch or shrink steps to ``columns``: shrinking keeps the highest."""
    count = len(values)
    if not count or columns <= 0:
        return []
    found: list[float | None] = []
    for column in range(columns):
        first = column * count // columns
        last = max(first + 1, (column + 1) * count // columns)
        known = [value for value in values[first:last] if value is not None]
        found.append(max(known) if known else None)
    return found


def bars(values: Steps, width: int, high: float, glyphs: Glyphs) -> str:
    """Give one line of bars; something above 0 always shows."""
    top = len(glyphs.blocks) - 1
    text = ""
    for value in spread(values, width):
        level = 0 if value is None or value <= 0 else max(1, min(top, round(value / high * top)))
        text += glyphs.blocks[1] if value is not None and level == 0 else glyphs.blocks[level]
    return text


def area(
    values: Steps, behind: Steps | None, size: tuple[int, int], high: float, glyphs: Glyphs
) -> list[Row]:
    """Give lines of ``size`` (columns, lines) with the area under ``values``, and ``behind`` it
    a dimmer one; ``high`` is the value at the top."""
    width, height = size
    if width <= 0 or height <= 0:
        return []
    per_cell, levels = (2, 4) if glyphs.braille else (1, len(glyphs.blocks) - 1)
    columns = width * per_cell
    front = _levels(values, columns, height * levels, high)
    back = _levels(behind or [], columns, height * levels, high)
    rows: list[Row] = []
    for y in range(height):
        floor = (height - 1 - y) * levels
        cells = [
            _cell(front[x : x + per_cell], back[x : x + per_cell], floor, levels, glyphs)
            for x in range(0, columns, per_cell)
        ]
        rows.append(_joined(cells))
    return rows


def _levels(values: Steps, columns: int, levels: int, high: float) -> list[int]:
    return [
        0 if value is None else max(1, min(levels, round(value / high * levels)))
        for value in spread(values or [None], columns)
    ]


def _cell(
    front: list[int], back: list[int], floor: int, levels: int, glyphs: Glyphs
) -> tuple[str, Tone]:
    tone: Tone = "key" if any(level > floor for level in front) else "muted"
    filled = [min(levels, max(0, max(pair) - floor)) for pair in zip(front, back, strict=True)]
    if not glyphs.braille:
        return glyphs.blocks[filled[0]], tone
    dots = sum(_DOTS[side][dot] for side, level in enumerate(filled) for dot in range(level))
    return (chr(0x2800 + dots) if dots else " "), tone


def _joined(cells: list[tuple[str, Tone]]) -> Row:
    row: Row = []
    for char, tone in cells:
        if row and (row[-1][1] == tone or char == " "):
            row[-1] = (row[-1][0] + char, row[-1][1])
        else:
            row.append((char, tone))
    return row
