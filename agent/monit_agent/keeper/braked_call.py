"""A call that events request, and that takes the longer the more processes there are."""

import time
from collections.abc import Callable

from monit_agent.keeper.loop import Loop

SHARE = 10
"""The next call comes after at least this many times the duration of the last one. Each of 1,000
children that exit one after the other would otherwise let the keeper look at all the others."""

AT_MOST_S = 1.0
"""But it comes."""


class BrakedCall:
    """Calls ``call`` soon after it was requested, once for all requests until then. ``name`` is
    that of its alarm."""

    def __init__(self, loop: Loop, name: str, call: Callable[[], None]) -> None:
        self._loop = loop
        self._name = name
        self._call = call
        self._next_at = 0.0

    def request(self, pause_s: float = 0.0) -> None:
        """Call in this round of the loop or the next one, or after ``pause_s``; later if the last
        call took long."""
        if not self._loop.has_alarm(self._name):
            due = max(time.monotonic() + pause_s, self._next_at)
            self._loop.set_alarm(self._name, due, self.call_now)

    def call_now(self) -> None:
        """Call at once."""
        self.cancel()
        began = time.monotonic()
        self._call()
        ended = time.monotonic()
        self._next_at = ended + min(SHARE * (ended - began), AT_MOST_S)

    def cancel(self) -> None:
        """Drop what was requested."""
        self._loop.set_alarm(self._name, None, self.call_now)
