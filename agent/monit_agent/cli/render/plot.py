"""A chart of characters for a terminal: one metric over time. Pure."""

import math
from collections.abc import Callable, Sequence

from monit_agent.client.text.format import format_clock, format_date_and_time

BLOCKS = " ▁▂▃▄▅▆▇█"
PLAIN_BLOCKS = " .:-=+*#@"
"""For terminals without Unicode."""

HEIGHT = 8
LABEL = 9
"""Columns of the numbers at the left."""

Values = Sequence[float | None]


def resample(values: Values, columns: int) -> list[float | None]:
    """Return the largest value of each of ``columns`` equal parts; None where nothing is known."""
    count = len(values)
    if not count or columns <= 0:
        return []
    found: list[float | None] = []
    for column in range(columns):
        first = column * count // columns
        last = max(first + 1, (column + 1) * count // columns)
        known = [value for value in values[first:last] if value is not None]
        found.append(max(known, default=None))
    return found


def sparkline(values: Values, columns: int, *, unicode: bool) -> str:
    """Return one line; the largest value is a full block, what is unknown a blank."""
    glyphs = BLOCKS if unicode else PLAIN_BLOCKS
    shown = resample(values, min(columns, len(values)))
    high = max((value for value in shown if value is not None), default=0.0)
    return "".join(_glyph(value, high, glyphs) for value in shown)


def _glyph(value: float | None, high: float, glyphs: str) -> str:
    if value is None:
        return " "
    return glyphs[max(1, round(max(0.0, value) / high * (len(glyphs) - 1))) if high > 0 else 1]


def chart(
    values: Values,
    times: tuple[float, float],
    columns: int,
    label: Callable[[float | None], str],
    *,
    unicode: bool,
) -> list[str]:
    """Return the lines of a chart from 0 to a round number above the largest value, with the time
    of both ends (wall seconds) below it."""
    glyphs = BLOCKS if unicode else PLAIN_BLOCKS
    width = max(10, columns - LABEL - 2)
    shown = resample(values, width)
    high = round_up(max((value for value in shown if value is not None), default=0.0))
    levels = len(glyphs) - 1
    wall = "│" if unicode else "|"
    lines: list[str] = []
    for row in range(HEIGHT):
        floor = (HEIGHT - 1 - row) * levels
        cells = (_cell(value, high, floor, levels) for value in shown)
        text = "".join(glyphs[level] for level in cells)
        at = {0: high, HEIGHT // 2: high / 2, HEIGHT - 1: 0.0}.get(row)
        lines.append(f"{'' if at is None else label(at):>{LABEL}} {wall}{text}".rstrip())
    lines.append(" " * (LABEL + 2) + _time_axis(times, width))
    return lines


def _cell(value: float | None, high: float, floor: int, levels: int) -> int:
    if value is None:
        return 0
    filled = max(1, round(max(0.0, value) / high * HEIGHT * levels))
    return min(levels, max(0, filled - floor))


def _time_axis(times: tuple[float, float], width: int) -> str:
    begin, end = times
    write = format_clock if end - begin < 86400 else format_date_and_time
    left, right = write(begin), write(end)
    return left + " " * max(1, width - len(left) - len(right)) + right


def round_up(value: float) -> float:
    """Return 1, 2 or 5 times a power of ten, not below ``value``."""
    if value <= 0 or not math.isfinite(value):
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * (1 - 1e-9))
