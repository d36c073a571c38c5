"""The keeper's real event loop inside a test, a round at a time."""

import os
from collections.abc import Callable
from typing import TypeVar

from monit_agent.keeper.loop import Loop
from monit_agent.keeper.state.claim import Claim
from support.waiting import wait_until

T = TypeVar("T")


def run_until(loop: Loop, condition: Callable[[], T], *, what: str = "") -> T:
    """Run rounds of the loop until ``condition()`` is true, and return its value."""

    def after_one_round() -> T:
        loop._running = True
        loop.set_alarm("end of the round", 0.0, loop.stop)
        loop.run()
        return condition()

    return wait_until(after_one_round, what=what)


def close_loop(loop: Loop) -> None:
    """Close what a loop has open; a keeper leaves that to its exit."""
    loop._epoll.close()
    os.close(loop._wakeup)


def close_claim(claim: Claim) -> None:
    """Give an app up; a keeper leaves that to its exit."""
    if claim.socket is not None:
        claim.socket.close()
    if claim._lock >= 0:
        os.close(claim._lock)
