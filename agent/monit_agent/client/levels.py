"""How serious a line says it is: by word, by JSON field, by the shape of a traceback.

Cheap enough for every visible line and for a jump to the next error; never asked of all.
"""

import re
from typing import Literal

Level = Literal["error", "warn", "info", "debug"]

_LOOK_AT = 300
"""Bytes of a line that are looked at: a level stands near the beginning."""

_WORDS: dict[bytes, Level] = {
    b"FATAL": "error", b"CRITICAL": "error", b"CRIT": "error", b"ERROR": "error",
    b"ERR": "error", b"EMERG": "error", b"ALERT": "error", b"PANIC": "error",
    b"SEVERE": "error", b"WARNING": "warn", b"WARN": "warn", b"INFO": "info",
    b"NOTICE": "info", b"DEBUG": "debug", b"TRACE": "debug", b"VERBOSE": "debug",
}  # fmt: skip
_ANY = b"|".join(sorted(_WORDS, key=len, reverse=True))

_FIELD = re.compile(
    rb"\"(?:level|severity|levelname|lvl|log\.level)\"\s*:\s*(?:\"(\w+)\"|(\d+))"
    rb"|\b(?:level|lvl|severity)=\"?(\w+)",
    re.IGNORECASE,
)
_UPPER = re.compile(rb"(?<![A-Za-z_])(" + _ANY + rb")(?![A-Za-z_])")
# in lower case a word is a level only where a level stands: [error], error:, <warn>
_LOWER = re.compile(rb"(?:^|[\s\[<(|])(" + _ANY + rb")(?:[\]>)|]|:\s)", re.IGNORECASE)
_RAISED = re.compile(
    rb"^\s*(?:Traceback \(most recent call last\):|panic: |Uncaught |Unhandled "
    rb"|(?:[A-Za-z_][\w.]*)?(?:Error|Exception)(?::| \[|$))"
)
_SGR = re.compile(rb"\x1b\[[0-9;:]*m")

_PINO: tuple[tuple[int, Level], ...] = ((50, "error"), (40, "warn"), (30, "info"), (0, "debug"))


def level_of(raw: bytes) -> Level | None:
    """Give the level of a line, or None when it does not say."""
    line = raw[:_LOOK_AT]
    if b"\x1b" in line:
        line = _SGR.sub(b"", line)
    field = _FIELD.search(line)
    if field:
        named = _of_field(field)
        if named:
            return named
    if _RAISED.match(line):
        return "error"
    found = _UPPER.search(line) or _LOWER.search(line)
    return _WORDS[found[1].upper()] if found else None


def _of_field(field: re.Match[bytes]) -> Level | None:
    if field[2]:  # pino and bunyan count
        number = int(field[2][:4])
        return next(level for least, level in _PINO if number >= least)
    return _WORDS.get((field[1] or field[3]).upper())
