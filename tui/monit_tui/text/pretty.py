"""JSON lines, one field a row, without changing a character inside strings and numbers."""

import json
import re

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:]+|[{}\[\],:]')
_DEEPEST = 20
"""Levels that are indented; deeper ones stay in their column."""


def pretty(raw: bytes) -> list[str] | None:
    """Give the rows of a line that is one JSON object or array, or None when it is not."""
    text = raw.strip()
    if not text.startswith((b"{", b"[")):
        return None
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _rows(_TOKEN.findall(text.decode()))


def _rows(tokens: list[str]) -> list[str]:
    rows, depth = [""], 0
    for index, token in enumerate(tokens):
        after = tokens[index + 1] if index + 1 < len(tokens) else ""
        if token in "{[":
            rows[-1] += token
            depth += 1
            if after not in "}]":
                rows.append(_indent(depth))
        elif token in "}]":
            depth -= 1
            if rows[-1].strip() and tokens[index - 1] not in "{[":
                rows.append(_indent(depth))
            rows[-1] += token
        elif token == ",":
            rows[-1] += token
            rows.append(_indent(depth))
        else:
            rows[-1] += ": " if token == ":" else token
    return rows


def _indent(depth: int) -> str:
    return "  " * min(depth, _DEEPEST)
