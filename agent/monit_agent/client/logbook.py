"""The lines of the instances that somebody looked at, and one view of some of them.

A `Logbook` keeps a ring per instance, which outlives the selection: going back to an instance
shows at once what was there. `Merged` is the selection in one order: history by time, and
what comes live behind it in the order of arrival. Its rows have sequence numbers that never
change, so that a viewport that holds on to one never moves under its reader.
"""

from collections.abc import Collection
from typing import NamedTuple

from monit_agent.client.loglines import Fed
from monit_agent.client.logmerged import Merged
from monit_agent.client.logrings import STREAMS, Rings
from monit_agent.client.logrows import Run, StreamKey
from monit_agent.client.source import LogChunk
from monit_agent.client.view import Identity
from monit_agent.wire.messages import LogPart

LINES_PER_INSTANCE = 10_000
LINES_IN_ALL = 200_000
"""Bound over a selection of many instances: each ring is then smaller."""
READING_FACTOR = 5
"""While somebody reads, rings may grow to this many times their size: what is fetched from
before must not push out what is being read, and a flood must not do so within a second."""
UNFINISHED_S = 0.3
"""A line that has not ended after this long is shown as it is."""


class Flushed(NamedTuple):
    """What one `Logbook.flush` did to the view."""

    appended: int = 0
    """Rows that came at the end."""
    reshaped: bool = False
    """True when rows came or went elsewhere: all sequence numbers are new."""
    grew: bool = False
    """True when unfinished rows changed in place."""


class Logbook:
    """Rings of lines, and the merged view of the selected ones. One thread uses it."""

    def __init__(self, lines_per_instance: int = LINES_PER_INSTANCE) -> None:
        self.rings = Rings()
        self.merged = Merged()
        self.reading = False
        """Whether somebody has scrolled away from the end: keeps more, moves nothing."""
        self.unkept = 0
        """Rows that came while the view was full and being read; they are not in it."""
        self._lines_per_instance = lines_per_instance
        self._selected: frozenset[Identity] = frozenset()
        self._pending: list[tuple[int, Run]] = []
        self._latest: dict[StreamKey, int] = {}
        self._unfinished: dict[StreamKey, float] = {}
        self._reshaped = self._grew = False

    @property
    def room(self) -> int:
        """How many lines one selected instance may have."""
        shared = LINES_IN_ALL // max(1, len(self._selected))
        return max(100, min(self._lines_per_instance, shared))

    def select(self, who: Collection[Identity]) -> None:
        """View these instances; what is known of them is there at once."""
        self._selected = frozenset(who)
        self.rings.visit(who)
        self._latest, self._unfinished = {}, {}
        for key in self.selected_streams():
            self.rings.stream(key).show_tail()
        self.rebuild()

    def take(self, chunk: LogChunk, now: float, *, at_line_start: bool = False) -> None:
        """Take in bytes at monotonic time ``now``; `flush` brings them into the view."""
        key = StreamKey(chunk.app, chunk.instance, chunk.stream)
        self._note(key, self.rings.stream(key).feed(chunk, at_line_start=at_line_start), now)

    def take_part(
        self, app: str, part: LogPart, now: float, *, at_line_start: bool = False
    ) -> None:
        """Take in the answer to a `LogTail` (whose bytes begin a line) or a `LogRange`."""
        key = StreamKey(app, part.instance, part.stream)
        chunk = LogChunk(app, part.instance, part.stream, part.offset, part.data, part.times)
        fed = self.rings.stream(key).feed(chunk, at_line_start=at_line_start)
        self._note(key, fed, now)
        # history is put where its time is, also when it is the first that is known of a stream
        if (self.rings.stream(key).settle(part.begin) or fed.runs) and self._views(key):
            self._reshaped = True

    def flush(self, now: float) -> Flushed:
        """Bring into the view what came since the last flush."""
        self._show_unfinished(now)
        for identity in {run.key.identity for _, run in self._pending}:
            self.rings.trim(identity, self.room * (READING_FACTOR if self.reading else 1))
        if self._reshaped:
            self.rebuild()
            self._reshaped = False
            return Flushed(reshaped=True)
        self._pending.sort(key=_by_time)
        runs = [run for _, run in self._pending]
        self._pending = []
        full = self.reading and len(self.merged) >= self.room * READING_FACTOR
        if full:
            self.unkept += sum(map(len, runs))
            runs = []
        appended = self.merged.append(runs)
        if not self.reading:
            self.merged.trim(self.room * max(1, len(self._selected)))
        grew, self._grew = self._grew, False
        return Flushed(appended, grew=grew)

    @property
    def due_at(self) -> float | None:
        """Monotonic time at which an unfinished line is to be shown by a `flush`, or None."""
        return min(self._unfinished.values()) + UNFINISHED_S if self._unfinished else None

    def rebuild(self) -> None:
        """Make the view anew of all that is known of the selected instances."""
        dated: list[tuple[int, Run]] = []
        for key in self.selected_streams():
            latest = 0
            for run in self.rings.stream(key).runs():
                latest = max(latest, run.at_ns)
                dated.append((latest, run))
            self._latest[key] = latest
        dated.sort(key=_by_time)
        self.merged.renew(run for _, run in dated)
        self._pending = []
        self.unkept = 0

    def hold(self) -> None:
        """Somebody begins to read: what is in the view stays known, until `let_go`."""
        if self.reading:
            return
        self.reading = True
        strays: dict[StreamKey, list[Run]] = {}
        for _, run in self.merged.runs(self.merged.first):
            start = self.rings.stream(run.key).start
            if start is None or run.offset < start:
                strays.setdefault(run.key, []).append(run)
        for key, runs in strays.items():
            self.rings.stream(key).take_back(runs)

    def let_go(self) -> None:
        """Nobody reads any more: the view goes on from the newest lines."""
        if self.reading and self.unkept:
            self.rebuild()
        self.reading = False

    def clear(self) -> None:
        """Empty the view; the lines can be fetched from the file again."""
        for key in self.selected_streams():
            self.rings.stream(key).forget()
        self.rebuild()

    def selected_streams(self) -> list[StreamKey]:
        """Give the streams of the selected instances, sorted."""
        who = sorted(self._selected)
        return [StreamKey(app, instance, name) for app, instance in who for name in STREAMS]

    def _note(self, key: StreamKey, fed: Fed, now: float) -> None:
        if not self._views(key):
            return
        self._reshaped |= fed.reshaped
        self._grew |= fed.grew
        for run in fed.runs:
            latest = self._latest[key] = max(self._latest.get(key, 0), run.at_ns)
            self._pending.append((latest, run))
        if fed.unfinished:
            self._unfinished.setdefault(key, now)
        else:
            self._unfinished.pop(key, None)

    def _show_unfinished(self, now: float) -> None:
        for key, since in list(self._unfinished.items()):
            if now < since + UNFINISHED_S:
                continue
            del self._unfinished[key]
            run = self.rings.stream(key).show_tail()
            if run is not None:
                self._pending.append((max(self._latest.get(key, 0), run.at_ns), run))

    def _views(self, key: StreamKey) -> bool:
        return key.identity in self._selected


def _by_time(dated: tuple[int, Run]) -> int:
    return dated[0]
