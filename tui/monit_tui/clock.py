"""The two clocks of the screen; a replayed scene has its own."""

import time
from collections.abc import Callable
from typing import NamedTuple

from monit_tui.model.processes.condition import ClockReading


class Clock(NamedTuple):
    """Wall time for times of day, monotonic time for ages; both in seconds."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def now(self) -> ClockReading:
        """Return the present time of both."""
        return ClockReading(self.wall(), self.monotonic())
