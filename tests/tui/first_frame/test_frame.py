"""The first frame is the screen that follows, as far as it goes."""

import os
import re
from collections.abc import Callable

import pyte
import pytest

from monit_agent import __version__
from monit_agent.client.listing import app_of_listing
from monit_agent.client.view import AppView, Fleet
from monit_agent.replay import scenes
from monit_agent.replay.source import ReplaySource
from monit_agent.wire import codec
from monit_agent.wire.messages import AppSnapshot, ListingPart
from monit_tui.clock import Clock
from monit_tui.first_frame.frame import FirstFrame, FrameData, FrameView
from monit_tui.first_frame.kept_view import KeptView
from monit_tui.first_frame.opening import frame_look, keep_samples
from monit_tui.model.machine import MachineFigures
from monit_tui.model.processes.rows import Arrangement
from monit_tui.model.view_state import ViewState
from monit_tui.terminal import read_features
from support.screen import Shown, show

Cells = list[list[pyte.screens.Char]]

PRIVATE = re.compile(r"\x1b\[[<>=][0-9;]*[a-zA-Z]")
"""Modes that pyte does not support and would print."""

DATA = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}

SCENES: dict[str, Callable[[], ReplaySource]] = {
    "healthy": scenes.healthy, "trouble": scenes.trouble, "outage": scenes.outage,
    "incident": scenes.incident, "empty": scenes.empty, "hostile": scenes.hostile,
    "many": lambda: scenes.many(40),
}  # fmt: skip

SIZES = [(120, 35), (100, 24), (80, 24), (60, 15), (30, 8), (12, 5), (5, 3), (200, 60)]

BY_NAME = Arrangement()

TERMINALS: dict[str, dict[str, str]] = {
    "true colours": {}, "256 colours": {"COLORTERM": ""},
    "16 colours": {"COLORTERM": "", "TERM": "xterm"}, "no colours": {"NO_COLOR": "1"},
    "NO_COLOR is empty": {"NO_COLOR": ""}, "light page": {"COLORFGBG": "0;15"},
    "dark page": {"COLORFGBG": "15;0"}, "painted page": {"MONIT_THEME": "contrast"},
    "ASCII": {"LANG": "C"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment of the tests choose no look."""
    for name in ("NO_COLOR", "COLORFGBG", "MONIT_THEME", "LC_ALL", "LC_CTYPE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in DATA.items():
        monkeypatch.setenv(name, value)


def emulate(text: str, size: tuple[int, int]) -> Cells:
    """Return the cells of a terminal that was sent ``text``."""
    screen = pyte.Screen(*size)
    screen.reset_mode(pyte.modes.DECAWM)
    pyte.Stream(screen).feed(PRIVATE.sub("", text))
    return [[screen.buffer[y][x] for x in range(size[0])] for y in range(size[1])]


async def frames(shown: Shown, size: tuple[int, int], view: FrameView) -> tuple[Cells, Cells]:
    """Return the cells of the first frame, and those of the screen at the same moment."""
    shown.app.overview.header.repaint()
    shown.table.update_rows()
    await shown.pilot.pause()
    machine = shown.app.overview.header._machine
    clock = Clock(shown.source.wall, shown.source.monotonic)
    kept = KeptView(view.arrangement)
    data = FrameData(shown.source.fleet, machine, clock, shown.table.last_errors.text)
    first = FirstFrame(data, frame_look(os.environ, kept), view, size).text()
    update = shown.app.screen._compositor.render_full_update()
    return emulate(first, size), emulate(update.render_segments(shown.app.console), size)


def places(shown: Shown) -> list[tuple[int, int]]:
    """Return the cells that the first frame has: all but the insides of the other panes."""
    app = shown.app
    insides = [
        pane.body.region for name, pane in app.overview.panes.items()
        if name != "processes" and pane.display
    ]  # fmt: skip
    width, height = app.size
    return [
        (x, y) for y in range(height) for x in range(width)
        if not any(region.contains(x, y) for region in insides)
    ]  # fmt: skip


def compare(
    source: ReplaySource, size: tuple[int, int], how: Arrangement = BY_NAME,
    view: ViewState | None = None,
) -> None:  # fmt: skip
    """Assert that all cells of the first frame are those of the screen."""

    async def play(shown: Shown) -> None:
        first, real = await frames(shown, size, FrameView(how))
        different = {
            (x, y): (first[y][x], real[y][x]) for x, y in places(shown) if first[y][x] != real[y][x]
        }
        lines = "\n".join("".join(cell.data for cell in line) for line in first)
        assert not different, f"{list(different.items())[:6]}\n{lines}\n{shown.text()}"

    show(play, source, size=size, view=view, at=read_features(os.environ))


@pytest.mark.parametrize("scene", SCENES)
def test_the_first_frame_has_the_cells_of_the_screen(scene: str) -> None:
    """Header, list, titles and footer are the same in every cell: text, colours, attributes."""
    compare(SCENES[scene](), (120, 35))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_at_every_size(size: tuple[int, int]) -> None:
    """Also where there is one pane, no header, a cut row, or a list as high as its rows."""
    compare(scenes.trouble(), size)


@pytest.mark.parametrize("terminal", TERMINALS)
def test_in_every_terminal(terminal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with fewer colours, with none, on a light, a dark and a painted page, and in ASCII."""
    for name, value in TERMINALS[terminal].items():
        monkeypatch.setenv(name, value)
    compare(scenes.trouble(), (120, 35))


@pytest.mark.parametrize("scene", SCENES)
def test_the_listing_has_all_that_the_frame_shows(scene: str) -> None:
    """Drawn from what agents list, the frame is that of the messages that the screen gets."""
    source = SCENES[scene]()
    source.poll(0)
    listed = Fleet()
    for name, app in source.fleet.apps.items():
        app.link, app.problem = "live", None
        for view in app.instances.values():
            view.history.clear()  # an agent lists its last sample alone
            view.read_at = source.monotonic()
            view.history.extend([] if view.sample is None else [view.sample])
        listed.apps[name] = app_of_listing(str(name), answer_of(app))
        keep_samples(listed.apps[name], source.monotonic())
    fleets = (source.fleet, listed)
    clock = Clock(source.wall, source.monotonic)
    machine = MachineFigures("here", 0.5, 1, 2)
    texts = [
        FirstFrame(
            FrameData(fleet, machine, clock), frame_look(os.environ, KeptView()), FrameView(),
            (180, 60),
        ).text()
        for fleet in fleets
    ]  # fmt: skip
    assert emulate(texts[0], (180, 60)) == emulate(texts[1], (180, 60))


def answer_of(app: AppView) -> bytes:
    """Return what the agent of an app sends."""
    assert app.record is not None
    snapshot = AppSnapshot(
        epoch=1, event_seq=1, agent_pid=1, agent_version=__version__, app=app.record,
        rollout=app.rollout, instances=tuple(view.record for view in app.instances.values()),
        samples={n: view.sample for n, view in app.instances.items() if view.sample is not None},
        keeper_alive=app.keeper_alive, alerts=app.alerts, mutes=app.mutes, hooks=app.hooks,
    )  # fmt: skip
    return codec.encode(ListingPart(json=codec.record_json(snapshot)))


def test_in_the_order_that_the_user_chose() -> None:
    """A kept order and a flat list are those of the first frame."""
    view = ViewState(sort="memory", reverse=True, flat=True)
    compare(scenes.healthy(), (120, 35), Arrangement("memory", reverse=True, flat=True), view)
