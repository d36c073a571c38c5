"""The five panes that show the row under the cursor of the list."""

from collections.abc import Callable

from textual.timer import Timer
from textual.widget import Widget

from monit_agent.client.source import Changes, Source
from monit_agent.wire.ids import AppId, InstanceId
from monit_tui.clock import Clock
from monit_tui.event_history import EventHistory
from monit_tui.last_errors import LastErrors
from monit_tui.model.layout import PaneName
from monit_tui.model.processes.rows import RowKey, row_name
from monit_tui.theme import Look
from monit_tui.widgets.blocked import BlockedPane
from monit_tui.widgets.charts.metrics_pane import MetricsPane
from monit_tui.widgets.log.pane import LogPane
from monit_tui.widgets.metadata import MetadataPane
from monit_tui.widgets.moment_link import MomentLink
from monit_tui.widgets.timeline import TimelinePane

RESTS_S = 0.1
"""How long the cursor must rest before the panes follow it: a held key skips rows."""


class DetailPanes:
    """Passes cursor and changes to logs, metrics, metadata, events and blocked."""

    def __init__(
        self, source: Source, look: Look, clock: Clock, errors: LastErrors, *, over_ssh: bool
    ) -> None:
        self.logs = LogPane(source, look, clock, over_ssh=over_ssh)
        self.event_history = EventHistory(source)
        self.metrics = MetricsPane(source, look, self.event_history)
        self.metadata = MetadataPane(source.fleet, look, clock, errors.text)
        errors.changed.append(self.metadata.repaint)
        self.events = TimelinePane(source, look, self.event_history)
        self.blocked = BlockedPane(source, look)
        self.moment = MomentLink(self.logs, self.metrics)
        self._key: RowKey | None = None
        self._who: tuple[InstanceId, ...] = ()
        self._shown: tuple[RowKey | None, tuple[InstanceId, ...]] | None = None
        self._timer: Timer | None = None
        self._sampled: set[AppId] = set()
        self.follows_at_once = True
        """Whether the panes wait for nothing: before the first frame nobody holds a key."""

    @property
    def bodies(self) -> dict[PaneName, Widget]:
        """Return the panes' bodies by name."""
        return {
            "logs": self.logs, "metrics": self.metrics,
            "metadata": self.metadata, "events": self.events, "blocked": self.blocked,
        }  # fmt: skip

    def follow(
        self, key: RowKey | None, who: tuple[InstanceId, ...], then: Callable[[], None]
    ) -> None:
        """Show another row once the cursor rests; the first one at once."""
        self._key, self._who = key, who
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if self._shown == (key, who):
            return
        if self._shown is None or self.follows_at_once:
            self._show(then)
        else:
            self._timer = self.logs.set_timer(RESTS_S, lambda: self._show(then))

    def show_now(
        self, key: RowKey | None, who: tuple[InstanceId, ...], then: Callable[[], None]
    ) -> None:
        """Show another row at once."""
        self.follow(key, who, then)
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self._show(then)

    def deliver(self, changes: Changes, *, due: bool) -> None:
        """Pass log bytes on at once, samples once a second."""
        self.logs.add_chunks(changes.logs)
        if changes.apps:
            self.logs.fleet_changed()
            self.metadata.repaint()
        if changes.apps or changes.events:
            self.events.deliver(changes)
        self._sampled |= changes.sampled
        if due and self._key is not None and self._key.app in self._sampled:
            self._sampled.clear()
            self.metrics.sampled()
            self.blocked.refresh_if_old()
            if self._key.pid is not None:
                self.metadata.repaint()  # figures of a process have no other pane

    def title_info(self, pane: PaneName) -> str:
        """Return the text after the tabs of a pane's title."""
        if self._shown is None or pane == "logs":  # the log pane has its own line
            return ""
        if pane == "events":
            return self.events.title_info()
        name = self._name()
        if pane == "metadata" and self._key is not None and self._key.pid is not None:
            return f"{name}, pid {self._key.pid}"
        if pane == "metrics":
            return ", ".join(filter(None, (name, self.metrics.times.title)))
        return name

    def _show(self, then: Callable[[], None]) -> None:
        before = self._shown[0] if self._shown else None
        owner = self._key.owner if self._key else None
        self._shown = (self._key, self._who)
        self.logs.show(self._who, self._title())
        self.metadata.show(self._key)
        # these show instances, so they stay while the cursor moves within one instance
        if before is None or before.owner != owner or before == self._key:
            self.metrics.show(owner)
            self.events.show(owner)
            self.blocked.show(owner)
        then()

    def _name(self) -> str:
        return "" if self._key is None else row_name(self._key)

    def _title(self) -> str:
        if len(self._who) <= 1:
            return self._name()
        apps = {one.app_id for one in self._who}
        if len(apps) == 1:
            return f"{self._who[0].app_id}, {len(self._who)} instances"
        return f"{len(self._who)} instances of {len(apps)} apps"
