"""Finds a moment, a line or the beginning of logs: fetches the lines around it, and moves the log's
cursor there."""

from collections.abc import Callable
from typing import NamedTuple

from monit_agent.client.logs.assembler import LineAssembler
from monit_agent.client.logs.file_search import FoundPlace
from monit_agent.client.logs.rows import LogGap, StreamKey
from monit_agent.client.source import Source
from monit_agent.wire.messages import Answer, LogPart, LogRange, LogSince, LogTail
from monit_tui.widgets.log.view import LogView

LINES_BEFORE = 200
BYTES_AFTER = 64 * 1024
"""What is fetched of a stream around a moment: some screens in both directions."""

STREAMS_AT_ONCE = 64
"""Most streams of which a moment is looked for; of more, the first ones."""


class _Goal(NamedTuple):
    """Where the cursor shall go: to a line, or to the first one of a moment."""

    at_ns: int
    place: FoundPlace | None = None


_OLDEST = _Goal(0)


class MomentSeeker:
    """Looks for one moment at a time; a new one replaces it. ``moved`` is called when the cursor
    has reached a line that had to be fetched."""

    def __init__(
        self,
        source: Source,
        view: LogView,
        paint: Callable[[], None],
        moved: Callable[[], None] = lambda: None,
    ) -> None:
        self._source, self._view, self._paint, self._moved = source, view, paint, moved
        self._book = view.book
        self._goal: _Goal | None = None
        self._turn = 0
        self._unanswered = 0

    def shown(self) -> float | None:
        """Return the wall time of the line at the cursor; None while the end is followed."""
        row = None if self._view.window.follow else self._view.current_row()
        return row.at_ns / 1e9 if row is not None and row.at_ns else None

    def cancel(self) -> None:
        """Leave the cursor where it is when answers come."""
        self._goal = None

    def follow_again(self) -> None:
        """Follow the end of the log."""
        self.cancel()
        self._view.window.follow_end()
        self._paint()

    def go_to(self, at: float) -> None:
        """Pause at the first line printed at or after a wall time: at once if the lines around it
        are loaded, else when they are."""
        goal = self._begin(_Goal(round(at * 1e9)))
        self._show(goal)
        if not self._is_loaded(goal.at_ns):
            self._book.make_room()
            for key in self._book.selected_streams[:STREAMS_AT_ONCE]:
                self._find(key, at)

    def go_to_place(self, place: FoundPlace) -> None:
        """Pause at a line: at once if it is loaded, else when it is, with the lines around it."""
        goal = self._begin(_Goal(place.at_ns, place))
        if self._show(goal):
            return
        self._view.window.pause()
        self._book.begin_reading()
        self._book.make_room()
        self._fetch_around(place.key, place.offset)
        others = [key for key in self._book.selected_streams if key != place.key]
        for key in others[: STREAMS_AT_ONCE - 1] if place.at_ns else ():
            self._find(key, place.at_ns / 1e9)

    def go_to_oldest(self) -> None:
        """Pause at the first line that is kept, when it is loaded."""
        goal = self._begin(_OLDEST)
        self._show(goal)
        missing = [
            key for key in self._book.selected_streams if _lacks_begin(self._book.rings.stream(key))
        ]
        if missing:
            self._book.make_room()
        for key in missing[:STREAMS_AT_ONCE]:
            start = self._book.rings.stream(key).begin or 0
            self._request(key, self._range(key, start))

    def flushed(self) -> None:
        """Show the moment again, after rows were added."""
        if self._goal is None:
            return
        shown = self._show(self._goal)
        if self._goal.place is not None and (shown or not self._unanswered):
            if not shown:  # rotated away meanwhile
                self._show(_Goal(self._goal.at_ns))
            self._goal = None
            self._moved()

    def _begin(self, goal: _Goal) -> _Goal:
        self._turn += 1
        self._unanswered = 0
        self._goal = goal
        return goal

    def _show(self, goal: _Goal) -> bool:
        """Move the cursor; return False if that line is not loaded."""
        shown, window = self._view.shown, self._view.window
        if not len(shown):
            return False
        if goal.place is not None:
            seq = self._book.merged.find_line(goal.place.key, goal.place.offset)
            if seq is None:
                return False
            index = min(shown.index(seq), len(shown) - 1)
        else:
            seq = self._book.merged.find_time(goal.at_ns)
            index = min(shown.index(seq), len(shown) - 1)
        self._book.begin_reading()
        window.go_to(shown.seq(index), middle=True)
        if goal.place is not None and window.cursor != seq:
            row = self._book.merged.row(window.cursor)  # which stands for the line: show it
            self._view.opened.add((row.key, row.offset))
        self._paint()
        return True

    def _is_loaded(self, at_ns: int) -> bool:
        """Return whether the rows on both sides of a moment are lines."""
        merged = self._book.merged
        seq = merged.find_time(at_ns)
        beside = [one for one in (seq - 1, seq) if merged.first <= one < merged.end]
        lines = [one for one in beside if not isinstance(merged.row(one), LogGap)]
        return len(lines) == len(beside) and seq > merged.first

    def _find(self, key: StreamKey, at: float) -> None:
        turn = self._turn

        def then(answer: Answer) -> None:
            if isinstance(answer, LogPart) and turn == self._turn:
                self._fetch_around(key, answer.offset)

        request = LogSince(instance=key.identity.instance, stream=key.stream, at=at)
        self._source.send_request(key.identity.app_id, request, then)

    def _fetch_around(self, key: StreamKey, offset: int) -> None:
        before = LogTail(
            instance=key.identity.instance, stream=key.stream, lines=LINES_BEFORE, before=offset
        )
        self._request(key, before)
        self._request(key, self._range(key, offset))

    def _range(self, key: StreamKey, start: int) -> LogRange:
        return LogRange(
            instance=key.identity.instance, stream=key.stream, start=start, max_bytes=BYTES_AFTER
        )

    def _request(self, key: StreamKey, request: LogTail | LogRange) -> None:
        turn = self._turn
        self._unanswered += 1

        def then(answer: Answer) -> None:
            if turn == self._turn:
                self._unanswered -= 1
            if isinstance(answer, LogPart) and self._book.rings.has_lines_of(key.identity):
                now = self._source.monotonic()
                self._book.add_part(key.identity.app_id, answer, now, at_line_start=True)

        self._source.send_request(key.identity.app_id, request, then)


def _lacks_begin(lines: LineAssembler) -> bool:
    """Return whether older bytes may be kept than the first known ones."""
    return lines.begin is None or lines.start is None or lines.begin < lines.start
