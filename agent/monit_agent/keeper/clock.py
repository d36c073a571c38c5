"""Both clocks, read at once."""

import time

from monit_agent.keeper.upgrade.inherited import NOTHING_INHERITED, Inherited, Values
from monit_agent.supervise.state import Now


def now() -> Now:
    """Return this moment."""
    return Now(time.monotonic(), time.time())


JUMP_S = 0.5
"""A clock that moved by more than that was set: NTP slews it by 0.5 ms a second."""


class WallClock:
    """Notices that the wall clock was set."""

    def __init__(self, inherited: Inherited = NOTHING_INHERITED) -> None:
        self._offset: float = inherited.part("clock").get("offset", _offset())

    def hand_on(self) -> Values:
        """Return what the next program needs to notice a change since the last look."""
        return {"offset": self._offset}

    def change_s(self) -> float:
        """Return by how much it was set since the last call; 0 if it was not."""
        delta_s = _offset() - self._offset
        if abs(delta_s) < JUMP_S:
            return 0.0
        self._offset += delta_s
        return delta_s


def _offset() -> float:
    # of a clock that also runs while the machine sleeps: a sleep is no change
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
