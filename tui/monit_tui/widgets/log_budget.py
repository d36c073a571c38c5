"""How often a flood may be painted: a budget of bytes per second for the terminal."""

SSH_BYTES_PER_S = 7_000
"""What the log may send over ssh while it follows a flood; the other panes need some, too."""

LOCAL_BYTES_PER_S = 40_000
"""On this machine it is processor time that counts: some five full panes a second."""

FLOOD_S = 0.2
"""Between two frames when all lines in view are new: nobody reads faster, and a frame is dear."""

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
        self._at = self._spent_at = now

    def spend(self, count: int, now: float) -> None:
        """Note that ``count`` bytes go to the terminal."""
        self._earn(now)
        self._saved -= count
        self._spent_at = now

    def wait_s(self, now: float, *, flood: bool = False) -> float:
        """Give how long to wait before the next frame; 0 when it may be painted now. In a
        ``flood`` nothing of the last frame stays."""
        self._earn(now)
        pause = self._spent_at + FLOOD_S - now if flood else 0.0
        return max(0.0, pause, -self._saved / self._rate)

    def _earn(self, now: float) -> None:
        self._saved += max(0.0, now - self._at) * self._rate
        self._saved = min(self._saved, self._rate * BURST_S)
        self._at = now
