"""JSON lines, one field a row, with strings and numbers unchanged."""

import json
import re

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:]+|[{}\[\],:]')
_DEEPEST = 20
"""Levels that are indented; deeper ones stay in their column."""


def json_rows(raw: bytes) -> list[str] | None:
    """Return the rows of a line that is one JSON object or array, or None when it is not."""
    text = raw.strip()
    if not text.startswith((b"{", b"[")):
        return None
    try:
        decoded = text.decode()
        json.loads(decoded)
    except (ValueError, RecursionError):
        return None
    return _rows(_PIECE.findall(decoded))


def _rows(pieces: list[str]) -> list[str]:
    rows, depth = [""], 0
    for index, piece in enumerate(pieces):
        after = pieces[index + 1] if index + 1 < len(pieces) else ""
        if piece in "{[":
            rows[-1] += piece
            depth += 1
            if after not in "}]":
                rows.append(_indent(depth))
        elif piece in "}]":
            depth -= 1
            if rows[-1].strip() and pieces[index - 1] not in "{[":
                rows.append(_indent(depth))
            rows[-1] += piece
        elif piece == ",":
            rows[-1] += piece
            rows.append(_indent(depth))
        else:
            rows[-1] += ": " if piece == ":" else piece
    return rows


def _indent(depth: int) -> str:
    return "  " * min(depth, _DEEPEST)
