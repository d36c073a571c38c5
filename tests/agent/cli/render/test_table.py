"""Tables: aligned whatever is in them, and no wider than the terminal where that is possible."""

import pytest

from monit_agent.cli.render.table import (
    SHORTEST,
    TableCell,
    TableColumn,
    box_width,
    boxed_table,
    plain_table,
    widths_of,
)
from monit_agent.cli.render.terminal import TerminalTraits
from monit_agent.cli.render.visible import width

SCREEN = TerminalTraits(is_tty=True, width=80, colour=False, unicode=True)
COLUMNS = (TableColumn("id", right=True), TableColumn("name", shrinks=True))


def cells(*rows: tuple[str, ...]) -> list[list[TableCell]]:
    return [[TableCell(text) for text in row] for row in rows]


def test_numbers_are_right_and_words_left() -> None:
    """As narrow as the longest text."""
    assert boxed_table(COLUMNS, cells(("3", "web"), ("12", "api-v2")), SCREEN) == [
        "╭────┬────────╮",
        "│ id │ name   │",
        "├────┼────────┤",
        "│  3 │ web    │",
        "│ 12 │ api-v2 │",
        "╰────┴────────╯",
    ]


def test_without_unicode_the_box_is_ascii() -> None:
    """Also the sign of a text that was cut."""
    screen = SCREEN._replace(unicode=False, width=16)
    assert boxed_table(COLUMNS, cells(("3", "a-long-name-of-an-app")), screen) == [
        "+----+---------+",
        "| id | name    |",
        "+----+---------+",
        "|  3 | a-long~ |",
        "+----+---------+",
    ]


def test_a_column_shrinks_only_to_its_bound() -> None:
    """A terminal that is narrower still gets a table that is too wide, and readable names."""
    lines = boxed_table(COLUMNS, cells(("3", "x" * 40)), SCREEN._replace(width=5))
    assert f"│ {'x' * (SHORTEST - 1)}… │" in lines[3]


def test_only_columns_that_may_shrink_do() -> None:
    """An id that was cut would name another app."""
    columns = (TableColumn("id", right=True), TableColumn("name"))
    lines = boxed_table(columns, cells(("123456789", "x" * 40)), SCREEN._replace(width=20))
    assert lines[3] == "│ 123456789 │ " + "x" * 40 + " │"


@pytest.mark.parametrize("text", ["版本", "e\u0301e\u0301", "a\x1b[31mb", "\x00\x07", "a\nb", ""])
def test_every_line_has_the_same_width(text: str) -> None:
    """Wide, combining and control characters included."""
    rows = cells(("1", text), ("2", "plain"))
    lines = boxed_table(COLUMNS, rows, SCREEN)
    assert {width(line) for line in lines} == {box_width(widths_of(COLUMNS, rows))}
    assert all(line.isprintable() for line in lines)


def test_colours_do_not_change_the_alignment() -> None:
    """The padding is coloured with its text, and every colour is ended."""
    (row,) = [[TableCell("1", "red"), TableCell("web", "bold")]]
    line = boxed_table(COLUMNS, [row], SCREEN._replace(colour=True))[3]
    assert line == "│ \x1b[31m 1\x1b[0m │ \x1b[1mweb \x1b[0m │"


def test_a_pipe_gets_columns_without_trailing_blanks() -> None:
    """For grep and awk: one line a row, whatever is in it, and nothing is cut."""
    lines = plain_table(COLUMNS, cells(("3", "web"), ("12", "x" * 200), ("4", "a\nb")))
    assert lines == ["id  name", " 3  web", f"12  {'x' * 200}", " 4  a^Jb"]
    assert plain_table(COLUMNS, []) == ["id  name"]
