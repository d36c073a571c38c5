"""A clock of the time that was lived through."""

from monit_agent.observe.awake import Awake


class _Clock:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_time_slept_through_does_not_count() -> None:
    """Seconds count one by one; an hour between two looks counts as little more than one."""
    clock = _Clock()
    awake = Awake(clock)
    for _ in range(10):
        clock.at += 1.0
        awake.now()
    assert awake.now() == 10.0
    clock.at += 3600.0
    assert awake.now() < 12.0
    clock.at += 1.0
    assert awake.now() < 13.0
