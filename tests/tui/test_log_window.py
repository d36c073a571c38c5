"""The window over a log holds on to rows, whatever their heights and whatever comes."""

from hypothesis import given
from hypothesis import strategies as st

from monit_agent.client.logbook import Logbook
from monit_agent.client.logfilter import Shown
from monit_agent.client.source import LogChunk
from monit_agent.client.view import Identity
from monit_tui.widgets.log_window import Window


class Log:
    """A book of one stream whose rows are as high as their numbers say."""

    def __init__(self, heights: list[int]) -> None:
        self.heights = heights
        self.book = Logbook(10_000)
        self.book.select([Identity("web", 0)])
        self.shown = Shown(self.book.merged)
        self.window = Window(self.shown, self.height_of)
        self.end = 0

    def height_of(self, seq: int) -> int:
        return self.heights[seq % len(self.heights)]

    def add(self, count: int) -> None:
        data = b"x\n" * count
        self.book.take(LogChunk("web", 0, "out", self.end, data, ((0, 1),)), 0.0)
        self.end += len(data)
        self.book.flush(0.0)
        self.shown.update()


HEIGHTS = st.lists(st.integers(1, 7), min_size=1, max_size=8)


@given(HEIGHTS, st.integers(0, 60), st.integers(1, 20))
def test_following_shows_the_end(heights: list[int], count: int, height: int) -> None:
    """The last line of the last row is at the bottom, or everything fits from the top on."""
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
    """After any motion the window shows neighbouring lines without holes, no blank lines while
    there are rows to fill them, and the cursor's row is among them."""
    log = Log(heights)
    window = log.window
    window.height = height
    log.add(40)
    window.rows()
    for kind, size in steps:
        before = window.rows()
        if kind == "move":
            window.move(size)
        elif kind == "scroll":
            window.scroll(size)
        elif kind == "add":
            log.add(abs(size))
            if not window.follow:
                assert window.rows() == before
        elif kind == "resize":
            window.resize(max(1, abs(size)))
        else:
            window.end()
        rows = window.rows()
        every = [(seq, line) for seq in range(len(log.shown)) for line in range(log.height_of(seq))]
        at = every.index(rows[0])
        assert rows == every[at : at + window.height]
        assert len(rows) == min(window.height, len(every))
        if kind != "add" or window.follow:
            assert window.cursor in [seq for seq, _ in rows]


def test_scrolling_goes_line_by_line_through_high_rows() -> None:
    """A wrapped row is scrolled a line at a time, there and back."""
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


def test_an_empty_log_can_be_steered() -> None:
    """No rows, no errors."""
    log = Log([1])
    log.window.move(-1)
    log.window.scroll(3)
    log.window.pause()
    assert log.window.rows() == []
    assert log.window.unseen == 0


def test_what_came_since_is_counted() -> None:
    """Rows that came after the last painted one are new."""
    log = Log([1])
    log.window.height = 5
    log.add(10)
    log.window.rows()
    log.add(3)
    log.window.move(-1)
    assert log.window.unseen == 3
    log.add(4)
    assert log.window.unseen == 7
    log.window.end()
    assert log.window.unseen == 0
