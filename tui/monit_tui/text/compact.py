"""A JSON line as a person reads it: level, message, then the other fields as ``key=value``."""

import json
from typing import Any, Literal, NamedTuple

from monit_agent.logtext.levels import Level, level_of

Role = Literal["level", "message", "key", "value", "status"]

_TIMES = frozenset({"time", "ts", "t", "timestamp", "@timestamp", "asctime", "datetime", "date"})
_LEVELS = frozenset({"level", "severity", "levelname", "loglevel", "lvl", "log.level", "@level"})
_MESSAGES = ("message", "msg", "event", "@message", "text")
_STATUSES = frozenset({"status", "status_code", "statuscode", "http.status_code"})
_WORDS: dict[Level, str] = {"error": "ERROR", "warn": "WARN ", "info": "INFO ", "debug": "DEBUG"}


class CompactPiece(NamedTuple):
    """A part of a compact line; its text is data of the app, not safe for a terminal."""

    text: str
    role: Role


def compact_json(raw: bytes, *, with_time: bool) -> list[CompactPiece] | None:
    """Return the parts of a line that is one JSON object with a message or a level, or None.

    The time of the app is left out unless ``with_time``.
    """
    text = raw.strip()
    if not text.startswith(b"{") or not text.endswith(b"}"):
        return None
    try:
        fields: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    message = next((name for name in _MESSAGES if isinstance(fields.get(name), str)), None)
    level = level_of(raw)
    named = next((name for name in fields if name.lower() in _LEVELS), None)
    if message is None and named is None:
        return None
    pieces: list[CompactPiece] = []
    if named is not None and level is not None:
        pieces.append(CompactPiece(f"{_WORDS[level]} ", "level"))
    if message is not None:
        pieces.append(CompactPiece(f"{fields[message]} ", "message"))
    for name, value in fields.items():
        is_shown = name != message and (name != named or level is None)
        if is_shown and (with_time or name.lower() not in _TIMES):
            role: Role = "status" if name.lower() in _STATUSES else "value"
            pieces += [CompactPiece(f" {name}=", "key"), CompactPiece(_value(value), role)]
    return pieces


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not set(value) & set(' "=\n\t'):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
