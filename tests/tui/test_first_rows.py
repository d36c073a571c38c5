"""The list begins with its worst rows, and says so when they are out of view."""

import re

from monit_agent.replay import scenes
from support.screen import Shown, show


async def _crash(shown: Shown, *apps: str) -> None:
    """Let an instance of each app crash until it counts as crashing."""
    for _ in range(3):
        for app in apps:
            shown.source.stage[app].crash(0)
        await shown.pass_time(2)
    await shown.until(lambda: f"{len(apps)} crashing" in shown.lines()[0], "the crash loops")


def test_until_a_key_the_cursor_stays_on_the_first_row() -> None:
    """A row that becomes the worst one while nobody has pressed a key is the first in view, under
    the cursor."""

    async def play(shown: Shown) -> None:
        before = shown.table.cursor
        await _crash(shown, "web", "worker")
        assert shown.table.cursor == shown.table.rows[0] == shown.table.shown[0][0]
        assert shown.table.cursor != before
        assert "problem" not in shown.table._painted[0].text

    show(play, scenes.healthy(), size=(80, 10))


def test_at_the_top_new_problems_are_in_view() -> None:
    """After a key the cursor keeps its row; the list still begins with its first row while both
    fit."""

    async def play(shown: Shown) -> None:
        await shown.press("down")
        before = shown.table.cursor
        await _crash(shown, "worker")
        assert shown.table.cursor == before
        assert shown.table.shown[0][0] == shown.table.rows[0]

    show(play, scenes.healthy(), size=(80, 10))


def test_problems_above_the_rows_in_view_are_counted() -> None:
    """The line of titles says how many, in place of the first title."""

    async def play(shown: Shown) -> None:
        assert "problem" not in shown.table._painted[0].text
        await shown.press("end")
        first = shown.table.shown[0][0]
        above = shown.table.rows[: shown.table.rows.index(first)]
        assert above
        crashing = [key for key in above if key.instance is not None]
        assert shown.table._painted[0].text.startswith(f"↑ {len(crashing)} problem")
        await shown.press("home")
        assert "problem" not in shown.table._painted[0].text

    show(play, scenes.many(100), size=(80, 24))


def test_plots_in_rows_begin_with_the_past() -> None:
    """A row's plot has the CPU of the minutes before the screen was opened, also where it is that
    of several instances."""

    async def play(shown: Shown) -> None:
        await shown.pass_time(2)
        for app in ("web", "worker"):
            await shown.until(lambda app=app: re.search("[▁-█]{8}", shown.row(app)), app)

    show(play, scenes.healthy(), size=(100, 24))
