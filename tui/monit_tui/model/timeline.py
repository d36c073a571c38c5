"""The events of all apps in one order, filtered. Pure but for the history that it reads.

An entry is identified by its app, time and number, never by its place.
"""

import re
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import EventRecord
from monit_tui.event_history import EventHistory

MOST = 20_000
"""Entries of the timeline, the newest ones: a hundred apps with two hundred events each."""

FETCHED_AT_ONCE = 8
"""Apps whose older events are requested at once."""


class TimelineEntry(NamedTuple):
    """One event of one app; sorts by time."""

    at: float
    app: AppId
    seq: int


class AllEvents:
    """Entries of some apps that match a filter, oldest first."""

    def __init__(self, history: EventHistory) -> None:
        self.words: tuple[str, ...] = ()
        """All must match; ``!`` excludes, ``app:`` and ``kind:`` look there only."""
        self.entries: list[TimelineEntry] = []
        self._records: dict[TimelineEntry, EventRecord] = {}
        self._history = history
        self._apps: tuple[AppId, ...] = ()
        self._instance: int | None = None

    def select(self, apps: Iterable[AppId], instance: int | None) -> None:
        """Show the events of these apps; with ``instance``, those of the app and of that one."""
        chosen = tuple(apps)
        if (chosen, instance) != (self._apps, self._instance):
            self._apps, self._instance = chosen, instance
            self.rebuild()

    def set_filter(self, text: str) -> None:
        """Show only what matches."""
        words = tuple(text.casefold().split())
        if words != self.words:
            self.words = words
            self.rebuild()

    def rebuild(self) -> None:
        """Read all known events again."""
        self._records = {
            TimelineEntry(event.at, app, event.seq): event
            for app in self._apps
            for event in self._history.events(app)
            if self._shows(app, event)
        }
        self.entries = sorted(self._records)[-MOST:]

    def add(self, fresh: Iterable[tuple[AppId, EventRecord]]) -> bool:
        """Add new events; return whether any of them is shown."""
        before = len(self._records)
        for app, event in fresh:
            entry = TimelineEntry(event.at, app, event.seq)
            if app in self._apps and entry not in self._records and self._shows(app, event):
                self._records[entry] = event
                insort(self.entries, entry)
        for entry in self.entries[: max(0, len(self.entries) - MOST)]:
            del self._records[entry]
        del self.entries[: max(0, len(self.entries) - MOST)]
        return len(self._records) != before

    def record(self, entry: TimelineEntry) -> EventRecord:
        """Return the event of an entry."""
        return self._records[entry]

    def place(self, entry: TimelineEntry) -> int:
        """Return the place of an entry, or of the next one if it is no longer there."""
        return min(bisect_left(self.entries, entry), max(0, len(self.entries) - 1))

    def fetch_older(self) -> bool:
        """Request older events of the apps that reach back least; return whether there are any.

        The timeline has no holes back to the time that all apps reach.
        """
        open_ended = [app for app in self._apps if not self._history.is_complete(app)]
        open_ended.sort(key=self._history.oldest, reverse=True)
        asked = [self._history.fetch_since(app, 0.0) for app in open_ended[:FETCHED_AT_ONCE]]
        return any(asked)

    @property
    def is_complete(self) -> bool:
        """Return whether all that the agents keep is known."""
        return all(self._history.is_complete(app) for app in self._apps)

    @property
    def is_waiting(self) -> bool:
        """Return whether older events are being fetched."""
        return any(self._history.is_waiting(app) for app in self._apps)

    def _shows(self, app: AppId, event: EventRecord) -> bool:
        if self._instance is not None and event.instance not in {None, self._instance}:
            return False
        if not self.words:
            return True
        name = (str(app) if event.instance is None else f"{app}/{event.instance}").casefold()
        kind = event.kind.replace("_", " ")
        whole = f"{name} {kind} {event.kind} {event.text} {event.by or ''}".casefold()
        return all(_matches(word, name, event.kind, whole) for word in self.words)


_INSTANCES = re.compile(r"(start|stop|restart|reload|signal \S+) (\d+(?:, \d+)*(?:$|: ))")


def event_text(event: EventRecord, app: str) -> str:
    """Return the text of an event; instances that a request names have the name of their app."""
    if event.kind != "requested":
        return event.text
    return _INSTANCES.sub(lambda found: f"{found[1]} {app}/{found[2]}", event.text, count=1)


def _matches(word: str, name: str, kind: str, whole: str) -> bool:
    if word.startswith("!") and len(word) > 1:
        return not _matches(word[1:], name, kind, whole)
    if word.startswith("app:"):
        return word[4:] in name
    if word.startswith("kind:"):
        return word[5:] in kind
    return word in whole
