"""Lines of Textual as the terminal's cells.

Textual and Rich count a combining mark as a character of zero width and may cut a line in front of
it, which moves a mark to another letter.
"""

from collections.abc import Sequence

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from monit_tui.text.clusters import UNSURE, clusters, sure_parts

Cell = tuple[str, Style | None, bool]
"""Text, style, and whether it is the second cell of a wide character, which repeats its text."""


def cells_of(line: Strip) -> list[Cell]:
    """Return the cells of a line."""
    cells: list[Cell] = []
    for text, style, _ in line:
        if text.isascii():
            cells += [(char, style, False) for char in text]
            continue
        for cluster, width in clusters(text):
            if width:
                cells.append((cluster, style, False))
                cells += [(cluster, style, True)] * (width - 1)
            else:
                _add_marks(cells, cluster)
    return cells


def _add_marks(cells: list[Cell], marks: str) -> None:
    """Add marks, which have another style than their character, to the last cell."""
    first = len(cells) - (2 if cells and cells[-1][2] else 1)
    for place in range(max(0, first), len(cells)):
        before, style, rest = cells[place]
        cells[place] = (before + marks, style, rest)


def crop_line(line: Strip, start: int, end: int) -> Strip:
    """Return the cells from ``start`` to ``end``; half of a wide character becomes a blank."""
    if all(text.isascii() for text, _, _ in line):
        return line.crop(start, end)
    kept = cells_of(line)[start:end]
    segments: list[Segment] = []
    for place, (text, style, rest) in enumerate(kept):
        if rest and place:
            continue
        following = kept[place + 1] if place + 1 < len(kept) else None
        whole = not rest and (_width(text) < 2 or bool(following and following[2]))
        shown = text if whole else " "
        if segments and segments[-1].style == style:
            segments[-1] = Segment(segments[-1].text + shown, style)
        else:
            segments.append(Segment(shown, style))
    return Strip(segments, len(kept))


def sure_pieces(line: Strip) -> Sequence[tuple[int, Strip]] | None:
    """Return (column, piece) such that no piece comes behind text of uncertain width, or None if
    the line can be written as it is."""
    if not any(UNSURE.search(text) for text, _, _ in line):
        return None
    pieces: list[tuple[int, Strip]] = []
    run: list[Segment] = []
    column = width = 0
    for text, style, _ in line:
        if not column and not width:
            text = _without_first_marks(text)  # noqa: PLW2901 - there is nothing they could be on
        for part, unsure in sure_parts(text):
            cells = sum(own for _, own in clusters(part))
            run.append(Segment(part, style))
            width += cells
            if unsure:
                pieces.append((column, Strip(run, width)))
                column, run, width = column + width, [], 0
    return [*pieces, (column, Strip(run, width))] if run else pieces


def _without_first_marks(text: str) -> str:
    first = next((at for at, char in enumerate(text) if get_character_cell_size(char)), len(text))
    return text[first:]


def _width(cluster: str) -> int:
    return max((get_character_cell_size(char) for char in cluster), default=0)
