"""The Blocked tab: where event loops were held up."""

from monit_agent.client import scenes
from monit_agent.wire.messages import BlockedTable
from screening import Shown, show


def test_the_tab_names_the_function_that_blocks() -> None:
    """Key 6 shows function, file and line, how often, and for how long in all."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("api", 1)
        await shown.press("6")
        await shown.until(lambda: "Cart.total pricing.py:88" in shown.text(), "the culprit")
        (line,) = (line for line in shown.lines() if "Cart.total" in line)

        assert "212ms" in line
        assert "from checkout orders.py:41" in line

    show(play, scenes.healthy(), size=(200, 50))


def test_a_row_without_a_probe_says_so() -> None:
    """An empty tab would read as: nothing ever blocks."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("worker", 0)
        await shown.press("6")
        await shown.until(lambda: "no probe reports" in shown.text(), "that there is no probe")

    show(play, scenes.healthy(), size=(200, 50))


def test_nobody_is_asked_while_the_tab_is_hidden() -> None:
    """What nobody sees costs the agent nothing."""

    async def play(shown: Shown) -> None:
        await shown.stand_on("api", 1)
        await shown.pass_time(5)

        assert not [one for _, one in shown.recorder.asked if isinstance(one, BlockedTable)]
        await shown.press("6")
        await shown.until(
            lambda: [one for _, one in shown.recorder.asked if isinstance(one, BlockedTable)],
            "it asks when it comes to the front",
        )

    show(play, scenes.healthy(), size=(200, 50))
