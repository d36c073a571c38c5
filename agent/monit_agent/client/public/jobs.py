"""Requests of programs while they are carried out: what is common to them, and those that list and
watch. Nothing here waits: `Job.step` is called after each poll of the source."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import msgspec

from monit_agent.client.json_fields import instance_fields, is_stale
from monit_agent.client.public.api_requests import ListInstances, WatchInstances
from monit_agent.client.public.records import (
    ActionOutcome,
    AppEvent,
    CommandReport,
    Instance,
    Item,
    WatchedChange,
)
from monit_agent.client.source import Changes, Source
from monit_agent.client.targets import (
    AmbiguousTargetError,
    NoSuchTargetError,
    matching_apps,
    resolve_apps,
    resolve_instances,
)
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.messages import EventRecord, Sample

AGENTS_S = 4.0
"""How long agents may take to answer: a source knows after `STALE_S` which of them do not."""

HOSTS_S = 25.0
"""How long hosts may take: a login is given up a little earlier."""

EVENTS_WAITING = 1000
"""Events that wait for a slow reader; older ones are dropped and counted."""


class RequestFailedError(Exception):
    """A request that is refused or has failed; ``kind`` is an `ErrorKind`, the text says what to
    do."""

    def __init__(
        self,
        kind: str,
        message: str,
        reports: Sequence[CommandReport] = (),
        results: Sequence[ActionOutcome] = (),
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reports = tuple(reports)
        """Of a command: how far it came in each app."""
        self.results = tuple(results)
        """Of `trigger`: what the processes answered."""


class Reply(NamedTuple):
    """The answer to a request."""

    instances: tuple[Instance, ...] | None = None
    """Of `list`."""
    apps: tuple[CommandReport, ...] | None = None
    """Of commands."""
    events: tuple[AppEvent, ...] | None = None
    """Of `events`."""
    results: tuple[ActionOutcome, ...] | None = None
    """Of `trigger`."""
    error: RequestFailedError | None = None


class Receiver(NamedTuple):
    """Who made the request."""

    emit: Callable[[Item], None]
    has_room: Callable[[], bool]
    """Whether it reads; what it has no room for waits, or is left out."""


def _ignore(_: Item) -> None:
    """Take no notice of an item."""


NOBODY = Receiver(_ignore, lambda: True)
"""For requests of which only the answer counts."""


class Job:
    """One request from its begin to its answer."""

    def __init__(self, source: Source, receiver: Receiver) -> None:
        self.source = source
        self.receiver = receiver
        self.reply: Reply | None = None
        """The answer; None before it is known."""
        self.is_held = False
        """Whether it has something to send for which the receiver had no room."""
        self._began = source.monotonic()

    @property
    def followed(self) -> Collection[InstanceId]:
        """Return the instances whose log bytes it needs."""
        return ()

    @property
    def is_endless(self) -> bool:
        """Return whether it ends only when it is cancelled."""
        return False

    @property
    def looks_again(self) -> bool:
        """Return whether it waits for something that no message announces."""
        return not self.is_settled()

    def step(self, changes: Changes) -> None:
        """Do what can be done now."""
        raise NotImplementedError

    def cancel(self) -> None:
        """End it."""
        self.reply = Reply()

    def fail(self, error: RequestFailedError) -> None:
        """End it with an error."""
        self.reply = Reply(error=error)

    def is_settled(self) -> bool:
        """Return whether it is known of every host and agent if it answers."""
        waited_s = self.source.monotonic() - self._began
        fleet = self.source.fleet
        hosts = fleet.hosts.values()
        if waited_s < HOSTS_S and any(
            each.state == "connecting" or (each.state == "live" and not each.is_listed)
            for each in hosts
        ):
            return False
        return waited_s > AGENTS_S + (HOSTS_S if hosts else 0.0) or all(
            app.epoch is not None or app.link in ("stale", "gone") for app in fleet.apps.values()
        )

    def chosen(self, targets: Collection[str]) -> "Chosen":
        """Return what the targets mean now; raise `RequestFailedError`."""
        return choose(self.source, targets)


class Chosen(NamedTuple):
    """The apps and instances that targets mean."""

    apps: list[AppId]
    instances: frozenset[InstanceId]

    def numbers(self, app: AppView) -> tuple[int, ...] | None:
        """Return the instances of an app that are meant; None for all."""
        meant = {each.instance for each in self.instances if each.app_id == app.id}
        return None if meant >= app.instances.keys() else tuple(sorted(meant))

    def includes(self, app: AppId, instance: int | None) -> bool:
        """Return whether this instance, or for None the app, is meant."""
        if instance is None:
            return app in self.apps
        return app.instance(instance) in self.instances


NOTHING = Chosen([], frozenset())


def choose(source: Source, targets: Collection[str]) -> Chosen:
    """Return what targets mean; ``all`` may be nothing. Raise `RequestFailedError` for others that
    mean nothing, or two things."""
    fleet = source.fleet
    if not targets or (list(targets) == ["all"] and not fleet.apps):
        targets = ["all"] if fleet.apps else []
    try:
        apps = resolve_apps(fleet, targets)
        bare = [t for t in targets if all(not app.instances for app in matching_apps(fleet, t))]
        some = [t for t in targets if t not in bare or not matching_apps(fleet, t)]
        return Chosen(apps, frozenset(resolve_instances(fleet, some)))
    except NoSuchTargetError as error:
        raise RequestFailedError("no_such_instance", str(error)) from error
    except AmbiguousTargetError as error:
        raise RequestFailedError("bad_request", str(error)) from error


def instance_of(source: Source, app: AppView, view: InstanceView | None) -> Instance:
    """Return the record of one instance; without ``view``, of an app without known instances."""
    age_s = app.age_s(source.monotonic()) if is_stale(app) else None
    return msgspec.convert(instance_fields(app, view, source.wall(), age_s), Instance)


def event_of(app: AppId, event: EventRecord) -> AppEvent:
    """Return the record of an event."""
    return AppEvent(
        host=app.host,
        app=app.app,
        instance=event.instance,
        at=event.at,
        kind=event.kind,
        text=event.text,
        by=event.by,
        seq=event.seq,
    )


class ListJob(Job):
    """Answers with the instances, when the agents have answered."""

    def __init__(self, source: Source, receiver: Receiver, request: ListInstances) -> None:
        super().__init__(source, receiver)
        self._request = request

    def step(self, changes: Changes) -> None:
        """Answer when all is known."""
        del changes
        if not self.is_settled():
            return
        chosen = self.chosen(self._request.targets)
        rows: list[Instance] = []
        for name in chosen.apps:
            app = self.source.fleet.apps[name]
            views = [v for v in app.instances.values() if v.identity in chosen.instances]
            rows += [instance_of(self.source, app, view) for view in views]
            if not app.instances:
                rows.append(instance_of(self.source, app, None))
        self.reply = Reply(instances=tuple(rows))


class _Seen(NamedTuple):
    """What a watcher was sent of an instance."""

    record: object
    sample: Sample | None
    app: object
    link: str


class WatchJob(Job):
    """Sends states when they change."""

    def __init__(self, source: Source, receiver: Receiver, request: WatchInstances) -> None:
        super().__init__(source, receiver)
        self._request = request
        self._sent: dict[InstanceId, _Seen] = {}
        self._apps: set[AppId] = set()
        self._is_listed = False
        self._events: deque[tuple[AppId, EventRecord]] = deque(maxlen=EVENTS_WAITING)
        self._dropped = 0

    @property
    def is_endless(self) -> bool:
        """Return True."""
        return True

    def step(self, changes: Changes) -> None:
        """Send what is new, if the receiver has room for it."""
        if not self._is_listed and not self.is_settled():
            return
        try:
            chosen = self.chosen(self._request.targets)
        except RequestFailedError:
            if not self._is_listed:
                raise
            chosen = NOTHING  # all are deleted; they may come back
        self._add_events(changes, chosen)
        self.is_held = not self.receiver.has_room()
        if self.is_held:
            return
        self._send_states(chosen)
        self._send_events()
        if not self._is_listed:
            self._is_listed = True
            self.receiver.emit(WatchedChange(type="listed"))

    def _add_events(self, changes: Changes, chosen: Chosen) -> None:
        for app, event in changes.events if self._is_listed else ():
            # also the last events of an app that is gone
            if app in self._apps or chosen.includes(app, event.instance):
                self._dropped += len(self._events) == EVENTS_WAITING
                self._events.append((app, event))

    def _send_states(self, chosen: Chosen) -> None:
        apps = self.source.fleet.apps
        for identity in [each for each in self._sent if each not in chosen.instances]:
            del self._sent[identity]
            self._emit("instance_removed", identity.app_id, identity.instance)
        for name in sorted(self._apps - set(chosen.apps)):
            self._emit("app_deleted", name, None)
        self._apps = set(chosen.apps)
        for identity in sorted(chosen.instances):
            app = apps[identity.app_id]
            view = app.instances[identity.instance]
            sample = view.sample if self._request.samples else None
            seen = _Seen(view.record, sample, (app.record, app.alerts, app.problem), app.link)
            if not _is_same(seen, self._sent.get(identity)):
                self._sent[identity] = seen
                state = instance_of(self.source, app, view)
                self._emit("instance_changed", identity.app_id, identity.instance, state=state)

    def _send_events(self) -> None:
        while self._events:
            app, event = self._events.popleft()
            record = event_of(app, event)
            self._emit("event_added", app, event.instance, event=record, dropped=self._dropped)
            self._dropped = 0

    def _emit(
        self,
        kind: str,
        app: AppId,
        instance: int | None,
        *,
        state: Instance | None = None,
        event: AppEvent | None = None,
        dropped: int = 0,
    ) -> None:
        change = WatchedChange(
            type=kind,  # pyright: ignore[reportArgumentType]
            host=app.host,
            app=app.app,
            instance=instance,
            state=state,
            event=event,
            dropped=dropped,
        )
        self.receiver.emit(change)


def _is_same(one: _Seen, other: _Seen | None) -> bool:
    # records are replaced when they change, so that comparing them by value would only cost time
    return (
        other is not None
        and one.record is other.record
        and one.sample is other.sample
        and one.app == other.app
        and one.link == other.link
    )
