"""The five panes that follow the cursor of the list."""

from collections.abc import Callable

from textual.timer import Timer
from textual.widget import Widget

from monit_agent.client.source import Changes, Source
from monit_agent.client.view import Identity
from monit_tui.clock import Clock
from monit_tui.panes import PaneName
from monit_tui.rows import RowKey, name_of
from monit_tui.theme import Look
from monit_tui.widgets.blocked import BlockedPane
from monit_tui.widgets.events import EventsPane
from monit_tui.widgets.log_pane import LogPane
from monit_tui.widgets.metadata import MetadataPane
from monit_tui.widgets.metrics_pane import MetricsPane

RESTS_S = 0.1
"""How long the cursor must rest before the panes follow: a held key passes rows by."""


class Details:
    """Hands cursor and changes to logs, metrics, metadata, events and blocked."""

    def __init__(self, source: Source, look: Look, clock: Clock, *, over_ssh: bool) -> None:
        self.logs = LogPane(source, look, clock, over_ssh=over_ssh)
        self.metrics = MetricsPane(source, look)
        self.metadata = MetadataPane(source.fleet, look, clock)
        self.events = EventsPane(source.fleet, look)
        self.blocked = BlockedPane(source, look)
        self._key: RowKey | None = None
        self._who: tuple[Identity, ...] = ()
        self._shown: tuple[RowKey | None, tuple[Identity, ...]] | None = None
        self._timer: Timer | None = None
        self._sampled: set[str] = set()

    @property
    def bodies(self) -> dict[PaneName, Widget]:
        """Give the panes' bodies by name."""
        return {
            "logs": self.logs, "metrics": self.metrics,
            "metadata": self.metadata, "events": self.events, "blocked": self.blocked,
        }  # fmt: skip

    def follow(
        self, key: RowKey | None, who: tuple[Identity, ...], then: Callable[[], None]
    ) -> None:
        """Show another row as soon as the cursor rests; the first one at once."""
        self._key, self._who = key, who
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._shown is None:
            self._show(then)
        elif self._shown != (key, who):
            self._timer = self.logs.set_timer(RESTS_S, lambda: self._show(then))

    def deliver(self, changes: Changes, *, due: bool) -> None:
        """Hand on log bytes at once, samples once a second."""
        self.logs.take(changes.logs)
        if changes.apps:
            self.logs.fleet_changed()
            self.metadata.repaint()
        if changes.apps or changes.happened:
            self.events.repaint()
        self._sampled |= changes.sampled
        if due and self._key is not None and self._key.app in self._sampled:
            self._sampled.clear()
            self.metrics.sampled()
            self.blocked.look()
            if self._key.pid is not None:
                self.metadata.repaint()  # of a process it shows figures, which have no other pane

    def title_info(self, pane: PaneName) -> str:
        """Give what a pane's title adds to its tabs."""
        if self._shown is None or pane == "logs":  # the log pane has a line of its own
            return ""
        name = self._name()
        if pane == "metadata" and self._key is not None and self._key.pid is not None:
            return f"{name}, pid {self._key.pid}"
        return f"{name}, {_span(self.metrics.seconds)}" if pane == "metrics" else name

    def _show(self, then: Callable[[], None]) -> None:
        before = self._shown[0] if self._shown else None
        owner = self._key.owner if self._key else None
        self._shown = (self._key, self._who)
        self.logs.show(self._who, self._title())
        self.metadata.show(self._key)
        # these know instances only: from one process to the next of the same they stay as they are
        if before is None or before.owner != owner or before == self._key:
            self.metrics.show(owner)
            self.events.show(owner)
            self.blocked.show(owner)
        then()

    def _name(self) -> str:
        return "" if self._key is None else name_of(self._key)

    def _title(self) -> str:
        if len(self._who) <= 1:
            return self._name()
        apps = {one.app for one in self._who}
        if len(apps) == 1:
            return f"{self._who[0].app}, {len(self._who)} instances"
        return f"{len(self._who)} instances of {len(apps)} apps"


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
