"""Widths of texts on a terminal, and foreign text made safe for it."""

import unicodedata


def visible(text: str) -> str:
    """Return ``text`` with its control characters made visible.

    The rules are those for worker output (``client/text/sanitize.py``).
    """
    if text.isascii() and text.isprintable():
        return text
    from monit_agent.client.text import sanitize  # noqa: PLC0415 — importing it takes milliseconds

    return sanitize.escape_controls(text)


def width(text: str) -> int:
    """Return the columns that ``text`` takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def cut(text: str, columns: int, ellipsis: str) -> str:
    """Return ``text`` cut to ``columns`` columns, with ``ellipsis`` at the end if it was longer."""
    if width(text) <= columns:
        return text
    room = max(0, columns - len(ellipsis))
    short = text
    while width(short) > room:
        short = short[:-1]
    return short + ellipsis[:columns]
