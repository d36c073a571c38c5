"""The two clocks of the screen, so that a replayed scene can bring its own."""

import time
from collections.abc import Callable
from typing import NamedTuple

from monit_tui.condition import Now


class Clock(NamedTuple):
    """Wall time for what happened when, monotonic time for ages; both in seconds."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic

    def now(self) -> Now:
        """Give this moment on both."""
        return Now(self.wall(), self.monotonic())
