"""Numbers as a person reads them, the same on the command line and on the screen.

Each has a unit and at most three significant digits, so that it fits a narrow column: sizes and
percentages take at most five characters, delays, rates and uptimes six. A value that would round
up to the next unit is written in that unit (999.7 ms is ``1.0s``), so no value is wider than its
neighbours. Unknown is ``-``, never 0.
"""

import math
import time

UNKNOWN = "-"
"""Stands for what nobody measured."""


def format_known(value: object) -> str:
    """Return ``value`` as text, ``-`` for None."""
    return UNKNOWN if value is None else str(value)


def format_percent(value: float | None) -> str:
    """Return ``4.1%`` below ten, ``12%`` above."""
    return UNKNOWN if value is None else f"{_short(value)}%"


def format_bytes(size: float | None) -> str:
    """Return ``812B``, ``70.1M``, ``1.2G``: powers of 1024."""
    if size is None:
        return UNKNOWN
    if size < 999.5:
        return f"{size:.0f}B"
    value, unit = size / 1024, "K"
    for unit in "KMGT":
        if value < 999.5 or unit == "T":
            break
        value /= 1024
    return f"{value:.0f}{unit}" if value >= 99.95 else f"{value:.1f}{unit}"


def format_ms(milliseconds: float | None) -> str:
    """Return a delay: ``0.4ms``, ``12ms``, ``1.2s``, ``1m40s``."""
    if milliseconds is None or not math.isfinite(milliseconds):
        return UNKNOWN
    if milliseconds < 999.5:
        return f"{_short(milliseconds)}ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f}s" if seconds < 99.95 else format_duration(round(seconds))


def format_rate(per_s: float | None) -> str:
    """Return ``0/s``, ``4.2/s``, ``120/s``, ``12k/s``."""
    if per_s is None:
        return UNKNOWN
    return f"{_short(per_s)}/s" if 0 < per_s < 9.95 else f"{_thousands(per_s)}/s"


def format_count(number: float | None) -> str:
    """Return a count in four characters, from 10,000 on in thousands: ``9999``, ``12k``."""
    return UNKNOWN if number is None else _thousands(number)


def format_duration(seconds: float | None) -> str:
    """Return the two largest units of a time span: ``42s``, ``3m10s``, ``2h03m``, ``5d02h``.

    What is left over is cut off, not rounded: an uptime is full minutes.
    """
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


def format_uptime(seconds: float | None) -> str:
    """Return a time span for a table: from a minute on without seconds.

    A row that only grows older is then painted once a minute.
    """
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    return f"{int(seconds) // 60}m" if 60 <= seconds < 3600 else format_duration(seconds)


def format_run_time(seconds: float) -> str:
    """Return how long a worker ran, exact where that is short: ``0.05s``, ``1.5s``, ``2h03m``."""
    if seconds < 0.995:
        return f"{max(0.0, seconds):.2f}s"
    return f"{seconds:.1f}s" if seconds < 59.95 else format_duration(round(seconds))


def format_setting_s(seconds: float) -> str:
    """Return a time limit as a user would write it: ``0.5s``, ``10s``, ``1m30s``, ``30d``."""
    if seconds < 60:
        return f"{seconds:g}s"
    rest, text = round(seconds), ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m"), (1, "s")):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def format_setting_bytes(size: float) -> str:
    """Return a limit in bytes as a user would write it: ``20M``, ``1.5G``."""
    text = format_bytes(size)
    return text[:-1].removesuffix(".0") + text[-1]


def format_number(value: float | None, unit: str = "") -> str:
    """Return one of the app's own metrics: ``1,204 loaves``, ``3.14 ms``."""
    if value is None:
        return UNKNOWN
    whole = math.isfinite(value) and abs(value) < 1e15 and value == int(value)
    text = f"{value:,.0f}" if whole or 999.5 <= abs(value) < 1e15 else f"{value:.3g}"
    return f"{text} {unit}".rstrip()


def format_short_number(value: float, digits: int = 3) -> str:
    """Return a number of any size in about five characters: ``0.12``, ``12.3k``, ``4.5M``."""
    unit = ""
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5 or unit == "T":
            break
        value /= 1000
    if abs(value) >= 99.95 or (value == int(value) and not unit):
        return f"{value:.0f}{unit}"
    return f"{value:.{digits if abs(value) >= 0.01 else 1}g}{unit}"


def format_quantity(number: int, noun: str) -> str:
    """Return ``1 instance``, ``2 instances``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_clock(at: float) -> str:
    """Return the local time of day of a wall time."""
    return _local_time("%H:%M:%S", at)


def format_date_and_time(at: float) -> str:
    """Return date and local time of a wall time."""
    return _local_time("%Y-%m-%d %H:%M:%S", at)


def _local_time(pattern: str, at: float) -> str:
    try:
        return time.strftime(pattern, time.localtime(at))
    except (ValueError, OverflowError, OSError):  # no calendar reaches that far
        return UNKNOWN


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def _thousands(value: float) -> str:
    if value < 9999.5:
        return f"{value:.0f}"
    unit = "k"
    for unit in "kMGT":  # noqa: B007 - the last one stands where nothing breaks
        value /= 1000
        if value < 999.5:
            break
    return f"{value:.0f}{unit}" if value >= 9.95 else f"{value:.1f}{unit}"
