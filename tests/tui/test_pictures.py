"""Snapshots of the screen, of scenes whose clock is stopped."""

import time

import pytest
from textual.pilot import Pilot

from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_tui.app import MonitApp
from monit_tui.clock import Clock
from monit_tui.model.machine import MachineFigures
from monit_tui.screens import overview

pytestmark = pytest.mark.snapshot_picture


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the same machine, time zone and terminal everywhere."""
    monkeypatch.setattr(
        overview, "read_machine", lambda: MachineFigures("fern", 0.42, 2 * 1024**3, 8 * 1024**3)
    )
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.delenv("NO_COLOR", raising=False)


def _app(source: ReplaySource) -> MonitApp:
    source.advance(2)
    return MonitApp(source, clock=Clock(source.wall, source.monotonic))


async def _settled(pilot: Pilot[None]) -> None:
    """Wait until the panes show all answers; the scene's clock is stopped."""
    app = pilot.app
    assert isinstance(app, MonitApp)
    for _ in range(20):
        app.feed.flush()
        app.overview.details.metrics.show(app.overview.table.cursor)
        await pilot.pause()


@pytest.mark.parametrize(
    "size", [(80, 24), (120, 35), (200, 50)], ids=["80x24", "120x35", "200x50"]
)
@pytest.mark.parametrize("scene", [scenes.healthy, scenes.trouble], ids=["healthy", "trouble"])
def test_the_overview_looks_as_it_did(snap_compare, scene, size: tuple[int, int]) -> None:
    """The main screen of healthy and of failing apps is unchanged at three sizes."""
    assert snap_compare(_app(scene()), terminal_size=size, run_before=_settled)


def test_the_question_looks_as_it_did(snap_compare) -> None:
    """The dialog before a stop is unchanged."""
    assert snap_compare(
        _app(scenes.healthy()), terminal_size=(80, 24), press=["x"], run_before=_settled
    )
