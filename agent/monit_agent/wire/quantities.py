"""Sizes, durations and times as people write them. Pure."""

import re
from datetime import datetime, timedelta

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h|d))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_TIME_OF_DAY = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def bytes_of(text: str) -> int | None:
    """Return the bytes of ``200M``, ``1.5G``, ``512k`` or a plain number (k is 1024); None for what
    is no size."""
    found = _SIZE.fullmatch(text.strip())
    return int(float(found[1]) * 1024 ** _POWERS[found[2].lower()]) if found else None


def seconds_of(text: str) -> float | None:
    """Return the seconds of ``500ms``, ``10s``, ``2m``, ``1h30m`` or ``1d``; None for what is no
    duration, as a number without a unit."""
    plain = text.strip().lower()
    if not _DURATION.fullmatch(plain):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(plain))


def moment_of(text: str, now: float) -> float | None:
    """Return the wall time of ``10m`` (ago), ``14:03``, ``14:03:20`` or an ISO date; None for what
    is no time.

    A time of day means its last occurrence; a date without a zone is local time.
    """
    plain = text.strip()
    ago = seconds_of(plain)
    if ago is not None:
        return now - ago
    here = datetime.fromtimestamp(now).astimezone()
    try:
        if _TIME_OF_DAY.fullmatch(plain):
            at = here.replace(second=0, microsecond=0)
            parts = [int(part) for part in plain.split(":")]
            at = at.replace(**dict(zip(("hour", "minute", "second"), parts, strict=False)))
            return (at if at <= here else at - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(plain).astimezone().timestamp()
    except (ValueError, OverflowError):
        return None
