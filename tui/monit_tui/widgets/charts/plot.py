"""Plots made of characters: braille, blocks or ASCII. Pure: numbers in, text out.

``None`` leaves a gap: nothing is drawn where nothing was measured.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monit_tui.model.charts.steps import MetricStep
from monit_tui.palettes import Glyphs, Tone

Values = Sequence[float | None]
Steps = Sequence[MetricStep | None]
Row = list[tuple[str, Tone]]

_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Braille dots of the left and the right column, from the bottom up."""

_BRAILLE = tuple(
    tuple(
        chr(0x2800 + sum(_DOTS[0][:left]) + sum(_DOTS[1][:right])) if left or right else " "
        for right in range(5)
    )
    for left in range(5)
)
"""The character for each pair of heights."""

_ROUND = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
"""Tops of a scale, whose half is as round, times a power of 10 or of 1024."""


class Overlay(NamedTuple):
    """What is drawn besides the curve, by cells."""

    cursor: int | None = None
    events: Mapping[int, Tone] = {}
    threshold: float | None = None


def round_up(values: Values, *, binary: bool = False) -> float:
    """Return a round number not below any value, with a round half."""
    highest = max((value for value in values if value is not None), default=0.0)
    if highest <= 0:
        return 1.0
    highest = max(highest, 1e-6)  # smaller values would underflow
    unit = 1024.0 ** math.floor(math.log(highest, 1024)) if binary and highest >= 1 else 1.0
    power = 10.0 ** math.floor(math.log10(highest / unit))
    rounds = (factor * power * unit for factor in _ROUND)
    return next((value for value in rounds if value >= highest), highest)


def resample(values: Values, columns: int) -> list[float | None]:
    """Stretch or shrink steps to ``columns``; shrinking keeps the highest values."""
    count = len(values)
    if not count or columns <= 0:
        return []
    found: list[float | None] = []
    for column in range(columns):
        first = column * count // columns
        last = max(first + 1, (column + 1) * count // columns)
        if last == first + 1:
            found.append(values[first])
            continue
        found.append(
            max((value for value in values[first:last] if value is not None), default=None)
        )
    return found


def draw_bars(values: Values, width: int, high: float, glyphs: Glyphs) -> str:
    """Return one line of bars; a value above 0 always has a bar."""
    top = len(glyphs.blocks) - 1
    text = ""
    for value in resample(values, width):
        level = 0 if value is None or value <= 0 else max(1, min(top, round(value / high * top)))
        text += glyphs.blocks[1] if value is not None and level == 0 else glyphs.blocks[level]
    return text


def dots_per_cell(glyphs: Glyphs) -> int:
    """Return how many columns of dots a cell has."""
    return 2 if glyphs.braille else 1


def draw_area(
    curves: tuple[Steps, Steps], size: tuple[int, int], high: float, glyphs: Glyphs,
    overlay: Overlay = Overlay(),  # noqa: B008 - it cannot change
) -> list[Row]:  # fmt: skip
    """Return lines of ``size`` (columns, lines): the area under the highest values of the first
    curve, dimmer where it is above the lowest ones, and the area under the other one behind it.
    ``high`` is the value at the top."""
    front, behind = curves
    width, height = size
    if width <= 0 or height <= 0:
        return []
    levels = 4 if glyphs.braille else len(glyphs.blocks) - 1
    cells = _Cells(front, behind, width, (height * levels, high), glyphs)
    line = None if overlay.threshold is None else overlay.threshold / high * height
    rows: list[Row] = []
    for y in range(height):
        row = height - 1 - y
        above = line is not None and row >= line
        blank = glyphs.threshold if line is not None and row <= line < row + 1 else ""
        rows.append(_row(cells, row * levels, overlay, (blank, above), glyphs))
    return rows


class _Cells:
    """Heights of the curves in each cell."""

    def __init__(
        self, front: Steps, behind: Steps, width: int, scale: tuple[int, float], glyphs: Glyphs
    ) -> None:
        self.levels = 4 if glyphs.braille else len(glyphs.blocks) - 1
        self.table = _BRAILLE if glyphs.braille else tuple(
            (block,) * len(glyphs.blocks) for block in glyphs.blocks
        )  # fmt: skip
        per_cell = dots_per_cell(glyphs)
        columns = width * per_cell
        tops = _levels([step and step.high for step in front], columns, scale)
        lows = _levels([step and step.low for step in front], columns, scale)
        backs = _levels([step and step.high for step in behind], columns, scale)
        both = list(map(max, tops, backs))
        last = per_cell - 1
        self.heights = list(zip(both[::per_cell], both[last::per_cell], strict=True))
        self.solid = _highest(lows, per_cell)
        self.front = _highest(tops, per_cell)


def _highest(levels: list[int], per_cell: int) -> list[int]:
    return levels if per_cell == 1 else list(map(max, levels[::2], levels[1::2]))


def _levels(values: Values, columns: int, scale: tuple[int, float]) -> list[int]:
    top, high = scale
    return [
        0 if value is None else max(1, min(top, round(value / high * top)))
        for value in resample(values or [None], columns)
    ]


def _row(
    cells: _Cells, floor: int, overlay: Overlay, line: tuple[str, bool], glyphs: Glyphs
) -> Row:
    """Return the cells from a height on; ``line`` is what is drawn where the threshold is, and
    whether the row is above it."""
    full, table = cells.levels, cells.table
    row: Row = []
    text, tone = "", "plain"
    for x, (left, right) in enumerate(cells.heights):
        if x != overlay.cursor and (left > floor or right > floor):
            char = table[min(full, max(0, left - floor))][min(full, max(0, right - floor))]
            fresh = _filled_tone(cells, x, floor, line[1])
        else:
            char, fresh = _blank(x, overlay, line[0], glyphs)
            fresh = tone if char == " " else fresh
        if fresh == tone:
            text += char
            continue
        if text:
            row.append((text, tone))
        text, tone = char, fresh
    row.append((text, tone))
    return row


def _filled_tone(cells: _Cells, x: int, floor: int, above: bool) -> Tone:
    if cells.front[x] <= floor:
        return "muted"
    if above:
        return "bad"
    return "curve" if cells.solid[x] > floor else "band"


def _blank(x: int, overlay: Overlay, threshold: str, glyphs: Glyphs) -> tuple[str, Tone]:
    if x == overlay.cursor:
        return glyphs.bar, "accent"
    if threshold:
        return threshold, "warn"
    if x in overlay.events:
        return glyphs.event_line, overlay.events[x]
    return " ", "plain"
