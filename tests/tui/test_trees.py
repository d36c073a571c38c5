"""The processes below a worker on the screen: opening, standing on, acting on them."""

import pytest
from msgspec.structs import replace

from monit_agent.client import scenes
from monit_agent.wire.messages import Restart
from monit_tui.rows import RowKey
from monit_tui.widgets.process_facts import tree_pairs
from screening import Shown, show

POOL = RowKey("worker", 0)


def _below(shown: Shown) -> list[RowKey]:
    return [key for key in shown.table.rows if key.pid is not None]


async def _open(shown: Shown) -> RowKey:
    """Open the worker's tree and stand on its first process."""
    await shown.stand_on("worker", 0)
    await shown.press("right", "down")
    key = _below(shown)[0]
    assert shown.table.cursor == key
    await shown.until(lambda: shown.app.overview.details._shown[0] == key, "panes follow")
    return key


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
def test_right_opens_a_tree_and_left_closes_it(size: tuple[int, int]) -> None:
    """Closed, a mark tells that there is something below; left on a process goes up and closes."""

    async def play(shown: Shown) -> None:
        glyphs = shown.table._look.glyphs
        await shown.stand_on("worker", 0)
        assert glyphs.folded in shown.row("worker", 0)
        assert "python3 worker.py" not in shown.text()
        await _open(shown)
        assert glyphs.opened in shown.row("worker", 0)
        drawn = [line for line in shown.lines() if "python3 worker.py" in line]
        assert drawn
        assert "online" not in drawn[0]
        await shown.press("left")
        assert shown.table.cursor == POOL
        assert _below(shown) == []

    show(play, scenes.healthy(), size=size)


def test_left_on_the_row_of_an_opened_instance_closes_its_tree_first() -> None:
    """Only what is below the instance goes; a second left does what it does without a tree."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("worker", 0)
        await shown.press("right", "left")
        assert _below(shown) == []
        assert POOL in shown.table.rows

    show(play, scenes.healthy())


def test_right_on_a_worker_that_is_alone_opens_nothing() -> None:
    """A worker without children has neither a mark nor anything to open."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("web", 1)
        await shown.press("right")
        assert shown.table.how.opened == frozenset()
        assert shown.table._look.glyphs.folded not in shown.row("web", 1)

    show(play, scenes.healthy())


def test_the_metadata_are_those_of_the_process() -> None:
    """The pane shows the process under the cursor, and the instance's again above it."""

    async def play(shown: Shown) -> None:
        key = await _open(shown)
        await shown.press("4")
        text = shown.text()
        assert f"pid {key.pid}" in text
        assert "the worker of worker/0" in text
        assert "none reports from inside" in text
        await shown.press("1", "up")
        await shown.until(lambda: "Right lists them" in shown.text(), "the instance's metadata")

    show(play, scenes.healthy())


def test_acting_on_a_process_means_its_instance_and_says_so() -> None:
    """Restart asks for the whole instance and names the process; kill -9 is refused with a word."""

    async def play(shown: Shown) -> None:
        key = await _open(shown)
        await shown.press("r")
        assert f"Process {key.pid} is a part of it." in shown.text()
        await shown.press("y")
        assert shown.recorder.commands() == [("worker", Restart(instances=(0,)))]
        await shown.press("X")
        assert f"kill -9 {key.pid}" in shown.toasts()
        assert len(shown.recorder.commands()) == 1

    show(play, scenes.healthy())


def test_selecting_a_process_selects_its_instance() -> None:
    """Actions know instances only, so the mark is set where it counts."""

    async def play(shown: Shown) -> None:
        await _open(shown)
        await shown.press("space")
        assert shown.table.picked == frozenset({POOL})
        await shown.press("space", "asterisk")
        assert all(key.pid is None for key in shown.table.picked)

    show(play, scenes.healthy())


def test_the_cursor_goes_to_the_worker_when_a_process_ends() -> None:
    """It never slides to a stranger; a new tree is shown as the old one was."""

    async def play(shown: Shown) -> None:
        key = await _open(shown)
        await shown.press("r", "y")
        await shown.pass_time(0.2)
        await shown.pass_time(3.0)
        await shown.until(lambda: _below(shown), "the new worker's processes")
        assert key not in shown.table.rows
        assert shown.table.cursor == POOL

    show(play, scenes.healthy())


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12), (60, 24), (200, 50)])
def test_any_size_draws_a_tree(size: tuple[int, int]) -> None:
    """However narrow, rows of processes fit."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("worker", 0)
        await shown.press("right", "end")
        assert all(len(line) <= size[0] for line in shown.lines())

    show(play, scenes.healthy(), size=size)


def test_the_metadata_say_how_many_of_many_children_are_listed() -> None:
    """Of more children than a sample names, it is told that only the largest are listed."""
    view = scenes.healthy().fleet.apps["worker"].instances[0]
    assert view.sample is not None
    listed = len(view.sample.processes)
    assert tree_pairs(view)[0] == ("children", f"{listed}; Right lists them")
    view.sample = replace(view.sample, children=300)
    assert tree_pairs(view)[0] == ("children", f"300; Right lists the {listed} largest")
