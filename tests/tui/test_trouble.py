"""What is wrong stands first, with its reason, at every size."""

import pytest
from msgspec import structs

from monit_agent.replay import scenes
from monit_agent.wire.ids import local_app
from monit_tui.model.processes.condition import ClockReading
from monit_tui.model.processes.notes import reasons_of
from monit_tui.model.processes.rows import RowKey
from support.screen import Shown, show

NEEDED = "KeyError: 'MAIL_API_KEY'"


def below(shown: Shown, app: str) -> str:
    """Return the line below an app's row."""
    lines = shown.lines()
    place = next(n for n, line in enumerate(lines) if line[3:].startswith(app))
    return lines[place + 1]


@pytest.mark.parametrize("size", [(80, 24), (120, 35), (200, 50)])
def test_a_row_in_trouble_says_why(size: tuple[int, int]) -> None:
    """The line below a failed app has its exit code, how long it ran, and its error, also at 80 by
    24."""

    async def play(shown: Shown) -> None:
        await shown.until(lambda: NEEDED in below(shown, "newsletter"), "the error of newsletter")
        assert "exit code 1 after 0.21s" in below(shown, "newsletter")
        assert "exit code 1 after 2.5s · Error: connect ECONN" in below(shown, "api")

    show(play, scenes.trouble(), size=size)


def test_trouble_is_at_the_top_in_any_order() -> None:
    """Whatever the list is sorted by, the worst apps are its first rows."""

    async def play(shown: Shown) -> None:
        for _ in range(7):
            apps = list(dict.fromkeys(str(key.app) for key in shown.table.rows))
            assert apps[:2] == ["newsletter", "api"]
            assert apps[-1] == "web"
            await shown.press("greater_than_sign")

    show(play, scenes.trouble())


def test_healthy_rows_have_no_second_line() -> None:
    """The list of healthy apps has a line for each row."""

    async def play(shown: Shown) -> None:
        assert [line for _, line in shown.table.shown] == [0] * len(shown.table.rows)

    show(play, scenes.healthy())


@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_the_header_never_hides_trouble(width: int) -> None:
    """Errored and crashing instances are in the header at every width, and none of them counts as
    up."""

    async def play(shown: Shown) -> None:
        head = shown.lines()[0]
        if width < 80:
            assert "✖3" in head.replace(" ", "")
            assert "▲5" in head.replace(" ", "")
        else:
            for text in ("1 errored", "2 crashing", "1 backoff", "3 of 8 up"):
                assert text in head

    show(play, scenes.trouble(), size=(width, 24))


def test_what_is_done_is_neither_up_nor_down() -> None:
    """An app that runs once and has finished is not among those that should be up."""

    async def play(shown: Shown) -> None:
        assert "6 of 6 up" in shown.lines()[0]
        app = shown.source.fleet.apps[local_app("worker")]
        assert app.record is not None
        app.record = structs.replace(app.record, type="once")
        view = app.instances[0]
        view.record = structs.replace(view.record, status="stopped", done=True, pid=None)
        shown.app.overview.header.repaint()
        await shown.until(lambda: "5 of 5 up" in shown.lines()[0], "five are up")

    show(play, scenes.healthy())


def test_metadata_begins_with_the_reason() -> None:
    """The first lines of the metadata are the exit, the error and what the keeper decided."""

    async def play(shown: Shown) -> None:
        await shown.until(lambda: NEEDED in below(shown, "newsletter"), "the error of newsletter")
        shown.app.overview.details.metadata.repaint()
        texts = [line.text for line in shown.app.overview.details.metadata.lines(60)]
        assert texts[0].split() == ["why", "exit", "code", "1", "after", "0.21s"]
        assert texts[1].strip() == NEEDED
        assert texts[2].strip().startswith("exited 16 times before becoming online")

    show(play, scenes.trouble())


def test_large_healthy_apps_are_folded() -> None:
    """An app of many healthy instances takes one row until it is unfolded; an instance that crashes
    has a row nevertheless."""

    async def play(shown: Shown) -> None:
        app = local_app("shop-aarhus-1")
        assert [key for key in shown.table.rows if key.app == app] == [RowKey(app)]
        for _ in range(3):
            shown.source.stage["shop-aarhus-1"].crash(7)
            await shown.pass_time(2)
        await shown.until(
            lambda: RowKey(app, 7) in shown.table.rows, "a row of the failed instance"
        )
        assert RowKey(app, 6) not in shown.table.rows
        shown.table.move_to(shown.table.rows.index(RowKey(app)))
        await shown.press("right")
        assert RowKey(app, 6) in shown.table.rows
        await shown.press("left")
        assert [key for key in shown.table.rows if key.app == app] == [RowKey(app)]

    show(play, scenes.many(30))


def test_the_crash_view_compares_exits() -> None:
    """Key c shows the last exits side by side, newest first, with their errors; Enter shows the
    stacks, arrows go to older exits, Esc returns."""

    async def play(shown: Shown) -> None:
        await shown.move_to("newsletter", 0)
        await shown.press("c")
        await shown.until(lambda: shown.text().count(NEEDED) >= 4, "two exits with their errors")
        assert shown.text().count("exit code 1 after 0.21s") == 2
        assert "1-2 of 10" in shown.text()
        assert "lines of stack" in shown.text()
        assert "os.environ" not in shown.text()
        await shown.press("enter")
        assert "os.environ" in shown.text()
        await shown.press("right")
        assert "2-3 of 10" in shown.text()
        await shown.press("escape")
        assert shown.app.screen is shown.app.overview

    show(play, scenes.trouble())


def test_a_narrow_crash_view_says_how_to_leave() -> None:
    """The keys that fit are named whole, and the one that closes the view is among them."""

    async def play(shown: Shown) -> None:
        await shown.move_to("newsletter", 0)
        await shown.press("c")
        await shown.until(lambda: shown.text().count(NEEDED), "an exit with its error")
        assert "1 of 10" in shown.lines()[0]
        assert "Esc close" in shown.lines()[-1]

    show(play, scenes.trouble(), size=(80, 24))


def test_the_crash_view_of_an_app_without_exits_is_a_notice() -> None:
    """Nothing is opened that would be empty."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 0)
        await shown.press("c")
        await shown.until(
            lambda: "web/0: no worker has exited by itself" in shown.toasts(), "the notice"
        )
        assert shown.app.screen is shown.app.overview

    show(play, scenes.healthy())


def test_an_exit_is_named_once() -> None:
    """Neither the state nor what the keeper decided repeats the exit code."""
    source = scenes.trouble()
    now = ClockReading(source.wall(), source.monotonic())
    app = source.fleet.apps[local_app("newsletter")]
    view = app.instances[0]
    assert reasons_of(app, view, now, NEEDED)[-1] == "exited 16 times before becoming online"
    view.record = structs.replace(view.record, reason="exit code 1")
    assert [text.count("exit code") for text in reasons_of(app, view, now, NEEDED)][:2] == [1, 0]
    assert "exit code 1" not in reasons_of(app, view, now, NEEDED)
