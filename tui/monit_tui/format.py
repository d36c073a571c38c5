"""Numbers as a person reads them: short, with a unit, and never 0 for what is unknown."""

import math
import time

from monit_agent.client.plain import visible

UNKNOWN = "-"
"""Stands for what nobody measured."""


def percent(value: float | None) -> str:
    """Give ``4.1%`` below ten, ``12%`` above."""
    if value is None:
        return UNKNOWN
    return f"{value:.1f}%" if value < 9.95 else f"{value:.0f}%"


def size(count: int | None) -> str:
    """Give bytes as ``812K``, ``70.1M``, ``1.2G`` (powers of 1024), at most five characters."""
    if count is None:
        return UNKNOWN
    value, unit = float(count), "B"
    for unit in "BKMGT":
        if value < 1000 or unit == "T":
            break
        value /= 1024
    plain = unit in "BK" or value >= 99.95
    return f"{value:.0f}{unit}" if plain else f"{value:.1f}{unit}"


def milliseconds(value: float | None) -> str:
    """Give ``0.4ms``, ``12ms``, ``1.2s``."""
    if value is None:
        return UNKNOWN
    if value >= 999.5:
        return f"{value / 1000:.1f}s"
    return f"{value:.1f}ms" if value < 9.95 else f"{value:.0f}ms"


def duration(seconds: float | None) -> str:
    """Give the two largest units of a time span: ``42s``, ``3m10s``, ``2h03m``, ``5d02h``."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{second:02d}s"
    hours, minute = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minute:02d}m"
    days, hour = divmod(hours, 24)
    return f"{days}d{hour:02d}h" if days < 100 else f"{days}d"


def span(seconds: float | None) -> str:
    """Give a time span for a table: like `duration`, but from a minute on without seconds,
    so that a row that only grows older is painted once a minute."""
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    return f"{int(seconds) // 60}m" if 60 <= seconds < 3600 else duration(seconds)


def count(value: int | None) -> str:
    """Give a count, from 10,000 on in thousands."""
    if value is None:
        return UNKNOWN
    return str(value) if value < 10_000 else f"{value // 1000}k"


def rate(value: float | None) -> str:
    """Give ``0/s``, ``4.2/s``, ``120/s``, ``12k/s``."""
    if value is None:
        return UNKNOWN
    if value >= 9999.5:
        return f"{value / 1000:.0f}k/s"
    return f"{value:.1f}/s" if 0 < value < 9.95 else f"{value:.0f}/s"


def number(value: float, unit: str = "") -> str:
    """Give one of the app's own metrics with at most four digits that matter."""
    text = f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def brief(value: float, digits: int = 3) -> str:
    """Give a number of any size in five letters or so: ``0.12``, ``12.3k``, ``4.5M``."""
    unit = ""
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5 or unit == "T":
            break
        value /= 1000
    if abs(value) >= 99.95 or (value == int(value) and not unit):
        return f"{value:.0f}{unit}"
    return f"{value:.{digits if abs(value) >= 0.01 else 1}g}{unit}"


def clock(at: float) -> str:
    """Give the local time of day of a wall time."""
    return _local("%H:%M:%S", at)


def moment(at: float) -> str:
    """Give date and local time of a wall time."""
    return _local("%Y-%m-%d %H:%M:%S", at)


def _local(pattern: str, at: float) -> str:
    try:
        return time.strftime(pattern, time.localtime(at))
    except (ValueError, OverflowError, OSError):  # no calendar reaches that far
        return UNKNOWN


def printable(text: str) -> str:
    """Make control characters visible, so that no text from an app reaches the terminal raw."""
    return visible(text).replace("\t", " ")
