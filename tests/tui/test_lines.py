"""Only changed cells are sent."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.style import Style
from textual.strip import Strip

from monit_agent.replay import scenes
from monit_tui.compositor import TightCompositor, TightUpdate
from monit_tui.widgets.lines import changed_spans, make_strip
from support.screen import Shown, show

PLAIN, RED = Style(), Style(color="red")
PARTS = st.lists(st.tuples(st.text("ab あ", max_size=6), st.sampled_from([PLAIN, RED])), max_size=6)


def _paint(line: Strip, spans: list[tuple[int, int]], fresh: Strip) -> Strip:
    """Return the line that a terminal shows after the spans of ``fresh`` are sent."""
    at, parts = 0, []
    for start, end in spans:
        parts += [line.crop(at, start), fresh.crop(start, end)]
        at = end
    return Strip.join([*parts, line.crop(at, line.cell_length)])


@given(PARTS, PARTS)
def test_the_changed_spans_make_the_new_line(
    old: list[tuple[str, Style]], new: list[tuple[str, Style]]
) -> None:
    """The old line with the changed spans of the new one is the new line."""
    before, after = make_strip(old, 30), make_strip(new, 30)
    spans = list(changed_spans(before, after))
    assert _paint(before, spans, after).text == after.text
    assert not spans or before != after


def test_equal_lines_have_no_spans() -> None:
    """Two equal lines have no changed spans."""
    assert list(changed_spans(make_strip([("abc", RED)], 9), make_strip([("abc", RED)], 9))) == []


def test_only_the_dirty_cells_are_sent() -> None:
    """Two dirty cells at the end of a row send only these two."""
    row = make_strip([("name      state     12%", PLAIN)], 40)
    update = TightUpdate([{0: row}], [(0, 20, 22)], [[40]])
    sent = update.render_segments(Console(file=io.StringIO(), force_terminal=True))
    assert sent == "\x1b[1;21H12"


def test_a_second_change_of_a_line_names_only_its_column() -> None:
    """Two changes of a line are placed by line and column, then by column; the next line again by
    both."""
    row = make_strip([("name      state     12%", PLAIN)], 40)
    spans = [(0, 0, 2), (0, 20, 22), (1, 0, 2)]
    update = TightUpdate([{0: row}, {0: row}], spans, [[40], [40]])
    sent = update.render_segments(Console(file=io.StringIO(), force_terminal=True))
    assert sent == "\x1b[1;1Hna\x1b[21G12\x1b[2;1Hna"


def test_the_overview_has_the_tight_compositor() -> None:
    """The screen uses the compositor that crops on both sides, unlike Textual's own."""

    async def play(shown: Shown) -> None:
        assert type(shown.app.overview._compositor) is TightCompositor

    show(play, scenes.healthy())


def test_a_quiet_fleet_repaints_little() -> None:
    """Ten seconds of three healthy apps send less than 390 bytes a second, without logs."""

    async def play(shown: Shown) -> None:
        sent: list[str] = []
        shown.app.overview.details.logs.display = False
        await shown.pilot.pause()
        compositor = shown.app.overview._compositor
        paint = compositor.render_partial_update

        def record():
            update = paint()
            if update is not None:
                sent.append(update.render_segments(shown.app.console))
            return update

        compositor.render_partial_update = record  # type: ignore[method-assign]
        for second in range(10):
            frames = len(sent)
            await shown.pass_time(1)
            await shown.until(lambda: len(sent) > frames, f"a frame of second {second}")  # noqa: B023
        assert 0 < len("".join(sent).encode()) < 3900

    show(play, scenes.healthy())
