"""The lines of recently selected instances, and one merged view of those selected now.

A `Logbook` keeps a ring per instance, which outlives the selection: its lines are shown at once
when the instance is selected again. `MergedRows` is the selection in one order: history by time,
followed by live lines in the order of arrival. Its rows have sequence numbers that never
change, so that a viewport anchored to one does not move while somebody reads.
"""

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from monit_agent.client.logs.assembler import FeedResult, LineAssembler
from monit_agent.client.logs.merged import MergedRows
from monit_agent.client.logs.rows import Run, StreamKey
from monit_agent.client.source import LogChunk
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.messages import LogPart, Stream

RINGS = 64
"""Unselected instances whose lines are kept; those unselected the longest are dropped first."""

STREAMS: tuple[Stream, Stream] = ("out", "err")

LINES_PER_INSTANCE = 10_000
LINES_IN_ALL = 200_000
"""Bound over a selection of many instances: each ring is then smaller."""
READING_FACTOR = 5
"""While somebody reads, rings may grow to this many times their size: fetched history must not
push out the lines being read, and a flood must not do so within a second."""
UNFINISHED_S = 0.3
"""A line without a newline is shown as it is after this long."""


class FlushResult(NamedTuple):
    """What one `Logbook.flush` changed in the view."""

    appended: int = 0
    """Rows added at the end."""
    reshaped: bool = False
    """True when rows were added or removed elsewhere: all sequence numbers are new."""
    grew: bool = False
    """True when unfinished rows changed in place."""


class Logbook:
    """LineRings of lines, and the merged view of the selected ones. One thread uses it."""

    def __init__(self, lines_per_instance: int = LINES_PER_INSTANCE) -> None:
        self.rings = LineRings()
        self.merged = MergedRows()
        self.reading = False
        """Whether somebody has scrolled away from the end: more rows are kept, none move."""
        self.missed_rows = 0
        """Rows that arrived while the view was full and being read; they are not in it."""
        self.selected_streams: list[StreamKey] = []
        """The streams of the selected instances, sorted."""
        self._lines_per_instance = lines_per_instance
        self._selected: frozenset[InstanceId] = frozenset()
        self._pending: list[tuple[int, Run]] = []
        self._latest: dict[StreamKey, int] = {}
        self._unfinished: dict[StreamKey, float] = {}
        self._reshaped = self._grew = False

    @property
    def room(self) -> int:
        """How many lines one selected instance may have."""
        shared = LINES_IN_ALL // max(1, len(self._selected))
        return max(100, min(self._lines_per_instance, shared))

    def select(self, who: Collection[InstanceId]) -> None:
        """Show these instances; their known lines are there at once."""
        self._selected = frozenset(who)
        self.selected_streams = [StreamKey(one, name) for one in sorted(who) for name in STREAMS]
        self.rings.keep_lines_of(who)
        self._latest, self._unfinished = {}, {}
        for key in self.selected_streams:
            self.rings.stream(key).show_tail()
        self.rebuild()

    def add_chunk(self, chunk: LogChunk, now: float, *, at_line_start: bool = False) -> None:
        """Add bytes at monotonic time ``now``; `flush` brings them into the view."""
        key = StreamKey(chunk.identity, chunk.stream)
        self._note_result(key, self.rings.stream(key).feed(chunk, at_line_start=at_line_start), now)

    def add_part(
        self, app: AppId, part: LogPart, now: float, *, at_line_start: bool = False
    ) -> None:
        """Add the answer to a `LogTail` (whose bytes begin a line) or a `LogRange`."""
        key = StreamKey(app.instance(part.instance), part.stream)
        chunk = LogChunk(key.identity, part.stream, part.offset, part.data, part.times)
        result = self.rings.stream(key).feed(chunk, at_line_start=at_line_start)
        self._note_result(key, result, now)
        # history is sorted in by time, also when it is the first known part of a stream
        begins = self.rings.stream(key).set_begin(part.begin)
        if (begins or result.runs) and key.identity in self._selected:
            self._reshaped = True

    def add_found(self, key: StreamKey, chunks: list[LogChunk], begin: int) -> None:
        """Add whole lines from anywhere in a stream; its file begins at offset ``begin``."""
        lines = self.rings.stream(key)
        begins = lines.set_begin(begin)
        if (lines.fill(chunks, at_line_start=True).reshaped or begins) and (
            key.identity in self._selected
        ):
            self._reshaped = True

    def flush(self, now: float) -> FlushResult:
        """Bring what arrived since the last flush into the view."""
        self._show_unfinished(now)
        for identity in {run.key.identity for _, run in self._pending}:
            self.rings.trim(identity, self.room * (READING_FACTOR if self.reading else 1))
        if self._reshaped:
            self.rebuild()
            self._reshaped = False
            return FlushResult(reshaped=True)
        self._pending.sort(key=_by_time)
        runs = [run for _, run in self._pending]
        self._pending = []
        full = self.reading and len(self.merged) >= self.room * READING_FACTOR
        if full:
            self.missed_rows += sum(map(len, runs))
            runs = []
        appended = self.merged.append(runs)
        if not self.reading:
            self.merged.trim(self.room * max(1, len(self._selected)))
        grew, self._grew = self._grew, False
        return FlushResult(appended, grew=grew)

    @property
    def due_at(self) -> float | None:
        """Monotonic time at which a `flush` must show an unfinished line, or None."""
        return min(self._unfinished.values()) + UNFINISHED_S if self._unfinished else None

    def rebuild(self) -> None:
        """Build the view again from all known lines of the selected instances."""
        dated: list[tuple[int, Run]] = []
        for key in self.selected_streams:
            latest = 0
            for run in self.rings.stream(key).runs():
                latest = max(latest, run.at_ns)
                dated.append((latest, run))
            self._latest[key] = latest
        dated.sort(key=_by_time)
        self.merged.replace_runs(run for _, run in dated)
        self._pending = []
        self.missed_rows = 0

    def begin_reading(self) -> None:
        """Keep all rows of the view until `end_reading`: somebody reads them."""
        if self.reading:
            return
        self.reading = True
        evicted: dict[StreamKey, list[Run]] = {}
        for _, run in self.merged.runs(self.merged.first):
            start = self.rings.stream(run.key).start
            if start is None or run.offset < start:
                evicted.setdefault(run.key, []).append(run)
        for key, runs in evicted.items():
            self.rings.stream(key).restore_runs(runs)

    def make_room(self) -> None:
        """Drop lines that were fetched to be read, if there are many, before others are fetched:
        the oldest go first, which may be those that somebody wants to read next."""
        for identity in self._selected:
            if self.rings.rows_of(identity) > self.room * READING_FACTOR // 2:
                self.rings.trim(identity, self.room)
                self._reshaped = True

    def end_reading(self) -> None:
        """Continue the view from the newest lines: nobody reads any more."""
        if self.reading and self.missed_rows:
            self.rebuild()
        self.reading = False

    def clear(self) -> None:
        """Empty the view; its lines can be fetched from the file again."""
        for key in self.selected_streams:
            self.rings.stream(key).clear_rows()
        self.rebuild()

    def _note_result(self, key: StreamKey, result: FeedResult, now: float) -> None:
        if key.identity not in self._selected:
            return
        self._reshaped |= result.reshaped
        self._grew |= result.grew
        for run in result.runs:
            latest = self._latest[key] = max(self._latest.get(key, 0), run.at_ns)
            self._pending.append((latest, run))
        if result.unfinished:
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


def _by_time(dated: tuple[int, Run]) -> int:
    return dated[0]


class LineRings:
    """A `LineAssembler` for each stream of each recently selected instance."""

    def __init__(self) -> None:
        self._streams: dict[StreamKey, LineAssembler] = {}
        self._recent: dict[InstanceId, None] = {}

    def keep_lines_of(self, who: Collection[InstanceId]) -> None:
        """Keep lines of these from now on; drop those of the least recently selected others."""
        for identity in who:
            self._recent.pop(identity, None)
            self._recent[identity] = None
        selected = frozenset(who)
        spare = [ring for ring in self._recent if ring not in selected]
        self._drop(spare[: max(0, len(spare) - RINGS)])

    def keep_existing(self, exists: Callable[[InstanceId], bool]) -> None:
        """Drop the lines of instances that no longer exist."""
        self._drop([ring for ring in self._recent if not exists(ring)])

    def _drop(self, rings: Iterable[InstanceId]) -> None:
        for ring in rings:
            del self._recent[ring]
            for name in STREAMS:
                self._streams.pop(StreamKey(ring, name), None)

    def has_lines_of(self, identity: InstanceId) -> bool:
        """Return whether lines of an instance are kept."""
        return identity in self._recent

    def stream(self, key: StreamKey) -> LineAssembler:
        """Return the lines of one stream."""
        found = self._streams.get(key)
        if found is None:
            found = self._streams[key] = LineAssembler(key)
        return found

    def rows_of(self, identity: InstanceId) -> int:
        """Return how many rows of an instance are kept."""
        return sum(len(self.stream(StreamKey(identity, name))) for name in STREAMS)

    def trim(self, identity: InstanceId, most: int) -> None:
        """Drop the oldest lines of an instance while at least ``most`` remain."""
        streams = [self.stream(StreamKey(identity, name)) for name in STREAMS]
        while True:
            ends = [(run.at_ns, len(run), each) for each in streams if (run := each.oldest)]
            if not ends:
                return
            _, size, oldest = min(ends, key=_first_of)
            if sum(map(len, streams)) - size < most:
                return
            oldest.drop_oldest()


def _first_of(end: tuple[int, int, LineAssembler]) -> int:
    return end[0]
