"""Time as long as this process was awake.

A process that was stopped (SIGSTOP), starved or suspended has not heard what came meanwhile, and
must not take that for silence: time-outs of checks count on this clock, which stands still then.
"""

import time
from collections.abc import Callable

LONGEST_S = 1.5
"""More than this between two calls was not lived through: there is one at least every second."""


class AwakeClock:
    """A clock in seconds. `now` must be called at least once a second. ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._awake_s = 0.0

    def now(self) -> float:
        """Return the seconds that the process was awake so far."""
        at = self._clock()
        self._awake_s += min(at - self._last, LONGEST_S)
        self._last = at
        return self._awake_s
