"""A table for a terminal or a pipe: which columns fit is decided by the caller's layouts."""

from collections.abc import Sequence
from typing import NamedTuple

from monit_agent.cli.terminal import Terminal
from monit_agent.cli.visible import cut, visible, width


class Cell(NamedTuple):
    """A text and the name of its colour ("" for none)."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column: its heading, whether it is a number, and whether it may be shortened."""

    title: str
    right: bool = False
    shrinks: bool = False


class Frame(NamedTuple):
    """The characters of a box."""

    top: str
    middle: str
    bottom: str
    line: str
    wall: str
    ellipsis: str


ROUND = Frame("╭┬╮", "├┼┤", "╰┴╯", "─", "│", "…")
ASCII = Frame("+++", "+++", "+++", "-", "|", "~")
SHORTEST = 6
"""A column that shrinks keeps at least so many characters."""


def boxed(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], screen: Terminal) -> list[str]:
    """Draw a table with a box, as narrow as its contents and never wider than it has to be."""
    frame = ROUND if screen.unicode else ASCII
    widths = _shrunk(columns, widths_of(columns, rows), screen.width)
    lines = [_border(frame.top, widths, frame)]
    titles = [Cell(column.title, "bold") for column in columns]
    lines.append(_row(columns, titles, widths, frame, screen))
    lines.append(_border(frame.middle, widths, frame))
    lines.extend(_row(columns, row, widths, frame, screen) for row in rows)
    lines.append(_border(frame.bottom, widths, frame))
    return lines


def plain(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """Give aligned columns two blanks apart, without colour: for pipes, grep and awk."""
    widths = widths_of(columns, rows)
    titles = [column.title for column in columns]
    texts = [titles, *([visible(cell.text) for cell in row] for row in rows)]
    return [
        "  ".join(
            _padded(text, size, right=column.right)
            for column, text, size in zip(columns, line, widths, strict=True)
        ).rstrip()
        for line in texts
    ]


def widths_of(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> list[int]:
    """Give the columns of the terminal that each column of the table needs."""
    return [
        max([width(column.title), *(width(visible(row[index].text)) for row in rows)])
        for index, column in enumerate(columns)
    ]


def box_width(widths: Sequence[int]) -> int:
    """Give how wide a box around columns of these widths is."""
    return sum(widths) + 3 * len(widths) + 1


def _shrunk(columns: Sequence[Column], widths: list[int], room: int) -> list[int]:
    over = box_width(widths) - room
    for index, column in enumerate(columns):
        if over > 0 and column.shrinks:
            less = min(over, max(0, widths[index] - SHORTEST))
            widths[index] -= less
            over -= less
    return widths


def _border(corners: str, widths: Sequence[int], frame: Frame) -> str:
    bars = [frame.line * (size + 2) for size in widths]
    return corners[0] + corners[1].join(bars) + corners[2]


def _row(
    columns: Sequence[Column],
    cells: Sequence[Cell],
    widths: Sequence[int],
    frame: Frame,
    screen: Terminal,
) -> str:
    shown = [
        screen.paint(
            _padded(cut(visible(cell.text), size, frame.ellipsis), size, right=column.right),
            cell.style,
        )
        for column, cell, size in zip(columns, cells, widths, strict=True)
    ]
    wall = frame.wall
    return f"{wall} " + f" {wall} ".join(shown) + f" {wall}"


def _padded(text: str, size: int, *, right: bool) -> str:
    blanks = " " * max(0, size - width(text))
    return blanks + text if right else text + blanks
