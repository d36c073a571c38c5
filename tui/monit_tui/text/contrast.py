"""Contrast of two colours, as WCAG 2 defines it."""

from rich.color import Color

LEGIBLE = 4.5
"""The least contrast of text of usual size (WCAG 2, level AA)."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two of Rich's colours, from 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part) for part in Color.parse(colour).get_truecolor())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: int) -> float:
    share = part / 255
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
