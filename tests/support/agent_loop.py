"""The event loop of an agent, run by a test."""

import asyncio
from collections.abc import Callable

from support.waiting import wait_until


def turn_until(loop: asyncio.AbstractEventLoop, condition: Callable[[], bool]) -> None:
    """Run a loop until the condition is met."""

    def turned() -> bool:
        loop.run_until_complete(asyncio.sleep(0.01))
        return condition()

    wait_until(turned, what="what the loop was to do")
