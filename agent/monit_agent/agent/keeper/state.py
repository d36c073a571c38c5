"""What the agent knows of its app: the keeper's snapshot with its events folded in. Pure."""

from collections import deque

import msgspec

from monit_agent.agent.keeper.messages import KeeperSnapshot, LogChanged
from monit_agent.wire.limits import EVENTS_KEPT
from monit_agent.wire.messages import (
    AlertsChanged,
    AppChanged,
    AppDeleted,
    AppRecord,
    EventAdded,
    EventRecord,
    InstanceChanged,
    InstanceRecord,
    InstanceRemoved,
    LogEnd,
    Rollout,
    Stream,
    Update,
    WatchState,
)
from monit_agent.wire.webhook import redacted


class AppState:
    """The app as its keeper last reported it; `keeper_alive` tells whether a keeper runs."""

    def __init__(self, snapshot: KeeperSnapshot) -> None:
        self.instances: dict[int, InstanceRecord] = {}
        self.logs: dict[tuple[int, Stream], LogEnd] = {}
        self.events: deque[EventRecord] = deque(maxlen=EVENTS_KEPT)
        self.keeper_alive = True
        self.app: AppRecord = snapshot.app
        self.rollout: Rollout | None = None
        self._watch: WatchState | None = None
        self._cron: tuple[float | None, str | None] = None, None
        self._problem: str | None = None
        self.webhook = ""
        """The URL to which notices are sent. The app's record, which clients get, has its host."""
        self._take(snapshot)

    def _take(self, snapshot: KeeperSnapshot) -> None:
        self.app, self.rollout = self._received(snapshot.app), snapshot.rollout
        self.instances = {record.instance: record for record in snapshot.instances}
        self.logs = {(end.instance, end.stream): end for end in snapshot.logs}
        self.events = deque(snapshot.events, maxlen=EVENTS_KEPT)
        self.keeper_alive = True

    def lose_keeper(self) -> list[Update]:
        """Note that the keeper is gone; return the updates that report it."""
        self.keeper_alive = False
        self.app = msgspec.structs.replace(self.app, keeper_pid=None)
        self._problem = None
        return [AppChanged(app=self.app, rollout=self.rollout)]

    def replace(self, snapshot: KeeperSnapshot) -> list[Update]:
        """Take over a new keeper's snapshot; return the updates from old to new."""
        old_instances, old_events = self.instances, set(self.events)
        self._take(snapshot)
        events: list[Update] = [AppChanged(app=self.app, rollout=self.rollout)]
        events += [
            InstanceRemoved(instance=number) for number in old_instances.keys() - self.instances
        ]
        events += [
            InstanceChanged(instance=record)
            for number, record in self.instances.items()
            if record != old_instances.get(number)
        ]
        events += [EventAdded(event=event) for event in self.events if event not in old_events]
        return events

    def set_watch(self, watch: WatchState | None) -> list[Update]:
        """Note what ``--watch`` did; return the updates that report it."""
        self._watch = watch
        self.app = self._with_notes(self.app)
        return [AppChanged(app=self.app, rollout=self.rollout)]

    def set_cron(self, next_at: float | None, zone: str | None) -> list[Update]:
        """Note when the schedule comes next; return the updates that report it."""
        self._cron = next_at, zone
        self.app = self._with_notes(self.app)
        return [AppChanged(app=self.app, rollout=self.rollout)]

    def _received(self, app: AppRecord) -> AppRecord:
        """Return the keeper's record as clients get it, and keep what they do not get."""
        self.webhook = app.alerts.webhook
        if self.webhook:
            alerts = msgspec.structs.replace(app.alerts, webhook=redacted(self.webhook))
            app = msgspec.structs.replace(app, alerts=alerts)
        return self._with_notes(app)

    def _with_notes(self, app: AppRecord) -> AppRecord:
        """Return the keeper's record with what only the agent knows."""
        next_at, zone = self._cron
        return msgspec.structs.replace(app, watch=self._watch, cron_next_at=next_at, cron_zone=zone)

    def set_keeper_problem(self, problem: str | None) -> list[Update]:
        """Note that the keeper is stopped, or that no new one starts; return the updates that
        report it."""
        if problem == self._problem:
            return []
        reported = tuple(each for each in self.app.problems if each != self._problem)
        self._problem = problem
        self.app = msgspec.structs.replace(
            self.app, problems=reported if problem is None else (problem, *reported)
        )
        return [AppChanged(app=self.app, rollout=self.rollout)]

    def fold(self, update: Update | LogChanged) -> list[Update]:
        """Apply one update of the keeper; return the updates for clients."""
        match update:
            case AppChanged():
                self.app, self.rollout = self._received(update.app), update.rollout
                return [AppChanged(app=self.app, rollout=self.rollout)]
            case InstanceChanged():
                self.instances[update.instance.instance] = update.instance
            case InstanceRemoved():
                self.instances.pop(update.instance, None)
                self._forget_logs(update.instance)
            case EventAdded():
                self.events.append(update.event)
            case LogChanged():
                self.logs[update.log.instance, update.log.stream] = update.log
                return []
            case AlertsChanged() | AppDeleted():
                pass
        return [update]

    def _forget_logs(self, instance: int) -> None:
        for key in [key for key in self.logs if key[0] == instance]:
            del self.logs[key]
