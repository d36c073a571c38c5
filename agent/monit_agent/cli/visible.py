"""How wide a text is on a terminal, and text from elsewhere made harmless."""

import unicodedata


def visible(text: str) -> str:
    """Give ``text`` with everything that could steer a terminal written out.

    The rules are those of worker output (``client/plain.py``); the usual text needs none.
    """
    if text.isascii() and text.isprintable():
        return text
    from monit_agent.client import plain  # noqa: PLC0415 — its expressions cost milliseconds

    return plain.visible(text)


def width(text: str) -> int:
    """Give the columns that ``text`` takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def cut(text: str, columns: int, ellipsis: str) -> str:
    """Shorten ``text`` to at most ``columns`` columns, ending in ``ellipsis`` if it was longer."""
    if width(text) <= columns:
        return text
    room = max(0, columns - len(ellipsis))
    short = text
    while width(short) > room:
        short = short[:-1]
    return short + ellipsis[:columns]
