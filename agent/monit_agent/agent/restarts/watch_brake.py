"""How soon changed files may restart an app again. Pure.

An app that writes a file in its own folder restarts itself without end when that file counts as a
change. It cannot be told from a person who edits, so no change is ever ignored: after several
restarts in a short time the next one only waits, longer each time.
"""

from collections import deque

FREE = ((5, 60.0), (20, 600.0))
"""So many restarts within so many seconds wait for nothing. Who edits saves a file now and then
five times a minute, but not twenty times in ten minutes."""

FIRST_WAIT_S = 10.0
LONGEST_WAIT_S = 300.0

CALM_S = 120.0
"""After this long without a change, the next restart waits for nothing again."""


class WatchBrake:
    """Remembers the restarts by changed files of one app. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._restarts: deque[float] = deque(maxlen=max(count for count, _ in FREE))
        self._changed_at = float("-inf")
        self.wait_s = 0.0
        """How long after a restart the next one may come; 0 while the brake is off."""

    def changed(self, now: float) -> None:
        """Note that a file changed."""
        if now - self._changed_at > CALM_S:
            self._restarts.clear()
            self.wait_s = 0.0
        self._changed_at = now

    def restart_at(self, now: float) -> float:
        """Return when the app may be restarted for a change."""
        if not self._restarts:
            return now
        if not self.wait_s and self._too_many(now):
            self.wait_s = FIRST_WAIT_S
        return max(now, self._restarts[-1] + self.wait_s)

    def restarted(self, now: float) -> None:
        """Note a restart by changed files."""
        self._restarts.append(now)
        self.wait_s = min(2 * self.wait_s, LONGEST_WAIT_S)

    def restarts_within(self, seconds: float, now: float) -> int:
        """Return the number of restarts in the last ``seconds``, at most the last 20."""
        return sum(now - at <= seconds for at in self._restarts)

    def _too_many(self, now: float) -> bool:
        return any(self.restarts_within(seconds, now) >= count for count, seconds in FREE)
