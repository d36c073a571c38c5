"""Calls that many events request."""

import time

from monit_agent.keeper.braked_call import SHARE, BrakedCall
from monit_agent.keeper.loop import Loop
from support.keeper_loop import run_until


def test_many_requests_are_one_call(loop: Loop) -> None:
    """Whatever was requested before the call is done by it."""
    calls: list[float] = []
    braked = BrakedCall(loop, "a look", lambda: calls.append(time.monotonic()))
    for _ in range(100):
        braked.request()
    run_until(loop, lambda: calls)
    assert len(calls) == 1
    assert not loop.has_alarm("a look")


def test_a_call_that_takes_long_is_repeated_less_often(loop: Loop) -> None:
    """The next one waits for many times its duration."""
    calls: list[tuple[float, float]] = []

    def slow() -> None:
        began = time.monotonic()
        while time.monotonic() < began + 0.02:
            pass
        calls.append((began, time.monotonic()))

    braked = BrakedCall(loop, "a look", slow)
    braked.call_now()
    braked.request()
    run_until(loop, lambda: len(calls) == 2)
    (_, ended), (began, _) = calls
    assert began - ended >= SHARE * 0.02


def test_a_call_at_once_does_what_was_requested(loop: Loop) -> None:
    """It is not done again later."""
    calls: list[float] = []
    braked = BrakedCall(loop, "a look", lambda: calls.append(time.monotonic()))
    braked.request()
    braked.call_now()
    assert not loop.has_alarm("a look")
    assert len(calls) == 1
