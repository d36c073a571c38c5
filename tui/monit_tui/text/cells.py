"""Safe text (``client/text/sanitize.py``) as styled cells: tabs, wide characters, wrapping,
matches.

Everything here takes and returns `Parts`: pieces of text with their style. Each cell has a style,
because Textual fails under ``NO_COLOR`` on a cell without one.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

from rich.cells import cell_len
from rich.style import Style

from monit_agent.client.text.sanitize import spans
from monit_agent.client.text.sgr import Colour, TextStyle

Part = tuple[str, Style]
Parts = list[Part]

TAB = 8


def styled(raw: bytes, base: Style, most: int) -> Parts:
    """Return what a worker printed as parts on top of ``base``, at most about ``most``
    characters; tabs are expanded to the next column of eight."""
    parts: Parts = []
    column = 0
    for text, style in spans(raw, most):
        if "\t" in text:
            text = "".join(_tabs_filled(text, column))  # noqa: PLW2901 - the same text, tabs expanded
        column += cell_len(text)
        parts.append((text, base + style_of(style)))
    return parts


@lru_cache(maxsize=512)
def style_of(style: TextStyle) -> Style:
    """Return the terminal style of a text style."""
    return Style(
        color=_colour(style.fg),
        bgcolor=_colour(style.bg),
        bold=style.bold or None,
        dim=style.dim or None,
        italic=style.italic or None,
        underline=style.underline or None,
        reverse=style.reverse or None,
        strike=style.strike or None,
    )


def highlighted(
    parts: Parts, matches: Callable[[str], list[tuple[int, int]]], style: Style
) -> Parts:
    """Return ``parts`` with ``style`` over everything that matches: ``matches`` returns where, in
    order."""
    found = matches("".join(part for part, _ in parts))
    if not found:
        return parts
    edges = sorted({edge for span in found for edge in span})
    end_of = dict(found)
    out: Parts = []
    at = until = 0
    for part, own in parts:
        stops = [edge - at for edge in edges if at < edge < at + len(part)]
        for start, stop in zip([0, *stops], [*stops, len(part)], strict=True):
            until = end_of.get(at + start, until)
            out.append((part[start:stop], own + style if at + start < until else own))
        at += len(part)
    return out


def over_span(parts: Parts, span: tuple[int, int], style: Style) -> Parts:
    """Return ``parts`` with ``style`` over the characters from ``span[0]`` to ``span[1]``."""
    out: Parts = []
    at = 0
    for text, own in parts:
        first, last = (min(max(0, edge - at), len(text)) for edge in span)
        out += [(text[:first], own), (text[first:last], own + style), (text[last:], own)]
        at += len(text)
    return [part for part in out if part[0]]


def wrapped(parts: Parts, width: int) -> list[Parts]:
    """Break parts into rows of at most ``width`` cells (at least 1): behind a blank in the second
    half of the row if there is one, never inside a character.

    A character wider than a whole row is shown as ``?``.
    """
    if width == 1:
        parts = [("".join(_narrow(text)), style) for text, style in parts]
    text = "".join(part for part, _ in parts)
    rows: list[Parts] = []
    row: Parts = []
    ends = _row_ends(text, width)
    end, at = next(ends), 0
    for part, style in parts:
        start = 0
        while at + len(part) - start > end:
            row.append((part[start : start + end - at], style))
            rows.append([piece for piece in row if piece[0]])
            start, at, row = start + end - at, end, []
            end = next(ends)
        row.append((part[start:], style))
        at += len(part) - start
    rows.append([piece for piece in row if piece[0]])
    return rows


def _narrow(text: str) -> Iterator[str]:
    return (char if cell_len(char) <= 1 else "?" for char in text)


def _row_ends(text: str, width: int) -> Iterator[int]:
    """Yield where each row ends, and at last the end of the text."""
    start, least, is_ascii = 0, width // 2, text.isascii()
    while True:
        full = start + width if is_ascii else _full_row(text, start, width)
        if full >= len(text):
            yield len(text)
            return
        half = start + least if is_ascii else _full_row(text, start, least)
        blank = text.rfind(" ", half, full) + 1
        start = blank or full
        yield start


def _full_row(text: str, start: int, width: int) -> int:
    """Return where the characters from ``start`` on no longer fit."""
    used = 0
    for at in range(start, len(text)):
        used += cell_len(text[at])
        if used > width and at > start:
            return at
    return len(text)


def cropped(parts: Parts, start: int, width: int) -> Parts:
    """Return the cells from column ``start`` on, at most ``width`` of them; half of a wide
    character at an edge becomes a blank."""
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
