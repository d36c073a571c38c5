"""How much longer to wait because replacing a worker did not help. Pure."""

CALM_S = 120.0
"""A worker that was well for this long was helped, or never needed it."""

FACTOR_MOST = 64


class ReplacementBackoff:
    """A factor for the wait before one slot's worker is replaced again.

    It is 1, 2, 4 … as long as the next worker is no better, so that an app that cannot be helped is
    not restarted without end. Times are seconds of one clock.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.factor = 1
        self._well_since: float | None = None

    def note_well(self, now: float) -> None:
        """Note that nothing is wrong with the worker."""
        if self._well_since is None:
            self._well_since = now
        elif now - self._well_since > CALM_S:
            self.factor = 1

    def note_ill(self) -> None:
        """Note that something is wrong with it."""
        self._well_since = None

    def replacement_requested(self) -> None:
        """Wait longer the next time; the worker may stay all the same: a reload can fail."""
        self.factor = min(2 * self.factor, FACTOR_MOST)

    def replacement_refused(self) -> None:
        """Take the last `replacement_requested` back."""
        self.factor = max(1, self.factor // 2)

    def for_next_worker(self, pid: int) -> "ReplacementBackoff":
        """Return that of the next worker of the slot."""
        backoff = ReplacementBackoff(pid)
        backoff.factor = self.factor
        return backoff
