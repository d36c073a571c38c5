"""The window over a log stays at its rows, for any heights and any new rows."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.logs.filter import FilteredRows
from monit_agent.client.logs.logbook import Logbook
from monit_agent.client.source import LogChunk
from monit_agent.wire.ids import local_instance
from monit_tui.widgets.log.window import LogWindow


class Log:
    """A book of one stream whose rows have given heights."""

    def __init__(self, heights: list[int]) -> None:
        self.heights = heights
        self.book = Logbook(10_000)
        self.book.select([local_instance("web", 0)])
        self.shown = FilteredRows(self.book.merged)
        self.window = LogWindow(self.shown, self.height_of)
        self.end = 0

    def height_of(self, seq: int) -> int:
        return self.heights[seq % len(self.heights)]

    def add(self, count: int) -> None:
        data = b"x\n" * count
        self.book.add_chunk(
            LogChunk(local_instance("web", 0), "out", self.end, data, ((0, 1),)), 0.0
        )
        self.end += len(data)
        self.book.flush(0.0)
        self.shown.update()


HEIGHTS = st.lists(st.integers(1, 7), min_size=1, max_size=8)


@given(HEIGHTS, st.integers(0, 60), st.integers(1, 20))
def test_following_shows_the_end(heights: list[int], count: int, height: int) -> None:
    """While following, the last line is at the bottom, or all lines are in view."""
    log = Log(heights)
    log.window.height = height
    log.add(count)
    rows = log.window.rows()
    every = [(seq, line) for seq in range(count) for line in range(log.height_of(seq))]
    assert rows == every[-height:]


STEPS = st.lists(
    st.tuples(st.sampled_from(["move", "scroll", "add", "resize", "end"]), st.integers(-30, 30)),
    max_size=25,
)


@given(HEIGHTS, STEPS, st.integers(1, 12))
def test_any_steps_keep_the_screen_full_and_the_cursor_in_view(
    heights: list[int], steps: list[tuple[str, int]], height: int
) -> None:
    """After any steps the window is full, its lines are consecutive, and the cursor is in view."""
    log = Log(heights)
    window = log.window
    window.height = height
    log.add(40)
    window.rows()
    for kind, size in steps:
        before = window.rows()
        if kind == "move":
            window.move_cursor(size)
        elif kind == "scroll":
            window.scroll(size)
        elif kind == "add":
            log.add(abs(size))
            if not window.follow:
                assert window.rows() == before
        elif kind == "resize":
            window.resize(max(1, abs(size)))
        else:
            window.follow_end()
        rows = window.rows()
        every = [(seq, line) for seq in range(len(log.shown)) for line in range(log.height_of(seq))]
        at = every.index(rows[0])
        assert rows == every[at : at + window.height]
        assert len(rows) == min(window.height, len(every))
        if kind != "add" or window.follow:
            assert window.cursor in [seq for seq, _ in rows]


def test_high_rows_scroll_line_by_line() -> None:
    """A wrapped row is scrolled by lines, up and down."""
    log = Log([5])
    log.window.height = 3
    log.add(10)
    log.window.rows()
    log.window.scroll(-4)
    assert log.window.rows() == [(8, 3), (8, 4), (9, 0)]
    log.window.scroll(-1)
    assert log.window.rows() == [(8, 2), (8, 3), (8, 4)]
    log.window.scroll(1)
    assert log.window.rows() == [(8, 3), (8, 4), (9, 0)]


def test_keys_on_an_empty_log_do_nothing() -> None:
    """Moving and scrolling without rows changes nothing."""
    log = Log([1])
    log.window.move_cursor(-1)
    log.window.scroll(3)
    log.window.pause()
    assert log.window.rows() == []
    assert log.window.unseen == 0


def test_rows_since_the_pause_are_counted() -> None:
    """Rows after the last painted one count as new."""
    log = Log([1])
    log.window.height = 5
    log.add(10)
    log.window.rows()
    log.add(3)
    log.window.move_cursor(-1)
    assert log.window.unseen == 3
    log.add(4)
    assert log.window.unseen == 7
    log.window.follow_end()
    assert log.window.unseen == 0
