"""The columns of the process list: chosen by the user, and kept."""

import pytest
from msgspec.structs import replace

from monit_agent.replay import scenes
from monit_agent.wire.ids import local_app
from monit_tui.model.processes.condition import ClockReading
from monit_tui.model.processes.rows import RowKey, row_facts
from monit_tui.model.view_state import ViewState
from monit_tui.widgets.processes.columns import (
    COLUMN_NAMES,
    COLUMNS,
    choose_columns,
    known_columns,
)
from support.screen import Shown, show


def titles(shown: Shown) -> list[str]:
    """Return the titles of the columns in view."""
    return shown.table._painted[0].text.split()


def test_a_hidden_column_makes_room_for_the_next_one() -> None:
    """In a pane that is too narrow for all columns, a hidden one gives its place to another."""
    every = [column.name for column in choose_columns(60, 9).columns]
    fewer = [column.name for column in choose_columns(60, 9, hidden={"cpu", "memory"}).columns]
    assert "cpu" in every
    assert not {"cpu", "memory"} & set(fewer)
    assert set(fewer) - set(every)


@pytest.mark.parametrize("width", [55, 58, 60, 80])
def test_a_very_long_name_leaves_room_for_cpu_and_memory(width: int) -> None:
    """A name that is longer than the pane loses its middle, not CPU and memory."""
    plan = choose_columns(width, 45)
    assert [column.name for column in plan.columns][:2] == ["cpu", "memory"]
    assert plan.name >= 24


def test_without_an_event_loop_there_is_no_column_for_its_lag() -> None:
    """While no app has an event loop, there is no column of lags, but as soon as one has."""

    async def play(shown: Shown) -> None:
        assert "lag95" in titles(shown)
        stages = [shown.source.stage[name] for name in ("api", "web")]
        for stage in stages:
            read = stage.vitals
            stage.vitals = lambda record, at, read=read: replace(read(record, at), loop=None)
        await shown.pass_time(2)
        assert "lag95" not in titles(shown)
        stages[-1].vitals = read
        await shown.pass_time(2)
        assert "lag95" in titles(shown)

    show(play, scenes.healthy())


def test_columns_stand_in_the_order_of_the_user() -> None:
    """Columns that the order names come first; those that it lacks keep their usual order."""
    names = [column.name for column in choose_columns(200, 9, order=("pid", "cpu")).columns]
    rest = [name for name in COLUMN_NAMES if name not in {"pid", "cpu", "http"}]
    assert names == ["pid", "cpu", *rest]


def test_figures_below_one_stand_still() -> None:
    """CPU and lag of an idle process are shown as below one, so that their noise is not sent."""
    cpu = next(column for column in COLUMNS if column.name == "cpu")
    lag = next(column for column in COLUMNS if column.name == "lag")
    row = row_facts(scenes.healthy().fleet, RowKey(local_app("web")), ClockReading(0.0, 0.0))
    assert row is not None
    for value in (0.0, 0.1, 0.9):
        idle = row._replace(cpu_percent=value, lag_ms=value)
        assert (cpu.text(idle), lag.text(idle)) == ("<1%", "<1ms")
    busy = row._replace(cpu_percent=1.1, lag_ms=None)
    assert (cpu.text(busy), lag.text(busy)) == ("1.1%", "-")


def test_columns_of_another_version_are_ignored() -> None:
    """Names that are not known are dropped, and columns that are not named are shown last."""
    hidden, order = known_columns(("cpu", "beauty"), ("beauty", "pid"))
    assert hidden == {"cpu"}
    assert order[0] == "pid"
    assert sorted(order) == sorted(COLUMN_NAMES)


def test_columns_are_chosen_in_a_dialog_and_kept() -> None:
    """Comma opens the columns; Space hides one, J moves it, the list follows at once, = shows all
    again, and the choice is in the view that is kept. Name and state always stay."""

    async def play(shown: Shown) -> None:
        await shown.press("comma", "space", "j", "J")
        await shown.press("escape")
        assert titles(shown)[:5] == ["name▾", "state", "cpu", "2m", "mem"]
        kept = shown.app.view_state()
        assert kept.hidden_columns == ("cpu",)
        assert kept.column_order[:3] == ("cpu", "trend", "memory")
        await shown.press("comma", "equals_sign", "comma")
        assert shown.app.view_state() == ViewState()

    show(play, scenes.healthy(), size=(160, 35))


def test_all_columns_can_be_hidden() -> None:
    """Without any column, name and state remain."""

    async def play(shown: Shown) -> None:
        await shown.press("comma")
        for _ in COLUMN_NAMES:
            await shown.press("enter", "down")
        await shown.press("q")
        assert titles(shown) == ["name▾", "state"]
        assert "online" in shown.row("web", 0)

    show(play, scenes.healthy())


def test_the_screen_begins_with_the_kept_columns() -> None:
    """Columns that were hidden in an earlier run are hidden from the first frame."""

    async def play(shown: Shown) -> None:
        assert "lag95" not in titles(shown)
        assert shown.app.view_state() == view

    view = ViewState(hidden_columns=("lag",))
    show(play, scenes.healthy(), view=view)
