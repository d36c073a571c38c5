"""A moment that is chosen in one pane is the moment of the others."""

from collections.abc import Callable
from typing import Literal

from textual.timer import Timer
from textual.widget import Widget

from monit_tui.widgets.charts.metrics_pane import MetricsPane
from monit_tui.widgets.log.pane import LogPane

RESTS_S = 0.15
"""How long a cursor must rest before the other panes follow it: a held key skips moments, and the
agents are not asked for the log of each."""

Origin = Literal["logs", "metrics"]


class MomentLink:
    """Passes moments on between logs and charts, as far as they are in view."""

    def __init__(self, logs: LogPane, metrics: MetricsPane) -> None:
        self._logs, self._metrics = logs, metrics
        self._timer: Timer | None = None

    def choose(self, at: float | None, origin: Origin) -> None:
        """Show a moment in the other panes once its cursor rests; None: now."""
        self._later(lambda: self._show(at, origin))

    def show_in_log(self, at: float | None) -> None:
        """Show a moment in the log at once."""
        self._stop()
        if at is not None:
            self._logs.moments.go_to(at)

    def show_everywhere(self, at: float) -> None:
        """Show a moment in the log and in the charts at once."""
        self.show_in_log(at)
        self._metrics.point_at(at)

    def show_present(self) -> None:
        """Follow the present in the log and in the charts."""
        self._stop()
        self._logs.moments.follow_again()
        self._metrics.show_now()

    def _show(self, at: float | None, origin: Origin) -> None:
        if origin != "logs" and _in_view(self._logs):
            if at is None:
                self._logs.moments.follow_again()
            else:
                self._logs.moments.go_to(at)
        if origin != "metrics" and _in_view(self._metrics):
            if at is None:
                self._metrics.show_now()
            else:
                self._metrics.point_at(at)

    def _later(self, call: Callable[[], None]) -> None:
        self._stop()
        self._timer = self._logs.set_timer(RESTS_S, call)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None


def _in_view(body: Widget) -> bool:
    return body.parent is not None and bool(body.parent.display)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
