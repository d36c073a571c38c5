"""A clock of the time that the agent was awake."""

from monit_agent.agent.awake_clock import AwakeClock


class _Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_time_slept_through_does_not_count() -> None:
    """Seconds count one by one; an hour between two calls counts as little more than one."""
    clock = _Clock()
    awake_clock = AwakeClock(clock)
    for _ in range(10):
        clock.at += 1.0
        awake_clock.now()
    assert awake_clock.now() == 10.0
    clock.at += 3600.0
    assert awake_clock.now() < 12.0
    clock.at += 1.0
    assert awake_clock.now() < 13.0
