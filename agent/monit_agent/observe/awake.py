"""Time as long as this process was awake.

Whoever was halted (SIGSTOP), starved or suspended has not heard what was said meanwhile, and must
not take that for silence: time-outs of checks count on this clock, which stands still then.
"""

import time
from collections.abc import Callable

LONGEST_S = 1.5
"""More than this between two looks was not lived through: a look comes at least once a second."""


class Awake:
    """A clock in seconds. `now` must be called at least once a second. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._lived = 0.0

    def now(self) -> float:
        """Give the seconds lived so far."""
        at = self._clock()
        self._lived += min(at - self._last, LONGEST_S)
        self._last = at
        return self._lived
