"""Safe text (``client/plain.py``) as styled cells: tabs, wide characters, wrapping, matches.

Everything here takes and gives `Parts`: stretches of text with their style. Each cell has a
style, because ``NO_COLOR`` cannot bear one without.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from rich.cells import cell_len
from rich.style import Style

from monit_agent.client.ink import Colour, Ink
from monit_agent.client.plain import spans

Part = tuple[str, Style]
Parts = list[Part]

TAB = 8


def styled(raw: bytes, base: Style, most: int) -> Parts:
    """Give what a worker printed as parts on top of ``base``, at most about ``most``
    characters; tabs are filled up to the next column of eight."""
    parts: Parts = []
    column = 0
    for text, ink in spans(raw, most):
        if "\t" in text:
            text = "".join(_tabs_filled(text, column))  # noqa: PLW2901 - the same text, spelt out
        column += cell_len(text)
        parts.append((text, base + style_of(ink)))
    return parts


@lru_cache(maxsize=512)
def style_of(ink: Ink) -> Style:
    """Give the terminal style of an ink."""
    return Style(
        color=_colour(ink.fg),
        bgcolor=_colour(ink.bg),
        bold=ink.bold or None,
        dim=ink.dim or None,
        italic=ink.italic or None,
        underline=ink.underline or None,
        reverse=ink.reverse or None,
        strike=ink.strike or None,
    )


def highlighted(parts: Parts, pattern: re.Pattern[str], style: Style) -> Parts:
    """Give ``parts`` with ``style`` over everything that matches."""
    text = "".join(part for part, _ in parts)
    found = [match.span() for match in pattern.finditer(text) if match.end() > match.start()]
    if not found:
        return parts
    edges = sorted({edge for span in found for edge in span})
    lit = dict(found)
    out: Parts = []
    at = until = 0
    for part, own in parts:
        stops = [edge - at for edge in edges if at < edge < at + len(part)]
        for start, stop in zip([0, *stops], [*stops, len(part)], strict=True):
            until = lit.get(at + start, until)
            out.append((part[start:stop], own + style if at + start < until else own))
        at += len(part)
    return out


def wrapped(parts: Parts, width: int) -> list[Parts]:
    """Break parts into rows of at most ``width`` cells (at least 1); never inside a character.

    A character wider than a whole row is shown as ``?``.
    """
    rows: list[Parts] = [[]]
    room = width
    for text, style in parts:
        for piece, cells in _fitting(text, room, width):
            if piece is None:
                rows.append([])
                room = width
                continue
            rows[-1].append((piece, style))
            room -= cells
    return rows


def _fitting(text: str, room: int, width: int) -> Iterator[tuple[str | None, int]]:
    """Give pieces that fit, with their cells; None where a row ends."""
    if text.isascii():
        at = 0
        while at < len(text):
            if room == 0:
                yield None, 0
                room = width
            piece = text[at : at + room]
            yield piece, len(piece)
            at += len(piece)
            room -= len(piece)
        return
    piece, used = "", 0
    for each in text:
        cells = cell_len(each)
        char = each if cells <= width else "?"
        cells = min(cells, width, cells if char == each else 1)
        if used + cells > room:
            if piece:
                yield piece, used
            yield None, 0
            piece, used, room = "", 0, width
        piece += char
        used += cells
    if piece:
        yield piece, used


def cropped(parts: Parts, start: int, width: int) -> Parts:
    """Give the cells from column ``start`` on, at most ``width`` of them; half a wide
    character at an edge is a blank."""
    out: Parts = []
    column, end = 0, start + width
    for text, style in parts:
        cells = cell_len(text)
        if column >= end:
            break
        if column + cells > start:
            out.append((_window(text, start - column, end - column), style))
        column += cells
    return out


def _window(text: str, start: int, end: int) -> str:
    if text.isascii():
        return text[max(0, start) : end]
    out, column = "", 0
    for char in text:
        cells = cell_len(char)
        before, column = column, column + cells
        if before >= start and column <= end:
            out += char if cells or before > start else ""
        else:
            out += " " * max(0, min(column, end) - max(before, start))
    return out


def _tabs_filled(text: str, column: int) -> Iterator[str]:
    first, *rest = text.split("\t")
    column += cell_len(first)
    yield first
    for each in rest:
        fill = TAB - column % TAB
        column += fill + cell_len(each)
        yield " " * fill + each


def _colour(colour: Colour) -> str | None:
    if colour is None:
        return None
    if isinstance(colour, tuple):
        return "#{:02x}{:02x}{:02x}".format(*colour)
    return f"color({colour})"
