"""The agent's loop: timers that do not drift, and callbacks that cannot end it."""

import os
import time

import pytest

from monit_agent.observe.loop import Loop, Timer


def test_a_periodic_timer_does_not_drift() -> None:
    """Its times stay multiples of the period, however late it is called."""
    timer = Timer(10.0, 1.0, lambda: None)

    timer.follow_up(10.3)
    assert timer.due == 11.0
    timer.follow_up(14.7)
    assert timer.due == 15.0  # slept over 12, 13 and 14: not made up for


def test_timers_come_in_order_and_can_be_cancelled() -> None:
    """What is due earlier is called earlier, and what was cancelled never."""
    loop, called = Loop(), []
    loop.after(0.03, loop.stop)
    loop.after(0.02, lambda: called.append("second"))
    loop.after(0.01, lambda: called.append("first"))
    loop.after(0.015, lambda: called.append("never")).cancel()

    loop.run()

    assert called == ["first", "second"]


def test_a_failing_callback_is_logged_and_the_loop_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An error in one callback is said on standard error and disturbs no other."""
    loop, beats = Loop(), []

    def fail() -> None:
        raise ZeroDivisionError

    def beat() -> None:
        beats.append(time.monotonic())
        if len(beats) == 3:
            loop.stop()

    loop.every(0.01, fail)
    loop.every(0.01, beat)
    loop.run()

    assert len(beats) == 3
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_descriptor_is_told_of_until_it_is_forgotten() -> None:
    """Data on a watched descriptor calls back; after `unwatch` it does not."""
    loop, got = Loop(), []
    receiver, sender = os.pipe()

    def ready(_events: int) -> None:
        got.append(os.read(receiver, 1))
        loop.unwatch(receiver)
        loop.after(0.02, loop.stop)

    loop.watch(receiver, ready)
    os.write(sender, b"ab")
    loop.run()
    os.close(receiver)
    os.close(sender)

    assert got == [b"a"]
