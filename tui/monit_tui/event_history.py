"""The events of all apps: those that the agents announced, and older ones from their files."""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence

from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import Answer, EventRecord, EventsPart, EventsRange, Refused

OLDER = 500
"""Events of one request for older ones."""

KEPT = 5000
"""Events that are kept of one app: two for each minute of a day and more; they take 2 MB."""

AGAIN_S = 10.0
"""How long after a refusal nothing older is requested."""


Identity = tuple[float, int]
"""What tells one event of an app from all others: its time, and its number, which starts again
with each keeper."""


class _Known:
    """What is known of one app's events."""

    def __init__(self, created_at: float) -> None:
        self.created_at = created_at
        """Of the app: one that was deleted and started again has other events."""
        self.events: list[EventRecord] = []
        self.identities: set[Identity] = set()
        self.newest: Identity | None = None
        """The last announced event that was added."""
        self.complete = False
        """Nothing older is on disk, or no more is kept."""
        self.waiting = False
        self.refused_at: float | None = None

    def add(self, events: Iterable[EventRecord]) -> int:
        """Add those that are new; return how many."""
        before = len(self.identities)
        for one in events:
            if identity_of(one) not in self.identities:
                self.identities.add(identity_of(one))
                insort(self.events, one, key=identity_of)
        for one in self.events[: max(0, len(self.events) - KEPT)]:
            self.identities.discard(identity_of(one))
            self.complete = True
        del self.events[: max(0, len(self.events) - KEPT)]
        return len(self.identities) - before


class EventHistory:
    """Keeps what was announced, and older events that were fetched."""

    def __init__(self, source: Source) -> None:
        self.changed: list[Callable[[AppId], None]] = []
        """Called when older events of an app came."""
        self._source = source
        self._apps: dict[AppId, _Known] = {}

    def events(self, app: AppId) -> Sequence[EventRecord]:
        """Return the known events of an app, oldest first, each once."""
        view = self._source.fleet.apps.get(app)
        if view is None:
            return ()
        known = self._known(app)
        if view.events and identity_of(view.events[-1]) != known.newest:
            known.add(view.events)
            known.newest = identity_of(view.events[-1])
        return known.events

    def is_complete(self, app: AppId) -> bool:
        """Return whether nothing older can be fetched."""
        return self._known(app).complete

    def is_waiting(self, app: AppId) -> bool:
        """Return whether older events of an app are being fetched."""
        return self._known(app).waiting

    def fetch_since(self, app: AppId, since: float) -> bool:
        """Request older events, down to a wall time; return whether a request is under way.

        One request brings `OLDER` of them; its answer calls `changed`, and then this again.
        """
        view, known = self._source.fleet.apps.get(app), self._known(app)
        if known.waiting:
            return True
        if view is None or view.link != "live" or known.complete or self._is_refused(known):
            return False
        oldest = self.oldest(app)
        if oldest <= since:
            return False
        known.waiting = True
        # the newest before the oldest known, again with those of the same moment
        request = EventsRange(since=0.0, until=oldest + 0.001, limit=OLDER)
        self._source.send_request(app, request, lambda answer: self._take(app, known, answer))
        return True

    def oldest(self, app: AppId) -> float:
        """Return the wall time of the oldest known event; now without any."""
        events = self.events(app)
        return events[0].at if events else self._source.wall()

    def _take(self, app: AppId, known: _Known, answer: Answer) -> None:
        known.waiting = False
        if isinstance(answer, Refused):
            known.refused_at = self._source.monotonic()
        elif isinstance(answer, EventsPart):
            added = known.add(answer.events)
            known.complete = known.complete or not added or len(answer.events) < OLDER
            for then in self.changed:
                then(app)

    def _is_refused(self, known: _Known) -> bool:
        return (
            known.refused_at is not None and self._source.monotonic() - known.refused_at < AGAIN_S
        )

    def _known(self, app: AppId) -> _Known:
        view = self._source.fleet.apps.get(app)
        created = view.record.created_at if view is not None and view.record is not None else 0.0
        known = self._apps.get(app)
        if known is None or (created and known.created_at not in (0.0, created)):
            for gone in [one for one in self._apps if one not in self._source.fleet.apps]:
                del self._apps[gone]
            known = self._apps[app] = _Known(created)
        elif created:
            known.created_at = created
        return known


def identity_of(event: EventRecord) -> Identity:
    """Return what tells an event of an app from all others."""
    return event.at, event.seq
