"""What the audience of a scene knows: what is published there, folded as from live agents."""

from collections.abc import Callable

from monit_agent.client import fold
from monit_agent.client.source import LogChunk, PendingChanges
from monit_agent.client.view import AppView, Fleet
from monit_agent.replay.answers import snapshot
from monit_agent.replay.app import Printed, ReplayedApp
from monit_agent.wire.ids import InstanceId, local_app
from monit_agent.wire.limits import LOG_CHUNK_BYTES
from monit_agent.wire.messages import EventAdded, Sample, Update

UNREAD_BYTES = 4 * 1024 * 1024
"""Log bytes that wait for one poll; more are dropped and leave a hole."""


class Audience:
    """Folds into ``fleet`` and notes in ``changes`` what is new."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.fleet = Fleet()
        self.changes = PendingChanges()
        self.followed: frozenset[InstanceId] = frozenset()
        self._clock = clock

    def meet(self, app: ReplayedApp) -> None:
        """Know an app that came on stage."""
        view = AppView(local_app(app.record.name))
        self.fleet.apps[view.id] = view
        self._take_snapshot(app)

    def hear(self, app: ReplayedApp, what: Update | Sample | Printed | None, number: int) -> None:
        """Take what an app publishes (`monit_agent.replay.app.Publish`)."""
        name = local_app(app.record.name)
        view = self.fleet.apps.get(name)
        if app.silent or view is None:
            return
        if view.link != "live":
            self.changes.apps.add(name)
        if isinstance(what, Printed):
            self._hear_log(view, what)
            return
        outcome = self._fold(view, app, what, number)
        if outcome == "deleted":
            del self.fleet.apps[name]
        elif outcome == "needs_snapshot":
            self._take_snapshot(app)

    def mark_silence(self) -> None:
        """Mark the apps that have been silent for too long."""
        for name, view in self.fleet.apps.items():
            if fold.mark_silence(view, self._clock()):
                self.changes.apps.add(name)

    def _fold(
        self, view: AppView, app: ReplayedApp, what: Update | Sample | None, number: int
    ) -> fold.Outcome:
        now = self._clock()
        if what is None:
            return fold.apply_beat(view, app.epoch, app.event_seq, now)
        if isinstance(what, Sample):
            self.changes.sampled.add(view.id)
            return fold.apply_sample(view, app.epoch, number, what, now)
        self.changes.apps.add(view.id)
        if isinstance(what, EventAdded):
            self.changes.events.append((view.id, what.event))
        return fold.apply_update(view, app.epoch, number, what, now)

    def _hear_log(self, view: AppView, printed: Printed) -> None:
        instance, stream = printed.instance, printed.stream
        if view.id.instance(instance) not in self.followed:
            return
        fold.extend_log(view, instance, stream, printed.offset + len(printed.data))
        for at in range(0, len(printed.data), LOG_CHUNK_BYTES):
            data = printed.data[at : at + LOG_CHUNK_BYTES]
            if self.changes.log_bytes + len(data) > UNREAD_BYTES:
                return
            chunk = LogChunk(
                view.id.instance(instance), stream, printed.offset + at, data, (printed.time,)
            )
            self.changes.add_log(chunk)

    def _take_snapshot(self, app: ReplayedApp) -> None:
        name = local_app(app.record.name)
        fold.apply_snapshot(self.fleet.apps[name], snapshot(app), self._clock())
        self.changes.apps.add(name)
