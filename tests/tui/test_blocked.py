"""The Blocked tab: the code that blocked event loops."""

from monit_agent.replay import scenes
from monit_agent.wire.messages import BlockedTable
from support.screen import Shown, show


def test_the_tab_names_the_function_that_blocks() -> None:
    """Key 6 shows function, file and line, count and total time."""

    async def play(shown: Shown) -> None:
        await shown.move_to("api", 1)
        await shown.press("6")
        await shown.until(lambda: "Cart.total pricing.py:88" in shown.text(), "the blocking frame")
        (line,) = (line for line in shown.lines() if "Cart.total" in line)

        assert "212ms" in line
        assert "from checkout orders.py:41" in line

    show(play, scenes.healthy(), size=(200, 50))


def test_a_row_without_a_probe_says_so() -> None:
    """The tab of a worker without a probe says that it has none; it is not empty."""

    async def play(shown: Shown) -> None:
        await shown.move_to("worker", 0)
        await shown.press("6")
        await shown.until(
            lambda: "no probe in this worker" in shown.text(), "that there is no probe"
        )

    show(play, scenes.healthy(), size=(200, 50))


def test_a_row_without_a_worker_says_that_it_is_not_running() -> None:
    """The tab of an app in backoff says nothing of a worker's probe."""

    async def play(shown: Shown) -> None:
        await shown.move_to("newsletter", 0)
        await shown.press("6")
        await shown.until(lambda: "not running" in shown.text(), "that it is not running")
        assert "no probe" not in shown.text()

    show(play, scenes.trouble(), size=(200, 50))


def test_a_hidden_tab_sends_no_requests() -> None:
    """The tables are requested only while the tab is shown."""

    async def play(shown: Shown) -> None:
        await shown.move_to("api", 1)
        await shown.pass_time(5)

        assert not [one for _, one in shown.recorder.requests if isinstance(one, BlockedTable)]
        await shown.press("6")
        await shown.until(
            lambda: [one for _, one in shown.recorder.requests if isinstance(one, BlockedTable)],
            "a request when it is shown",
        )

    show(play, scenes.healthy(), size=(200, 50))
