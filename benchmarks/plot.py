"""Charts as SVG, without a library: both axes logarithmic, a line for each who was measured."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

COLORS = {"monit": "#0072b2", "pm2": "#d55e00"}
"""Of the palette of Okabe and Ito, which people who do not see all colors can tell apart."""

WIDTH, HEIGHT = 300, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 34, 40
"""Around the area of a panel, in pixels."""


class Panel(NamedTuple):
    """One chart: pairs of a size and a value for each line."""

    title: str
    unit: str
    across: str
    """What the sizes count."""
    lines: Mapping[str, Sequence[tuple[float, float]]]


class _Axis(NamedTuple):
    """Powers of ten from ``low`` to ``high``, and where they lie."""

    low: int
    high: int
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value lies."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**power for power in range(self.low, self.high + 1)]


def log_log_page(panels: Sequence[Panel], columns: int) -> str:
    """Return the text of an SVG file with all panels, so many beside each other."""
    rows = math.ceil(len(panels) / columns)
    width, height = WIDTH * columns, HEIGHT * rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, panel in enumerate(panels):
        across, down = number % columns * WIDTH, number // columns * HEIGHT
        parts += [f'<g transform="translate({across} {down})">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel) -> list[str]:
    points = [
        point for line in panel.lines.values() for point in line if point[0] > 0 and point[1] > 0
    ]
    parts = [_text(LEFT, 16, f"{panel.title}, {panel.unit}", "start")]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, panel.across, "middle"))
    if not points:
        return [*parts, _text(WIDTH / 2, HEIGHT / 2, "not measured", "middle")]
    horizontal = _axis([size for size, _ in points], LEFT, WIDTH - RIGHT)
    vertical = _axis([value for _, value in points], HEIGHT - BOTTOM, TOP)
    for tick in horizontal.ticks():
        place = horizontal.place(tick)
        parts += [
            _line(place, TOP, place, HEIGHT - BOTTOM),
            _text(place, HEIGHT - BOTTOM + 14, _number(tick), "middle"),
        ]
    for tick in vertical.ticks():
        place = vertical.place(tick)
        parts += [
            _line(LEFT, place, WIDTH - RIGHT, place),
            _text(LEFT - 5, place + 4, _number(tick), "end"),
        ]
    for who, line in panel.lines.items():
        parts += _curve(who, line, horizontal, vertical)
    return parts


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return _Axis(low, max(high, low + 1), start, end)


def _curve(
    who: str, line: Sequence[tuple[float, float]], horizontal: _Axis, vertical: _Axis
) -> list[str]:
    color = COLORS.get(who, "#555555")
    places = [(horizontal.place(size), vertical.place(value)) for size, value in line if value > 0]
    if not places:
        return []
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places]
    last_x, last_y = places[-1]
    return [*parts, _text(last_x - 6, last_y - 6, who, "end", color=color)]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        'stroke="#dddddd" stroke-width="1"/>'
    )


def _text(x: float, y: float, text: str, anchor: str, color: str = "#222222") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"'
    return f"<text {place}>{escape(text)}</text>"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
