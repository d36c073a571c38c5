"""The timeline: events of all apps, filtered, fetched, and a way to their moments."""

import pytest

from monit_agent.replay import scenes
from monit_agent.replay.incident import CRASH
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import EventRecord, EventsRange
from monit_tui.model.processes.rows import RowKey
from monit_tui.model.timeline import event_text
from support.screen import Shown, show


async def open_timeline(shown: Shown, *keys: str) -> None:
    """Show the timeline alone on the screen."""
    await shown.press("5", "z", *keys)


def rows(shown: Shown) -> list[str]:
    """Return the lines of the events."""
    return [line.rstrip() for line in shown.lines()[2:-1] if line.strip()]


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50)])
def test_events_of_all_apps_are_in_one_order(size: tuple[int, int]) -> None:
    """Apps, instances, kinds, texts and who did it stand in one list, the newest last."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown)
        text = "\n".join(rows(shown))
        assert {"web/0", "api/1", "worker/0"} <= set(text.split())
        assert "Timeline ━ all apps" in shown.text()
        entries = shown.app.overview.details.events.timeline.entries
        assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
        assert str(entries[-1].app) in rows(shown)[-1]

    show(play, scenes.healthy(), size=size)


def test_new_events_come_at_the_end_and_move_nothing_under_a_cursor() -> None:
    """Without a cursor the newest event is in view; with one, the lines stay where they are."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown)
        before = rows(shown)
        await shown.pass_time(5)
        assert rows(shown) != before
        await shown.press("k", "k", "k")
        picked = shown.app.overview.details.events.cursor
        before = rows(shown)
        await shown.pass_time(30)
        assert rows(shown) == before
        assert shown.app.overview.details.events.cursor == picked
        await shown.press("G")
        assert rows(shown) != before

    show(play, scenes.trouble())


def test_a_filter_narrows_by_app_kind_and_text() -> None:
    """All words must match; ! excludes, app: and kind: look there only, Esc clears."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown)
        shown.app.overview.details.events.set_filter("kind:exited !api")
        await shown.pilot.pause()
        assert rows(shown)
        assert all("exited" in row and "api" not in row for row in rows(shown))
        assert "/kind:exited !api" in shown.lines()[1]
        shown.app.overview.details.events.set_filter("app:search 127")
        await shown.pilot.pause()
        assert all("search/0" in row and "127" in row for row in rows(shown))
        await shown.press("escape")
        assert any("newsletter" in row or "api" in row for row in rows(shown))
        assert shown.focused() == "events"

    show(play, scenes.trouble())


def test_typing_filters_at_once() -> None:
    """The field filters while the user types, and Esc in it shows all again."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown, "slash", *"worker")
        assert all("worker" in row for row in rows(shown))
        await shown.press("escape")
        assert any("api" in row for row in rows(shown))
        assert shown.focused() == "events"
        assert not shown.table.arrangement.filter

    show(play, scenes.healthy())


def test_a_shows_the_row_alone() -> None:
    """Key a shows only the events of the row under the list's cursor, and all again."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        await open_timeline(shown, "a")
        assert "Timeline ━ worker" in shown.text()
        assert all("worker" in row for row in rows(shown))
        await shown.press("a")
        assert any("web/0" in row for row in rows(shown))

    show(play, scenes.healthy())


def test_enter_shows_log_and_charts_of_the_moment() -> None:
    """Enter goes to the app's log at the time of the event, and its charts have the cursor
    there."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown)
        shown.app.overview.details.events.set_filter("sigkill web/2")
        await shown.press("e", "enter")
        details = shown.app.overview.details
        assert shown.focused() == "logs"
        assert shown.table.cursor == RowKey(local_app("web"), 2)
        await shown.until(lambda: abs((details.logs.moments.shown() or 0) - CRASH) < 20, "the log")
        assert details.metrics.times.cursor == CRASH
        await shown.press("3")
        assert "web/2 exited: killed by SIGKILL" in shown.text()

    show(play, scenes.incident())


def test_older_events_are_fetched_at_the_top() -> None:
    """Going up at the oldest known event fetches older ones until there are no more."""

    async def play(shown: Shown) -> None:
        pane = shown.app.overview.details.events
        await open_timeline(shown, "a", "g")
        oldest = pane.timeline.entries[0]
        await shown.until(lambda: not pane.timeline.is_waiting, "the answer")
        assert any(isinstance(one, EventsRange) for _, one in shown.recorder.requests)
        await shown.until(lambda: pane.timeline.is_complete, "all is known")
        assert pane.timeline.entries[0] <= oldest
        await shown.press("g")
        assert "no older events" in rows(shown)[0]

    show(play, scenes.trouble())


def test_problems_are_found() -> None:
    """Key e goes to the nearest problem above: the crash, not the requested exits."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown, "e")
        cursor = shown.app.overview.details.events.cursor
        assert cursor is not None
        assert cursor.at == CRASH + 41.0
        await shown.press("e")
        assert shown.app.overview.details.events.cursor.at == CRASH

    show(play, scenes.incident())


def test_hostile_text_stays_text() -> None:
    """What apps and users wrote in events is shown without control characters."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown)
        assert not {char for char in shown.text() if ord(char) < 32 and char != "\n"}

    show(play, scenes.hostile())


def test_the_mouse_selects_events() -> None:
    """A click selects the event under the mouse."""

    async def play(shown: Shown) -> None:
        await open_timeline(shown)
        pane = shown.app.overview.details.events
        await shown.pilot.click(pane, offset=(10, 2))
        assert pane.cursor == pane.timeline.entries[2]
        await shown.pilot.click(pane, offset=(10, 4))
        assert pane.cursor == pane.timeline.entries[4]

    show(play, scenes.healthy())


def test_instances_that_a_request_names_have_the_name_of_their_app() -> None:
    """``stop job/0``, not ``stop 0``; numbers that mean something else stay."""

    def text(said: str, kind: str = "requested") -> str:
        return event_text(EventRecord(seq=1, at=1.0, kind=kind, text=said), "job")

    assert text("stop 0") == "stop job/0"
    assert text("signal SIGHUP 0, 2: rotate") == "signal SIGHUP job/0, 2: rotate"
    assert text("scale to 3") == "scale to 3"
    assert text("SIGKILL to 2 workers") == "SIGKILL to 2 workers"
    assert text("stop 0", "exited") == "stop 0"
