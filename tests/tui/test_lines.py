"""Only what changed is sent."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.style import Style
from textual.strip import Strip

from monit_agent.client import scenes
from monit_tui.compositor import TightCompositor, TightUpdate
from monit_tui.widgets.lines import changed_spans, strip
from screening import Shown, show

PLAIN, RED = Style(), Style(color="red")
PARTS = st.lists(st.tuples(st.text("ab あ", max_size=6), st.sampled_from([PLAIN, RED])), max_size=6)


def _paint(line: Strip, spans: list[tuple[int, int]], fresh: Strip) -> Strip:
    """Do what a terminal does with the spans of ``fresh`` that are sent."""
    at, parts = 0, []
    for start, end in spans:
        parts += [line.crop(at, start), fresh.crop(start, end)]
        at = end
    return Strip.join([*parts, line.crop(at, line.cell_length)])


@given(PARTS, PARTS)
def test_the_changed_spans_turn_the_old_line_into_the_new(
    old: list[tuple[str, Style]], new: list[tuple[str, Style]]
) -> None:
    """Sending these spans and nothing else leaves the new line on the screen."""
    before, after = strip(old, 30), strip(new, 30)
    spans = list(changed_spans(before, after))
    assert _paint(before, spans, after).text == after.text
    assert not spans or before != after


def test_equal_lines_have_no_spans() -> None:
    """Nothing changed, nothing sent."""
    assert list(changed_spans(strip([("abc", RED)], 9), strip([("abc", RED)], 9))) == []


def test_a_dirty_stretch_is_sent_alone() -> None:
    """One changed digit at the end of a row does not send the row."""
    row = strip([("name      state     12%", PLAIN)], 40)
    update = TightUpdate([{0: row}], [(0, 20, 22)], [[40]])
    sent = update.render_segments(Console(file=io.StringIO(), force_terminal=True))
    assert sent == "\x1b[1;21H12"


def test_the_overview_is_composed_tightly() -> None:
    """The screen uses the compositor that crops on both sides (Textual's own does not)."""

    async def play(shown: Shown) -> None:
        assert type(shown.app.overview._compositor) is TightCompositor

    show(play, scenes.healthy())


def test_a_quiet_fleet_repaints_little() -> None:
    """Ten seconds of three healthy apps send less than 390 bytes a second, logs aside."""

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
