"""What the audience of a scene knows: what is published there, folded as from live agents."""

from collections.abc import Callable

from monit_agent.client import fold
from monit_agent.client.gather import Gathering
from monit_agent.client.replay_answers import snapshot
from monit_agent.client.replay_app import Printed, ReplayedApp
from monit_agent.client.source import LogChunk
from monit_agent.client.view import AppView, Fleet, Identity
from monit_agent.wire.limits import LOG_CHUNK_BYTES
from monit_agent.wire.messages import Event, Happened, Sample

UNREAD_BYTES = 4 * 1024 * 1024
"""Log bytes that wait for one poll; more are dropped and leave a hole."""


class Audience:
    """Folds into ``fleet`` and notes in ``gathered`` what is new."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.fleet = Fleet()
        self.gathered = Gathering()
        self.followed: frozenset[Identity] = frozenset()
        self._clock = clock

    def meet(self, app: ReplayedApp) -> None:
        """Know an app that came on stage."""
        self.fleet.apps[app.record.name] = AppView(app.record.name)
        self._take_snapshot(app)

    def hear(self, app: ReplayedApp, what: Event | Sample | Printed | None, number: int) -> None:
        """Take what an app publishes (`monit_agent.client.replay_app.Publish`)."""
        name = app.record.name
        view = self.fleet.apps.get(name)
        if app.silent or view is None:
            return
        if view.link != "live":
            self.gathered.apps.add(name)
        if isinstance(what, Printed):
            self._hear_log(view, what)
            return
        outcome = self._fold(view, app, what, number)
        if outcome == "bye":
            del self.fleet.apps[name]
        elif outcome == "needs_snapshot":
            self._take_snapshot(app)

    def mark_silence(self) -> None:
        """Mark the apps that have been silent for too long."""
        for name, view in self.fleet.apps.items():
            if fold.mark_silence(view, self._clock()):
                self.gathered.apps.add(name)

    def _fold(
        self, view: AppView, app: ReplayedApp, what: Event | Sample | None, number: int
    ) -> fold.Outcome:
        now = self._clock()
        if what is None:
            return fold.apply_beat(view, app.epoch, app.event_seq, now)
        if isinstance(what, Sample):
            self.gathered.sampled.add(view.name)
            return fold.apply_sample(view, app.epoch, number, what, now)
        self.gathered.apps.add(view.name)
        if isinstance(what, Happened):
            self.gathered.happened.append((view.name, what.happening))
        return fold.apply_event(view, app.epoch, number, what, now)

    def _hear_log(self, view: AppView, printed: Printed) -> None:
        instance, stream = printed.instance, printed.stream
        if Identity(view.name, instance) not in self.followed:
            return
        fold.extend_log(view, instance, stream, printed.offset + len(printed.data))
        for at in range(0, len(printed.data), LOG_CHUNK_BYTES):
            data = printed.data[at : at + LOG_CHUNK_BYTES]
            if self.gathered.log_bytes + len(data) > UNREAD_BYTES:
                return
            chunk = LogChunk(
                view.name, instance, stream, printed.offset + at, data, (printed.time,)
            )
            self.gathered.add_log(chunk)

    def _take_snapshot(self, app: ReplayedApp) -> None:
        name = app.record.name
        fold.apply_snapshot(self.fleet.apps[name], snapshot(app), self._clock())
        self.gathered.apps.add(name)
