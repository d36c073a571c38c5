"""Paints the log at once, or as soon as the budget allows."""

from collections.abc import Callable

from textual.timer import Timer
from textual.widget import Widget

from monit_tui.widgets.log.budget import PaintBudget


class PaintPacer:
    """Paints a widget within a budget, and flushes it when a partial line is due."""

    def __init__(
        self,
        host: Widget,
        now: Callable[[], float],
        bytes_per_s: float,
        paint: Callable[[], None],
        flush: Callable[[], None],
    ) -> None:
        self._host, self._now, self._paint, self._flush = host, now, paint, flush
        self._budget = PaintBudget(bytes_per_s, now())
        self._owed: Timer | None = None
        self._waker: Timer | None = None

    @property
    def is_delayed(self) -> bool:
        """Return whether a paint is delayed."""
        return self._owed is not None

    def spent(self, count: int) -> None:
        """Count ``count`` bytes as sent."""
        self._budget.spend(count, self._now())

    def soon(self, *, flood: bool) -> None:
        """Paint now if the budget allows, else once as soon as it does."""
        wait = self._budget.wait_s(self._now(), flood=flood)
        if wait <= 0:
            self._paint()
        elif self._owed is None and self._host.is_mounted:
            self._owed = self._host.set_timer(wait, self._pay)

    def wake_at(self, due: float | None) -> None:
        """Flush at monotonic time ``due`` also without new bytes; None: nothing is due."""
        if due is not None and self._waker is None and self._host.is_mounted:
            self._waker = self._host.set_timer(max(0.01, due - self._now()), self._wake)

    def _pay(self) -> None:
        self._owed = None
        self._paint()

    def _wake(self) -> None:
        self._waker = None
        self._flush()
