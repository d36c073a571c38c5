"""How often a flood may be painted: a budget of bytes per second for the terminal."""

SSH_BYTES_PER_S = 7_000
"""What the log may send over ssh while it follows a flood; the other panes need some, too."""

LOCAL_BYTES_PER_S = 60_000
"""On this machine it is processor time that is saved: some ten full panes a second."""

BURST_S = 0.5
"""Seconds' worth of bytes that may be saved up."""


class PaintBudget:
    """Bytes that may be sent: they come steadily, painting spends them.

    It may be overdrawn by one frame, and then nothing is painted until that is paid back.
    Keys do not ask: they paint, and the flood waits.
    """

    def __init__(self, bytes_per_s: float, now: float) -> None:
        self._rate = bytes_per_s
        self._saved = bytes_per_s * BURST_S
        self._at = now

    def spend(self, count: int, now: float) -> None:
        """Note that ``count`` bytes go to the terminal."""
        self._earn(now)
        self._saved -= count

    def wait_s(self, now: float) -> float:
        """Give how long to wait before the next frame; 0 when it may be painted now."""
        self._earn(now)
        return max(0.0, -self._saved / self._rate)

    def _earn(self, now: float) -> None:
        self._saved += max(0.0, now - self._at) * self._rate
        self._saved = min(self._saved, self._rate * BURST_S)
        self._at = now
