"""How much longer is waited because replacing a worker did not help. Pure."""

CALM_S = 120.0
"""A worker that was well for so long was helped, or never needed it."""

FACTOR_MOST = 64


class Patience:
    """A factor for what is waited for before one slot's worker is replaced again: 1, 2, 4 … as long
    as the next worker is no better, so that an app that cannot be helped is not restarted without
    end. Times are seconds of one clock."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.factor = 1
        self._well_since: float | None = None

    def well(self, now: float) -> None:
        """There is nothing to complain of."""
        if self._well_since is None:
            self._well_since = now
        elif now - self._well_since > CALM_S:
            self.factor = 1

    def ill(self) -> None:
        """There is."""
        self._well_since = None

    def asked(self) -> None:
        """The worker's replacement was asked for; it may stay all the same: a reload can fail."""
        self.factor = min(2 * self.factor, FACTOR_MOST)

    def refused(self) -> None:
        """It was asked for, and refused."""
        self.factor = max(1, self.factor // 2)

    def next(self, pid: int) -> "Patience":
        """Give that of the next worker."""
        heir = Patience(pid)
        heir.factor = self.factor
        return heir
