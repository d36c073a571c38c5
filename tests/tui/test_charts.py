"""The charts: times, marks, the cursor, and the past that agents answer."""

import pytest
from msgspec.structs import replace

from monit_agent.replay import scenes
from monit_agent.replay.incident import CRASH
from monit_agent.replay.source import ReplaySource
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import HistoryRange, Refused
from monit_tui.terminal import TerminalFeatures
from monit_tui.widgets.charts.metric_list import list_width
from support.screen import Shown, show

SIZES = [(80, 24), (120, 35), (200, 50)]


async def open_charts(shown: Shown, *keys: str, app: str = "web") -> None:
    """Show the charts of an app alone on the screen."""
    await shown.move_to(app)
    await shown.press("3", "z", *keys)


def charts(shown: Shown) -> list[str]:
    """Return the lines of the charts, without the list beside them."""
    return [line[list_width(shown.app.size.width) :] for line in shown.lines()]


def strip(shown: Shown, label: str) -> str:
    """Return the head of a metric's strip."""
    return next(line for line in charts(shown) if line.strip(" ▸").startswith(label))


def test_a_new_worker_is_not_said_to_have_no_probe() -> None:
    """A probe reports once a second, so of a worker that started just now nothing is missing."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        await shown.until(lambda: "no probe in this worker" in shown.text(), "the note")
        for view in shown.source.fleet.apps[local_app("worker")].instances.values():
            view.record = replace(view.record, started_at=shown.source.wall() - 1)
        shown.app.overview.details.metrics.repaint()
        assert "no probe in this worker" not in shown.text()

    show(play, scenes.healthy())


@pytest.mark.parametrize("size", SIZES)
def test_several_metrics_stand_on_one_time_axis(size: tuple[int, int]) -> None:
    """Strips of several metrics have their numbers, one axis with round times, and marks."""

    async def play(shown: Shown) -> None:
        await open_charts(shown, "minus", "minus")
        await shown.until(lambda: "✖" in shown.text(), "the crashes of the last hour")
        for label in ("CPU", "memory"):
            await shown.until(lambda: " at 13:" in strip(shown, label), "the peak of the hour")  # noqa: B023
            assert "max " in strip(shown, label)
        axis, marks = shown.lines()[-3], shown.lines()[-4]
        assert "13:30" in axis
        assert "14:00" in axis
        assert marks.index("✖") < marks.index("R"), "crashed, then reloaded"
        assert "200%" in shown.text()

    show(play, scenes.incident(), size=size)


def test_a_flat_series_is_a_number() -> None:
    """A metric that never changed takes one line and says so."""

    async def play(shown: Shown) -> None:
        await open_charts(shown)
        await shown.until(lambda: "the same all the time" in strip(shown, "threads"), "it is flat")
        place = charts(shown).index(strip(shown, "threads"))
        assert "children" in charts(shown)[place + 1]

    show(play, scenes.incident())


def test_a_time_without_workers_is_a_gap() -> None:
    """While the app was stopped, nothing is drawn between the marks of stop and start."""

    async def play(shown: Shown) -> None:
        await open_charts(shown, "minus", "minus", "minus", "minus", "j")
        await shown.until(lambda: "x─s" in shown.lines()[-4], "stop and start have their marks")
        between = shown.lines()[-4].index("x─s") + 1

        def column(number: int) -> list[str]:
            place = charts(shown).index(strip(shown, "memory"))
            return [line[number] for line in shown.lines()[place + 2 : place + 6]]

        await shown.until(lambda: " " not in column(between - 9), "the past is drawn")
        assert set(column(between)) == {" "}

    show(play, scenes.incident(), size=(200, 50))


def test_the_threshold_of_memory_is_drawn() -> None:
    """Where memory comes near the limit, the limit of all instances is a line in the chart."""

    async def play(shown: Shown) -> None:
        await open_charts(shown, "minus", "minus", "j")
        await shown.until(lambda: "max memory 768M" in strip(shown, "memory"), "the limit is named")
        assert "╌╌╌" in shown.text()

    show(play, scenes.incident(), size=(200, 50))


def test_the_cursor_shows_time_and_value_and_stops_the_charts() -> None:
    """Left and right move the cursor, Home goes to the oldest moment, End and Esc back to now."""

    async def play(shown: Shown) -> None:
        await open_charts(shown)
        await shown.press("left")
        assert "web, 5 min until 14:03:" in shown.text()
        head = strip(shown, "CPU")
        assert " 14:03:" in head
        assert "ago" in shown.lines()[-2]
        before = shown.app.overview.details.metrics.times.cursor
        await shown.pass_time(7)
        assert shown.app.overview.details.metrics.times.cursor == before
        await shown.press("home")
        assert " 13:58:" in strip(shown, "CPU")
        await shown.press("right", "shift+right", "shift+left", "h", "l")
        assert " 13:5" in strip(shown, "CPU")
        await shown.press("escape")
        assert "until" not in shown.lines()[1]
        assert shown.focused() == "metrics"
        await shown.press("h", "end")
        assert "until" not in shown.lines()[1]

    show(play, scenes.incident())


def test_older_times_can_be_shown() -> None:
    """Comma goes back by half a span, full stop forward, 0 to now."""

    async def play(shown: Shown) -> None:
        await open_charts(shown, "comma", "comma")
        await shown.until(lambda: "13:55" in shown.lines()[-3], "five minutes earlier")
        assert "until 13:58" in shown.text()
        await shown.press("full_stop")
        assert "until 14:00" in shown.text()
        await shown.press("0")
        assert "until" not in shown.lines()[1]

    show(play, scenes.incident())


def test_e_finds_the_crash_and_its_log() -> None:
    """Key e goes from event to event; the log pane goes to the moment, and follows again at the
    end."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        await shown.press("3", "minus", "minus", "e")
        pane = shown.app.overview.details.logs
        await shown.until(lambda: not pane.view.window.follow, "the log is at the moment")
        await shown.press("e", "e")
        metrics = shown.app.overview.details.metrics
        assert metrics.times.cursor == CRASH
        assert "web/2 exited: killed by SIGKILL" in shown.text()
        await shown.until(
            lambda: abs((pane.moments.shown() or 0) - CRASH) < 15, "the log is at the crash"
        )
        await shown.press("end")
        await shown.until(lambda: pane.view.window.follow, "the log follows again")

    show(play, scenes.incident(), size=(200, 50))


def test_enter_goes_to_the_log_of_the_moment() -> None:
    """Enter shows the log at the time of the cursor, also where the log was not in view."""

    async def play(shown: Shown) -> None:
        await open_charts(shown, "minus", "minus", "e", "e", "e", "enter")
        pane = shown.app.overview.details.logs
        assert shown.focused() == "logs"
        await shown.until(
            lambda: abs((pane.moments.shown() or 0) - CRASH) < 15, "the log is at the crash"
        )
        assert any("13:49:" in line for line in shown.lines()[3:8])

    show(play, scenes.incident(), size=(80, 24))


def test_the_moment_of_the_log_is_the_moment_of_the_charts() -> None:
    """Moving in the log moves the cursor of the charts; following again removes it."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web")
        metrics, pane = shown.app.overview.details.metrics, shown.app.overview.details.logs
        await shown.until(lambda: len(pane.view.shown) > 100, "lines are loaded")
        await shown.press("2", "pageup", "pageup")
        await shown.until(lambda: metrics.times.cursor is not None, "the charts have a cursor")
        assert metrics.times.cursor == pane.moments.shown()
        await shown.press("G")
        await shown.until(lambda: metrics.times.cursor is None, "the charts show now")

    show(play, scenes.incident())


def test_the_mouse_points_at_moments() -> None:
    """A click moves the cursor, a click in the list selects a metric, the wheel changes the
    span."""

    async def play(shown: Shown) -> None:
        await open_charts(shown)
        metrics = shown.app.overview.details.metrics
        await shown.pilot.click(metrics, offset=(80, 5))
        assert metrics.times.cursor is not None
        await shown.pilot.click(metrics, offset=(5, 1))
        assert "shared pages once" not in shown.text(), "the moment is shown instead"
        await shown.press("escape")
        assert "shared pages once" in shown.text()

    show(play, scenes.incident())


def test_the_past_is_fetched_once_and_bounded() -> None:
    """One request for each instance brings a span; going back to it needs none of it again."""

    async def play(shown: Shown) -> None:
        await open_charts(shown, "minus", "minus")

        def asked() -> list[HistoryRange]:
            found = [one for _, one in shown.recorder.requests if isinstance(one, HistoryRange)]
            return [one for one in found if one.step_s == step]

        step = shown.app.overview.details.metrics._window().step_s
        await shown.until(lambda: len(asked()) == 3, "each instance is asked")
        await shown.pass_time(1)
        await shown.press("equals_sign", "minus", "minus")
        await shown.pass_time(1)
        assert len(asked()) == 3
        assert {one.instance for one in asked()} == {0, 1, 2}

    show(play, scenes.incident())


def test_a_refused_past_is_said() -> None:
    """Where an agent refuses, the chart shows what was received and says why there is no more."""

    class Forgetful:
        def __init__(self, source: ReplaySource) -> None:
            self._send = source.send_request
            source.send_request = self._refuse  # type: ignore[method-assign]

        def _refuse(self, app, request, then, timeout_s: float = 5.0) -> None:
            if isinstance(request, HistoryRange):
                then(Refused(kind="failed", message="the history cannot be read"))
            else:
                self._send(app, request, then, timeout_s)

    source = scenes.incident()
    Forgetful(source)

    async def play(shown: Shown) -> None:
        await open_charts(shown)
        await shown.pass_time(1)
        assert "the past is not known: the history cannot be read" in shown.text()
        assert "max " in strip(shown, "CPU")

    show(play, source)


def test_a_time_without_any_sample_is_said() -> None:
    """Where nothing was measured no empty chart stands, but what to do; the line below is as wide
    as the pane, so that it can be read."""

    async def play(shown: Shown) -> None:
        await shown.move_to("newsletter", 0)
        text = " ".join(shown.text().split())
        assert "nothing was measured in this time;" in text
        assert "- shows a longer one" in text
        assert "not running; the charts show the past" in text

    show(play, scenes.trouble(), size=(120, 35))


def test_charts_are_drawn_with_ascii_alone() -> None:
    """Without UTF-8, curves, marks, thresholds and cursor are ASCII characters."""

    async def play(shown: Shown) -> None:
        await open_charts(shown, "minus", "minus", "e")
        await shown.until(lambda: "x" in shown.lines()[-4], "the crash has its mark")
        odd = {char for char in shown.text() if not char.isascii()}
        assert not odd

    show(play, scenes.incident(), at=TerminalFeatures(utf8=False))
