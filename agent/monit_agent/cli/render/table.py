"""A table for a terminal or a pipe; the caller decides which columns it has."""

from collections.abc import Sequence

from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.cli.render.visible import cut, visible, width
from monit_agent.typed import NamedTuple


class TableCell(NamedTuple):
    """A text and the name of its colour ("" for none)."""

    text: str
    style: str = ""


class TableColumn(NamedTuple):
    """A column: its heading, whether it is a number, and whether it may be shortened."""

    title: str
    right: bool = False
    shrinks: bool = False


class BoxCharacters(NamedTuple):
    """The characters of a box."""

    top: str
    middle: str
    bottom: str
    line: str
    wall: str
    ellipsis: str


ROUND = BoxCharacters("╭┬╮", "├┼┤", "╰┴╯", "─", "│", "…")
ASCII = BoxCharacters("+++", "+++", "+++", "-", "|", "~")
SHORTEST = 6
"""A column that shrinks keeps at least so many characters."""


def boxed_table(
    columns: Sequence[TableColumn], rows: Sequence[Sequence[TableCell]], screen: TerminalTraits
) -> list[str]:
    """Return a table with a box, as narrow as its contents and the terminal allow."""
    frame = ROUND if screen.unicode else ASCII
    widths = _shrunk(columns, widths_of(columns, rows), screen.width)
    lines = [_border(frame.top, widths, frame)]
    titles = [TableCell(column.title, "bold") for column in columns]
    lines.append(_row(columns, titles, widths, frame, screen))
    lines.append(_border(frame.middle, widths, frame))
    lines.extend(_row(columns, row, widths, frame, screen) for row in rows)
    lines.append(_border(frame.bottom, widths, frame))
    return lines


def plain_table(columns: Sequence[TableColumn], rows: Sequence[Sequence[TableCell]]) -> list[str]:
    """Return aligned columns two blanks apart, without colour: for pipes, grep and awk."""
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


def widths_of(columns: Sequence[TableColumn], rows: Sequence[Sequence[TableCell]]) -> list[int]:
    """Return the terminal columns that each column of the table needs."""
    return [
        max([width(column.title), *(width(visible(row[index].text)) for row in rows)])
        for index, column in enumerate(columns)
    ]


def box_width(widths: Sequence[int]) -> int:
    """Return how wide a box around columns of these widths is."""
    return sum(widths) + 3 * len(widths) + 1


def _shrunk(columns: Sequence[TableColumn], widths: list[int], room: int) -> list[int]:
    over = box_width(widths) - room
    for index, column in enumerate(columns):
        if over > 0 and column.shrinks:
            less = min(over, max(0, widths[index] - SHORTEST))
            widths[index] -= less
            over -= less
    return widths


def _border(corners: str, widths: Sequence[int], frame: BoxCharacters) -> str:
    bars = [frame.line * (size + 2) for size in widths]
    return corners[0] + corners[1].join(bars) + corners[2]


def _row(
    columns: Sequence[TableColumn],
    cells: Sequence[TableCell],
    widths: Sequence[int],
    frame: BoxCharacters,
    screen: TerminalTraits,
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
