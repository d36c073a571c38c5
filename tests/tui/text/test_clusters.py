"""Lines as the cells of a terminal, also with marks, wide characters and doubtful widths."""

import io
import re
import unicodedata

import pyte
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from rich.control import Control
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from monit_tui.compositor import TightUpdate, WholeUpdate
from monit_tui.text.strips import cells_of, crop_line
from monit_tui.widgets.lines import changed_spans, make_strip

PLAIN, RED = Style(), Style(color="red")
WIDTH = 40
CHARACTERS = "ab 1茶語" + "สวดั\u0301\u0e34" + "한\u1112\u1161\u11ab" + "👍"
PARTS = st.lists(
    st.tuples(st.text(CHARACTERS, max_size=8), st.sampled_from([PLAIN, RED])), max_size=6
)
MOVE = re.compile(r"\x1b\[(?:\d+;)?(\d+)[HG]")


def console() -> Console:
    return Console(file=io.StringIO(), force_terminal=True)


def whole(line: Strip) -> str:
    return WholeUpdate([[line]], Region(0, 0, WIDTH, 1)).render_segments(console())


def changed(old: Strip, new: Strip) -> str:
    spans = [(0, start, end) for start, end in changed_spans(old, new)]
    return TightUpdate([{0: new}], spans, [[WIDTH]]).render_segments(console())


def emulated(*sent: str) -> list[tuple[str, str]]:
    """Return character and colour of the cells that an emulator shows after these sequences,
    without marks: it drops some, and what is written with them."""
    screen = pyte.Screen(WIDTH, 2)
    stream = pyte.Stream(screen)
    for each in sent:
        stream.feed(each)
    row = [screen.buffer[0][x] for x in range(WIDTH)]
    bare = [unicodedata.normalize("NFD", cell.data)[:1] for cell in row]
    return [
        ("" if unicodedata.category(text or " ") == "Mn" else text, cell.fg)
        for text, cell in zip(bare, row, strict=True)
    ]


@given(PARTS, PARTS)
@example([("สวัสดี 41", PLAIN)], [("สวัสดี 42", PLAIN)])
@example([("茶a", PLAIN)], [("語a", PLAIN)])
def test_a_changed_line_looks_like_a_new_one(
    old: list[tuple[str, Style]], new: list[tuple[str, Style]]
) -> None:
    """An old line with the changes of a new one shows the same cells as the new one alone."""
    before, after = make_strip(old, WIDTH), make_strip(new, WIDTH)
    assert emulated(whole(before), changed(before, after)) == emulated(whole(after))


@given(PARTS, st.integers(0, WIDTH), st.integers(0, WIDTH))
def test_a_crop_is_as_wide_as_its_columns(
    parts: list[tuple[str, Style]], start: int, end: int
) -> None:
    """A crop has the cells of its columns, and every mark stays with its character."""
    line = make_strip(parts, WIDTH)
    crop = crop_line(line, start, end)
    assert len(cells_of(crop)) == max(0, end - start)
    for mine, own in zip(cells_of(crop), cells_of(line)[start:end], strict=True):
        assert mine[0] in {own[0], " "}


@given(PARTS, st.sampled_from([0, 1, 3]))
def test_text_behind_a_doubtful_character_is_in_its_place(
    parts: list[tuple[str, Style]], wrong: int
) -> None:
    """In a terminal that gives marks, pictures and Thai letters another width, Latin letters and
    digits are in their columns nevertheless."""
    line = make_strip(parts, WIDTH)
    shown: dict[int, str] = {}
    column = 0
    for piece in re.split(r"(\x1b\[[\d;]*[A-Za-z])", whole(line)):
        found = MOVE.fullmatch(piece)
        if found:
            column = int(found[1]) - 1
        elif not piece.startswith("\x1b"):
            for char in piece:
                if char.isascii():
                    shown[column] = char
                column += 1 if char.isascii() else 2 if char in "茶語한" else wrong
    for place, (text, _, _) in enumerate(cells_of(line)):
        if text.isascii() and text != " ":
            assert shown.get(place) == text


def test_plain_text_costs_nothing_more() -> None:
    """A line of plain text, with the screen's own glyphs, is one write without cursor motion."""
    line = make_strip([("● web ▁▂▃ 12% …│─ ✖ 茶", PLAIN)], WIDTH)
    assert whole(line) == Control.move_to(0, 0).segment.text + line.render(console())
