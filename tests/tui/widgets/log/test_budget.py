"""A flood stays within the budget of the terminal, and keys do not wait for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_tui.widgets.log.budget import BURST_S, FLOOD_S, PaintBudget
from support.log_screen import LogScreen, show


@given(st.lists(st.tuples(st.floats(0.01, 1.0), st.integers(0, 20_000)), min_size=1, max_size=60))
def test_over_time_no_more_is_sent_than_the_rate(frames: list[tuple[float, int]]) -> None:
    """The bytes sent are at most rate times time, plus the kept budget and one frame."""
    rate, now, sent, largest = 7000.0, 0.0, 0, 0
    budget = PaintBudget(rate, now)
    for pause, size in frames:
        now += pause
        if budget.wait_s(now) <= 0:
            budget.spend(size, now)
            sent, largest = sent + size, max(largest, size)
    assert sent <= rate * (now + BURST_S) + largest


def test_the_returned_wait_is_enough() -> None:
    """After the returned time, painting is allowed."""
    budget = PaintBudget(1000.0, 0.0)
    budget.spend(5000, 0.0)
    wait = budget.wait_s(0.0)
    assert wait > 0
    assert budget.wait_s(wait) < 1e-9


def test_a_flood_is_painted_five_times_a_second_at_most() -> None:
    """A flood is painted five times a second at most, however cheap its frames are."""
    budget = PaintBudget(1e9, 0.0)
    budget.spend(10, 1.0)
    assert budget.wait_s(1.0) == 0
    assert budget.wait_s(1.0, flood=True) == pytest.approx(FLOOD_S)
    assert budget.wait_s(1.0 + FLOOD_S, flood=True) == pytest.approx(0)


def test_a_key_paints_at_once_with_an_overdrawn_budget() -> None:
    """A key paints at once, also while the flood has to wait."""

    async def play(log: LogScreen) -> None:
        log.print(*(f"line {n}" for n in range(50)))
        await log.pass_time()
        log.pane.pacer.spent(10_000_000)
        log.print("held back")
        log.app.flush()
        await log.pilot.pause()
        assert log.texts()[-1] == "line 49"
        assert log.pane.pacer.is_delayed
        await log.press("g")
        assert log.texts()[0] == "line 0"
        await log.press("G")
        assert log.texts()[-1] == "held back"

    show(play)
