"""How often a flood of lines is painted: a budget of bytes per second for the terminal."""

SSH_BYTES_PER_S = 7_000
"""Budget over ssh; the other panes need some bandwidth too."""

LOCAL_BYTES_PER_S = 40_000
"""Budget on this machine, to limit CPU time: about five full panes a second."""

FLOOD_S = 0.2
"""Time between two frames when all lines in view are new; more could not be read."""

BURST_S = 0.5
"""Most unspent budget that is kept, in seconds."""


class PaintBudget:
    """Bytes that may be sent: they are earned at a steady rate, and painting spends them.

    One frame may overdraw the budget; then nothing is painted until it is positive again.
    Keys always paint and spend; the flood waits.
    """

    def __init__(self, bytes_per_s: float, now: float) -> None:
        self._rate = bytes_per_s
        self._saved = bytes_per_s * BURST_S
        self._at = self._spent_at = now

    def spend(self, count: int, now: float) -> None:
        """Count ``count`` bytes as sent."""
        self._earn(now)
        self._saved -= count
        self._spent_at = now

    def wait_s(self, now: float, *, flood: bool = False) -> float:
        """Return the time until the next frame may be painted; 0 for now. In a ``flood``, all
        lines of the frame are new."""
        self._earn(now)
        pause = self._spent_at + FLOOD_S - now if flood else 0.0
        return max(0.0, pause, -self._saved / self._rate)

    def _earn(self, now: float) -> None:
        self._saved += max(0.0, now - self._at) * self._rate
        self._saved = min(self._saved, self._rate * BURST_S)
        self._at = now
