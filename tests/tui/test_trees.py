"""The processes below a worker: showing them, moving to them, keys on them."""

import pytest
from msgspec.structs import replace

from monit_agent.replay import scenes
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import Restart
from monit_tui.model.processes.rows import RowKey
from monit_tui.widgets.processes.facts import tree_pairs
from support.screen import Shown, show

POOL = RowKey(local_app("worker"), 0)


def _below(shown: Shown) -> list[RowKey]:
    return [key for key in shown.table.rows if key.pid is not None]


async def _open(shown: Shown) -> RowKey:
    """Open the worker's tree and move to its first process."""
    await shown.move_to("worker", 0)
    await shown.press("right", "down")
    key = _below(shown)[0]
    assert shown.table.cursor == key
    await shown.until(lambda: shown.app.overview.details._shown[0] == key, "panes follow")
    return key


@pytest.mark.parametrize("size", [(80, 24), (120, 35)])
def test_right_opens_a_tree_and_left_closes_it(size: tuple[int, int]) -> None:
    """A mark shows that an instance has processes; Left on a process closes the tree."""

    async def play(shown: Shown) -> None:
        glyphs = shown.table._look.glyphs
        await shown.move_to("worker", 0)
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
    """Left on an instance with an open tree hides its processes and keeps the instance."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        await shown.press("right", "left")
        assert _below(shown) == []
        assert POOL in shown.table.rows

    show(play, scenes.healthy())


def test_right_on_a_worker_without_children_does_nothing() -> None:
    """A worker without children has no mark and no tree."""

    async def play(shown: Shown) -> None:
        await shown.move_to("web", 1)
        await shown.press("right")
        assert shown.table.arrangement.opened == frozenset()
        assert shown.table._look.glyphs.folded not in shown.row("web", 1)

    show(play, scenes.healthy())


def test_the_metadata_are_those_of_the_process() -> None:
    """The metadata pane shows a process on its row, and the instance on the instance's row."""

    async def play(shown: Shown) -> None:
        key = await _open(shown)
        await shown.press("4")
        text = shown.text()
        assert f"pid {key.pid}" in text
        assert "the worker of worker/0" in text
        assert "no probe in this process" in text
        await shown.press("1", "up")
        await shown.until(lambda: "Right lists them" in shown.text(), "the instance's metadata")

    show(play, scenes.healthy())


def test_keys_on_a_process_apply_to_its_instance() -> None:
    """Restart on a process restarts its instance and says so; kill -9 is refused with a notice."""

    async def play(shown: Shown) -> None:
        key = await _open(shown)
        await shown.press("r")
        assert f"Process {key.pid} belongs to this instance." in shown.text()
        await shown.press("y")
        assert shown.recorder.commands() == [(local_app("worker"), Restart(instances=(0,)))]
        await shown.press("X")
        assert f"kill -9 {key.pid}" in shown.toasts()
        assert len(shown.recorder.commands()) == 1

    show(play, scenes.healthy())


def test_selecting_a_process_selects_its_instance() -> None:
    """Space on a process selects its instance."""

    async def play(shown: Shown) -> None:
        await _open(shown)
        await shown.press("space")
        assert shown.table.picked == frozenset({POOL})
        await shown.press("space", "asterisk")
        assert all(key.pid is None for key in shown.table.picked)

    show(play, scenes.healthy())


def test_the_cursor_goes_to_the_instance_when_a_process_exits() -> None:
    """The cursor moves to the process's instance, and the new worker's tree stays open."""

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
    """Rows of processes fit any width."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        await shown.press("right", "end")
        assert all(len(line) <= size[0] for line in shown.lines())

    show(play, scenes.healthy(), size=size)


def test_the_metadata_say_how_many_of_many_children_are_listed() -> None:
    """When a sample has only the largest children, the metadata say so."""
    view = scenes.healthy().fleet.apps[local_app("worker")].instances[0]
    assert view.sample is not None
    listed = len(view.sample.processes)
    assert tree_pairs(view)[0] == ("children", f"{listed}; {{list.unfold}} lists them")
    view.sample = replace(view.sample, tree=replace(view.sample.tree, children=300))
    assert tree_pairs(view)[0] == ("children", f"300; {{list.unfold}} lists the {listed} largest")


@pytest.mark.parametrize("size", [(60, 20), (120, 35)])
def test_figures_of_a_tree_that_is_read_seldom_have_an_age(size: tuple[int, int]) -> None:
    """Of a tree that is read every eight seconds, CPU and memory are dim and the row says how old
    they are; those of the probe are not dim. A new reading ends it."""

    async def play(shown: Shown) -> None:
        stage = shown.source.stage["web"]
        read = stage.vitals
        stage.vitals = lambda record, at: read(record, at // 8 * 8)
        shown.source.advance(8.5 - shown.source.wall() % 8)
        shown.app.feed.flush()
        await shown.pilot.pause()
        assert "old: the process tree" not in shown.text()
        for _ in range(6):
            shown.source.advance(1.0)
            shown.app.feed.flush()
        await shown.pilot.pause()
        assert "figures 6s old: the process tree is too large" in shown.text()
        place = shown.table.shown.index((RowKey(local_app("web")), 0))
        muted = shown.table._look.style("muted")
        dim = [text.split() for text, style, _ in shown.table._painted[1 + place] if style == muted]
        words = [word for words in dim for word in words]
        assert any(word.endswith("M") for word in words)
        assert not any(word.endswith("ms") for word in words)
        shown.source.advance(2.0)
        shown.app.feed.flush()
        await shown.pilot.pause()
        assert "old: the process tree" not in shown.text()

    show(play, scenes.healthy(), size=size)
