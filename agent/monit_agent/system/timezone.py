"""Time zones as the variable ``TZ`` names them (tzset(3))."""

import contextlib
import io
import os
import struct
from datetime import tzinfo

LOCALTIME = "/etc/localtime"


class BadZoneError(ValueError):
    """The value names no time zone; the C library then uses UTC."""


def zone_of(value: str | None) -> tzinfo:
    """Return the zone that a program with this ``TZ`` uses; None means it is not set.

    Raise `BadZoneError` for a value that names none.
    """
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (0.3 MB, and few apps have a schedule)

    if value is None:
        return _system_zone()
    name = value.removeprefix(":")
    if not name:
        return ZoneInfo("UTC")
    if os.path.isabs(name):
        return _from_file(name, value)
    with contextlib.suppress(ValueError, OSError, LookupError):
        return ZoneInfo(name)
    with contextlib.suppress(ValueError):
        return ZoneInfo.from_file(io.BytesIO(_rule_file(name)), key=value)
    raise BadZoneError(f"TZ={value!r} names no time zone")


def zone_name(value: str | None) -> str:
    """Return how the zone of this ``TZ`` is written: ``Asia/Kolkata``, ``local (Europe/Paris)``."""
    if value is not None:
        return value.removeprefix(":") or "UTC"
    path = os.path.realpath(LOCALTIME)
    _, found, name = path.partition("/zoneinfo/")
    return f"local ({name})" if found else "local"


def _system_zone() -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (as above)

    if not os.path.exists(LOCALTIME):
        return ZoneInfo("UTC")
    return _from_file(LOCALTIME, LOCALTIME)


def _from_file(path: str, value: str) -> tzinfo:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 (as above)

    try:
        with open(path, "rb") as file:
            return ZoneInfo.from_file(file, key=value)
    except (OSError, ValueError) as error:
        raise BadZoneError(f"TZ={value!r} is no time zone file") from error


def _rule_file(rule: str) -> bytes:
    """Return a zone file that holds only a rule such as ``CET-1CEST,M3.5.0,M10.5.0/3``.

    zoneinfo reads such rules only at the end of a file (RFC 8536, section 3.3).
    """
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    header = b"TZif2" + bytes(15) + counts
    body = struct.pack(">lbb", 0, 0, 0) + b"UTC\0"
    return header + body + header + body + b"\n" + rule.encode("ascii", "replace") + b"\n"
