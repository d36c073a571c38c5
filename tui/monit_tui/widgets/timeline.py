"""The timeline: the events of all apps, or of the row under the cursor of the list.

Newest last. While the cursor is not set the newest events are in view; with a cursor nothing moves.
"""

import time
from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual.actions import SkipAction
from textual.binding import BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.strip import Strip

from monit_agent.client.source import Changes, Source
from monit_agent.client.text.format import format_clock, format_date_and_time
from monit_agent.client.text.sanitize import printable
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import EventRecord
from monit_tui.event_history import EventHistory, Identity, identity_of
from monit_tui.keys.bindings import bindings_of
from monit_tui.model.charts.marks import EventMark, marks_of
from monit_tui.model.processes.rows import RowKey, row_name
from monit_tui.model.timeline import AllEvents, TimelineEntry, event_text
from monit_tui.palettes import Tone
from monit_tui.text.fitting import fit_middle
from monit_tui.theme import Look
from monit_tui.widgets.lines import Lines, make_strip

_TONES: dict[str, Tone] = {
    "ready": "good", "reload_done": "good", "reloaded": "good", "left_behind": "warn",
    "backoff": "warn", "killed": "warn", "agent_exited": "warn", "errored": "bad", "crashed": "bad",
    "unready": "warn", "stuck": "bad", "unhealthy": "bad", "unstuck": "good", "healthy": "good",
    "env_problem": "bad", "watch_slowed": "warn", "watch_failed": "bad", "watch_resumed": "good",
    "reload_failed": "bad", "upgraded": "good", "upgrade_failed": "bad", "agent_moved": "warn",
    "log_lost": "bad", "requested": "key", "scaled": "key", "took_over": "good",
    "alert_fired": "bad", "alert_cleared": "good", "alert_flapping": "warn",
}  # fmt: skip

NAME_LEAST, NAME_MOST, KIND = 8, 40, 14

HINT = "filter: app, kind, text; !word excludes, app:web, kind:exited"


class TimelinePane(Lines, can_focus=True):
    """Shows events; posts `EventChosen` when the user wants to see the moment of one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of("events")

    class EventChosen(Message):
        """Log and charts of the app are to show the moment of this event."""

        def __init__(self, app: AppId, event: EventRecord) -> None:
            super().__init__()
            self.app_id = app
            self.event = event

    class Narrowed(Message):
        """Other apps are shown, or another filter applies."""

    def __init__(self, source: Source, look: Look, history: EventHistory) -> None:
        super().__init__(id="events")
        self.timeline = AllEvents(history)
        self.cursor: TimelineEntry | None = None
        """The selected event; None: the newest ones are in view."""
        self.filter = ""
        self.all_apps = True
        self._source, self._look, self._history = source, look, history
        self._key: RowKey | None = None
        self._top: TimelineEntry | None = None
        self._marks: dict[AppId, tuple[int, dict[Identity, EventMark]]] = {}
        history.changed.append(self._older_came)

    def show(self, key: RowKey | None) -> None:
        """Show the events of another row, unless all are shown."""
        self._key = key
        self._select()

    def deliver(self, changes: Changes) -> None:
        """Add new events."""
        for app in [app for app in self._marks if app not in self._source.fleet.apps]:
            del self._marks[app]
        if changes.apps and self.all_apps:
            self._select()
        if self.timeline.add(changes.events):
            self.repaint()

    def set_filter(self, text: str) -> None:
        """Show only events that match."""
        self.filter = text
        self.timeline.set_filter(text)
        self.repaint()
        self.post_message(self.Narrowed())

    def title_info(self) -> str:
        """Return whose events are shown, and the filter."""
        name = "all apps" if self.all_apps else "" if self._key is None else row_name(self._key)
        return f"{name}, /{self.filter}" if self.filter else name

    # ------------------------------------------------------------ drawing

    def draw(self, width: int, height: int, /) -> list[Strip]:
        """Return the events in view."""
        entries, look = self.timeline.entries, self._look
        if not entries:
            text = "no event matches the filter" if self.filter else "no events yet"
            return [make_strip([(f" {text}", look.style("muted"))], width)]
        first = self._first(height)
        lines: list[Strip] = []
        if first == 0 and len(entries) >= height:
            lines.append(make_strip([(f" {self._end_text()}", look.style("muted"))], width))
        shown = entries[first : first + height - len(lines)]
        if self.cursor is None and lines and len(entries) >= height:
            lines, shown = [], entries[-height:]
        names = {entry: self._who(entry) for entry in shown}
        longest = max(map(cell_len, names.values()))
        room = max(NAME_LEAST, min(NAME_MOST, longest, width // 4))
        stamp = self._stamp(shown)
        for entry in shown:
            line = self._line(
                entry, stamp(entry.at), fit_middle(names[entry], room, look.glyphs.ellipsis), width
            )
            picked = entry == self.cursor
            lines.append(look.on_bar(line, focused=self.has_focus) if picked else line)
        return lines

    def _first(self, height: int) -> int:
        """Return the place of the first entry in view, so that the cursor is."""
        timeline = self.timeline
        last = max(0, len(timeline.entries) - height)
        if self.cursor is None:
            self._top = None
            return last
        place = timeline.place(self.cursor)
        top = timeline.place(self._top) if self._top is not None else last
        if top == 0 and len(timeline.entries) >= height:
            height -= 1  # the first line says what is older
        top = max(place - height + 1, min(top, place, last + 1))
        self._top = timeline.entries[top]
        return top

    def _end_text(self) -> str:
        if self.timeline.is_waiting:
            return "older events are being fetched"
        if self.timeline.is_complete:
            return "no older events"
        return self.with_keys("{events.up} fetches older events")

    def _stamp(self, shown: list[TimelineEntry]) -> Callable[[float], str]:
        """Return how times are written: with the date where another day than today is in view."""
        today = time.localtime(self._source.wall())[:3]
        old = any(time.localtime(entry.at)[:3] != today for entry in (shown[0], shown[-1]))
        return (lambda at: format_date_and_time(at)[5:]) if old else format_clock

    def _who(self, entry: TimelineEntry) -> str:
        event, name = self.timeline.record(entry), _app_name(self._source, entry)
        return printable(name if event.instance is None else f"{name}/{event.instance}")

    def _line(self, entry: TimelineEntry, stamp: str, name: str, width: int) -> Strip:
        look, event = self._look, self.timeline.record(entry)
        mark = self._mark(entry)
        tone: Tone = mark.tone if mark is not None else _TONES.get(event.kind, "plain")
        sign = mark.glyph(look.glyphs) if mark is not None else " "
        kind = event.kind.replace("_", " ")
        parts = [
            (f" {stamp} ", look.style("muted")),
            (f"{name} ", look.style("plain")),
            (f"{sign} {kind:<{KIND}}", look.style(tone)),
            (
                " " + printable(event_text(event, _app_name(self._source, entry))),
                look.style("plain"),
            ),
        ]
        if event.by:
            parts.append((f"  by {printable(event.by)}", look.style("muted")))
        return make_strip(parts, width)

    def _mark(self, entry: TimelineEntry) -> EventMark | None:
        """Return what stands on the time axis of the charts for this event."""
        events = self._history.events(entry.app)
        known = self._marks.get(entry.app)
        if known is None or known[0] != len(events):
            marks = {identity_of(mark.event): mark for mark in marks_of(events)}
            known = self._marks[entry.app] = (len(events), marks)
        return known[1].get((entry.at, entry.seq))

    # ------------------------------------------------------------ inside

    def _select(self) -> None:
        if self.all_apps:
            self.timeline.select(sorted(self._source.fleet.apps), None)
        elif self._key is not None:
            app = self._source.fleet.apps.get(self._key.app)
            several = app is not None and len(app.instances) > 1
            self.timeline.select([self._key.app], self._key.instance if several else None)
        self.repaint()

    def _older_came(self, _app: AppId) -> None:
        self.timeline.rebuild()
        if self.is_mounted:
            self.repaint()

    def _move(self, entries: int) -> None:
        timeline = self.timeline
        if not timeline.entries:
            return
        last = len(timeline.entries) - 1
        place = last + 1 if self.cursor is None else timeline.place(self.cursor)
        if self.cursor is None and entries < 0:
            place = last if entries == -1 else last + 1
            entries = 0 if entries == -1 else entries
        wanted = place + entries
        if wanted > last:
            self.cursor = None
        else:
            self.cursor = timeline.entries[max(0, wanted)]
        if wanted <= 0:
            timeline.fetch_older()
        self.repaint()

    # ------------------------------------------------------------ keys and mouse

    def action_move(self, where: str) -> None:
        """Move the cursor; after the last event, show the newest ones from now on."""
        page = max(1, self.size.height - 1)
        steps = {"up": -1, "down": 1, "half_up": -page // 2, "half_down": page // 2,
                 "page_up": -page, "page_down": page, "first": -10**9, "last": 10**9}  # fmt: skip
        self._move(steps[where])

    def action_problem(self, direction: int) -> None:
        """Move the cursor to the next or previous event that is a problem."""
        timeline = self.timeline
        place = len(timeline.entries) if self.cursor is None else timeline.place(self.cursor)
        places = range(place + direction, len(timeline.entries) if direction > 0 else -1, direction)
        for each in places:
            entry = timeline.entries[each]
            mark = self._mark(entry)
            if _TONES.get(timeline.record(entry).kind) == "bad" or (mark and mark.tone == "bad"):
                self.cursor = entry
                self.repaint()
                return
        self.notify("no older problem is known" if direction < 0 else "no newer problem")

    def action_all(self) -> None:
        """Show the events of all apps, or of the row under the list's cursor."""
        self.all_apps = not self.all_apps
        self.cursor = None
        self._select()
        self.post_message(self.Narrowed())

    def action_go(self) -> None:
        """Go to the moment of the selected event, else of the newest one."""
        entries = self.timeline.entries
        if entries:
            entry = entries[-1 if self.cursor is None else self.timeline.place(self.cursor)]
            self.post_message(self.EventChosen(entry.app, self.timeline.record(entry)))

    def action_escape(self) -> None:
        """Clear the filter, then the cursor; else the key is the screen's."""
        if self.filter:
            self.set_filter("")
        elif self.cursor is not None:
            self._move(10**9)
        else:
            raise SkipAction

    def watch_has_focus(self, has_focus: bool) -> None:
        """Draw the cursor's bar bright with the focus, dim without."""
        super().watch_has_focus(has_focus)
        self.repaint()

    def on_click(self, event: Click) -> None:
        """Select the event under the mouse; a double click goes to its moment."""
        height = self.size.height
        entries = self.timeline.entries
        first = self._first(height)
        headed = first == 0 and len(entries) >= height and self.cursor is not None
        place = first + event.y - headed
        if 0 <= place < len(entries):
            self.cursor = entries[place]
            self._top = entries[first]
            self.repaint()
            if event.chain > 1:
                self.action_go()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Move the cursor with the wheel."""
        event.stop()
        self._move(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Move the cursor with the wheel."""
        event.stop()
        self._move(-3)


def _app_name(source: Source, entry: TimelineEntry) -> str:
    app = source.fleet.apps.get(entry.app)
    return app.name if app is not None else str(entry.app)
