"""How much longer is waited because replacing a worker did not help. Pure."""

AT_ONCE_S = 120.0
"""A worker that had to be replaced within so long was no better than the one before it."""

FACTOR_MOST = 64


class Patience:
    """A factor for what is waited for before one slot's worker is replaced again: 1, 2, 4 … as long
    as the next worker is no better, so that an app that cannot be helped is not restarted without
    end. Times are seconds of one clock."""

    def __init__(self, pid: int, now: float) -> None:
        self.pid = pid
        self.factor = 1
        self._begun = now
        self._asked = False

    def asked(self, now: float) -> None:
        """The worker's replacement was asked for."""
        if now - self._begun > AT_ONCE_S:
            self.factor = 1
        self.factor = min(2 * self.factor, FACTOR_MOST)
        self._begun = now  # it may stay: a reload can fail
        self._asked = True

    def refused(self) -> None:
        """It was asked for, and refused."""
        self.factor = max(1, self.factor // 2)
        self._asked = False

    def well(self, now: float) -> None:
        """There is nothing to complain of."""
        if now - self._begun > AT_ONCE_S:
            self.factor = 1

    def next(self, pid: int, now: float) -> "Patience":
        """Give that of the next worker."""
        heir = Patience(pid, now)
        if self._asked:
            heir.factor = self.factor
        return heir
