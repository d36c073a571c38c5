"""Numbers as people read them in a table: short, with their unit; unknown is ``-``."""

UNKNOWN = "-"


def size(value: int | None) -> str:
    """``70.1M``; powers of 1024."""
    if value is None:
        return UNKNOWN
    number = float(value)
    for unit in ("B", "K", "M", "G"):
        if number < 1000:
            return f"{number:.0f}{unit}" if unit == "B" or number >= 100 else f"{number:.1f}{unit}"
        number /= 1024
    return f"{number:.1f}T"


def percent(value: float | None) -> str:
    """``4.1%`` of one core."""
    if value is None:
        return UNKNOWN
    return f"{value:.0f}%" if value >= 100 else f"{value:.1f}%"


def lag(ms: float | None) -> str:
    """``3.2ms``, ``120ms``, ``1.4s``."""
    if ms is None:
        return UNKNOWN
    if ms >= 1000:
        return f"{ms / 1000:.1f}s"
    return f"{ms:.0f}ms" if ms >= 100 else f"{ms:.1f}ms"


def rate(per_s: float | None) -> str:
    """``0/s``, ``4.2/s``, ``120/s``, ``12.4k/s``."""
    if per_s is None:
        return UNKNOWN
    if per_s >= 9999.5:
        return f"{per_s / 1000:.1f}k/s"
    return f"{per_s:.1f}/s" if 0 < per_s < 9.95 else f"{per_s:.0f}/s"


def span(seconds: float | None) -> str:
    """``12s``, ``5m``, ``2h03m``, ``3d04h``: the two largest units that matter."""
    if seconds is None:
        return UNKNOWN
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s" if whole < 600 else f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h{whole // 60 % 60:02d}m"
    return f"{whole // 86400}d{whole // 3600 % 24:02d}h"


def ran_for(seconds: float) -> str:
    """How long a worker lived, exact where it is short: ``0.05s``, ``1.5s``, ``2h03m``."""
    if seconds < 1:
        return f"{seconds:.2f}s"
    return f"{seconds:.1f}s" if seconds < 60 else span(seconds)


def known(value: object) -> str:
    """Any other value, ``-`` for None."""
    return UNKNOWN if value is None else str(value)


def counted(number: int, noun: str) -> str:
    """``1 instance``, ``2 instances``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
