"""The level of a log line: by field (JSON, ``key=value``), by a syslog or glog prefix, by word, by
the shape of a traceback.

A line takes 1 to 8 µs: fast enough for what is shown, and for a search that looks for words of
levels first. A word counts only where a level stands: "0 errors" and ``/ERROR/404`` are none.
"""

import re
from collections.abc import Iterator
from typing import Literal, get_args

from monit_agent.logtext.expression import SGR, Span, line_spans, lines_with

Level = Literal["error", "warn", "info", "debug"]

LEVELS: tuple[Level, ...] = get_args(Level)

RANK: dict[Level | None, int] = {"debug": 0, "info": 1, None: 1, "warn": 2, "error": 3}
"""A line that names no level counts as info."""

_PREFIX_BYTES = 300
"""Bytes of a line that are examined: a level stands near the beginning."""

_WORDS: dict[bytes, Level] = {
    b"FATAL": "error", b"CRITICAL": "error", b"CRIT": "error", b"ERROR": "error",
    b"ERR": "error", b"EMERG": "error", b"ALERT": "error", b"PANIC": "error",
    b"SEVERE": "error", b"WARNING": "warn", b"WARN": "warn", b"INFO": "info",
    b"NOTICE": "info", b"DEBUG": "debug", b"TRACE": "debug", b"VERBOSE": "debug",
}  # fmt: skip
_FIELD_WORDS: dict[bytes, Level] = {
    **_WORDS,
    b"EROR": "error", b"FAIL": "error", b"FAILURE": "error", b"EMERGENCY": "error",
    b"FTL": "error", b"E": "error", b"F": "error", b"WRN": "warn", b"W": "warn",
    b"INFORMATION": "info", b"INF": "info", b"I": "info", b"NOTE": "info", b"LOG": "info",
    b"DBG": "debug", b"DBUG": "debug", b"TRC": "debug", b"VRB": "debug",
    b"D": "debug", b"T": "debug",
}  # fmt: skip
"""In free text these would be something else."""

_ANY = b"|".join(sorted(_WORDS, key=len, reverse=True))

_FIELD = re.compile(
    rb"\"@?(?:level|severity|levelname|loglevel|lvl|log\.level)\"\s*:\s*"
    rb"(?:\"(?:\\u001b\[[\d;]*m)*(\w+)[\"\\]|(\d+))"  # winston writes colours as text
    rb"|\b(?:level|lvl|severity|levelname)=(?:[\"']?([A-Za-z]+)|(\d+))",
    re.IGNORECASE,
)
_SYSLOG = re.compile(rb"<(\d{1,3})>")
_GLOG = re.compile(rb"([IWEF])\d{4} \d\d:\d\d:")
# behind a slash stands a process of Celery: "ERROR/MainProcess]"
_UPPER = re.compile(
    rb"(?<![A-Za-z_/\-])(" + _ANY + rb")(?:(?![A-Za-z_/\-])|(?=/[\w.-]+(?:\(\d+\))?\]))"
)
# in lower case a word is a level only where a level stands: [error], error:, <warn>
_LOWER = re.compile(rb"(?:^|[\s\[<(|])(" + _ANY + rb")(?:[\]>)|]|:\s)", re.IGNORECASE)
# structlog pads it: [error    ]
_PADDED = re.compile(rb"\[(" + _ANY + rb") +\]", re.IGNORECASE)
# of Serilog and zerolog: "[10:11:12 WRN] …", "10:11AM WRN …"
_SHORT = re.compile(rb"\[?[\d:.,TZ+/-]*\d(?:AM|PM|Z)? (FTL|ERR|WRN|INF|DBG|VRB|TRC)[ \]]")
_RAISED = re.compile(
    rb"^\s*(?:Traceback \(most recent call last\):|panic: |Uncaught |Unhandled "
    rb"|Exception in thread |thread '[^']*' (?:\(\d+\) )?panicked at "
    rb"|(?:[A-Za-z_][\w.]*)?(?:Error|Exception)(?::| \[|$))"
)
_CONTINUES = re.compile(
    rb"[ \t}\]]|Caused by: |Suppressed: |During handling of the above"
    rb"|The above exception was|goroutine \d+ \[|created by |exit status \d"
)

_PINO: tuple[tuple[int, Level], ...] = ((50, "error"), (40, "warn"), (30, "info"), (0, "debug"))
_SEVERITIES: tuple[Level, ...] = (
    "error", "error", "error", "error", "warn", "info", "info", "debug",
)  # fmt: skip
"""Of syslog: 0 is the worst."""

_SIGNS: dict[Level, tuple[bytes, ...]] = {
    "error": (
        b"err", b"eror", b"fatal", b"crit", b"emerg", b"alert", b"panic", b"severe", b"exception",
        b"uncaught", b"unhandled", b"traceback", b"level", b"lvl", b"severity",
        b"ftl", b"\n<", b"\ne", b"\nf",
    ),
}  # fmt: skip
_SIGNS["warn"] = (*_SIGNS["error"], b"warn", b"wrn", b"\nw")
"""What a line of this level or worse holds, in lower case; the newline is the one before it."""


def level_of(raw: bytes) -> Level | None:
    """Return the level of a line, or None when it names none."""
    line = raw[:_PREFIX_BYTES]
    if b"\x1b" in line:
        line = SGR.sub(b"", line)
    field = _FIELD.search(line)
    if field:
        named = _level_of_field(field)
        if named:
            return named
    prefix = _SYSLOG.match(line)
    if prefix:
        return _SEVERITIES[int(prefix[1]) % 8]
    prefix = _GLOG.match(line)
    if prefix:
        return _FIELD_WORDS[prefix[1]]
    prefix = _SHORT.match(line)
    if prefix:
        return _FIELD_WORDS[prefix[1]]
    if _RAISED.match(line):
        return "error"
    found = _UPPER.search(line) or _LOWER.search(line)
    if found is None and b" ]" in line:
        found = _PADDED.search(line)
    return _WORDS[found[1].upper()] if found else None


def _level_of_field(field: re.Match[bytes]) -> Level | None:
    digits = field[2] or field[4]
    if digits:
        number = int(digits[:4])
        if number < len(_SEVERITIES):
            return _SEVERITIES[number]
        return next(level for least, level in _PINO if number >= least)
    return _FIELD_WORDS.get((field[1] or field[3]).upper())


def is_continuation(raw: bytes) -> bool:
    """Return whether a line belongs to the one before it, as in a stack: it has its level."""
    return _CONTINUES.match(raw) is not None


def spans_of_level(block: bytes, least: Level) -> Iterator[Span]:
    """Yield the lines of a block that are of this level or worse, with those that belong to them,
    in order."""
    shown = False
    for start, stop in _lines_to_read(block, least):
        raw = block[start : min(stop, start + _PREFIX_BYTES)]
        if not is_continuation(raw):
            shown = RANK[level_of(raw)] >= RANK[least]
        elif not start:
            shown = RANK[level_of(raw)] >= RANK[least]  # the line it belongs to is not here
        if shown:
            yield start, stop


def _lines_to_read(block: bytes, least: Level) -> Iterator[Span]:
    """Yield the lines that may be of a level, and those that belong to them."""
    signs = _SIGNS.get(least)
    if signs is None:
        yield from line_spans(block)
        return
    hay = b"\n" + block.lower()
    end = -1
    for start, stop in _of_signs(hay, signs):
        if start < end:
            continue
        yield start, stop
        end = stop + 1
        while end < len(block) and is_continuation(block[end : end + 64]):
            newline = block.find(b"\n", end)
            last = len(block) if newline < 0 else newline
            yield end, last
            end = last + 1


def _of_signs(hay: bytes, signs: tuple[bytes, ...]) -> list[Span]:
    """Return the lines of ``hay`` without its first byte that hold a sign."""
    inside = [sign for sign in signs if not sign.startswith(b"\n")]
    found = {(start - 1, stop - 1) for start, stop in lines_with(hay, inside)}
    for sign in signs:
        at = hay.find(sign) if sign.startswith(b"\n") else -1
        while at >= 0:
            stop = hay.find(b"\n", at + 1)
            stop = len(hay) if stop < 0 else stop
            found.add((at, stop - 1))
            at = hay.find(sign, stop)
    return sorted(found)
