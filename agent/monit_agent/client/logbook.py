"""The lines of the instances that somebody looked at, and one view of some of them.

A `Logbook` keeps a ring per instance, which outlives the selection: going back to an instance
shows at once what was there. `Merged` is the selection in one order: history by time, and
what comes live behind it in the order of arrival. Its rows have sequence numbers that never
change, so that a viewport that holds on to one never moves under its reader.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from monit_agent.client.loglines import Fed, LineAssembler
from monit_agent.client.logrows import Row, Run, StreamKey
from monit_agent.client.source import LogChunk
from monit_agent.client.view import Identity
from monit_agent.wire.messages import LogPart, Stream

LINES_PER_INSTANCE = 10_000
LINES_IN_ALL = 200_000
"""Bound over a selection of many instances: each ring is then smaller."""
READING_FACTOR = 5
"""While somebody reads, rings may grow to this many times their size: what is fetched from
before must not push out what is being read, and a flood must not do so within a second."""
RINGS = 64
"""Instances whose lines are kept though they are not selected; the longest unseen go first."""
UNFINISHED_S = 0.3
"""A line that has not ended after this long is shown as it is."""

STREAMS: tuple[Stream, Stream] = ("out", "err")


class Flushed(NamedTuple):
    """What one `Logbook.flush` did to the view."""

    appended: int = 0
    """Rows that came at the end."""
    reshaped: bool = False
    """True when rows came or went elsewhere: all sequence numbers are new."""
    grew: bool = False
    """True when unfinished rows changed in place."""


class Merged:
    """Rows of several streams in one order, addressed by sequence number."""

    def __init__(self) -> None:
        self.end = 0
        """Sequence number of the row that comes next."""
        self._runs: list[Run] = []
        self._starts: list[int] = []
        self._skip = 0
        """Runs at the front that are dropped already; removed together now and then."""

    @property
    def first(self) -> int:
        """Sequence number of the oldest row."""
        return self._starts[self._skip] if self._skip < len(self._starts) else self.end

    def __len__(self) -> int:
        return self.end - self.first

    def append(self, runs: Iterable[Run]) -> int:
        """Add rows at the end and say how many."""
        before = self.end
        for run in runs:
            self._runs.append(run)
            self._starts.append(self.end)
            self.end += len(run)
        return self.end - before

    def renew(self, runs: Iterable[Run]) -> None:
        """Take other rows instead, all with new numbers."""
        self._runs, self._starts, self._skip = [], [], 0
        self.append(runs)

    def trim(self, most: int) -> None:
        """Drop the oldest runs as long as at least ``most`` rows stay."""
        while (
            len(self) - len(self._runs[self._skip] if self._skip < len(self._runs) else ()) > most
        ):
            self._skip += 1
        if self._skip > 256 and self._skip * 2 > len(self._runs):
            del self._runs[: self._skip], self._starts[: self._skip]
            self._skip = 0

    def row(self, seq: int) -> Row:
        """Give a row; IndexError when it is not (or no longer) there."""
        run, index = self.run_at(seq)
        return run.row(index)

    def run_at(self, seq: int) -> tuple[Run, int]:
        """Give the run that holds a row, and the row's index in it."""
        if not self.first <= seq < self.end:
            raise IndexError(seq)
        place = bisect_right(self._starts, seq) - 1
        return self._runs[place], seq - self._starts[place]

    def runs(self, seq: int) -> Iterator[tuple[int, Run]]:
        """Give the runs from the one that holds row ``seq`` on, with their first numbers."""
        seq = max(seq, self.first)
        place = max(bisect_right(self._starts, seq) - 1, self._skip)
        for index in range(place, len(self._runs)):
            yield self._starts[index], self._runs[index]

    def find(self, key: StreamKey, offset: int) -> int | None:
        """Give the number of the row that begins at ``offset`` of a stream, or None."""
        for start, run in self.runs(self.first):
            if run.key == key and run.offset <= offset:
                index = run.index_of(offset)
                if index is not None:
                    return start + index
        return None

    def find_time(self, at_ns: int) -> int:
        """Give the number of the first row of ``at_ns`` or later; `end` without one."""
        return next((at for at, run in self.runs(self.first) if run.at_ns >= at_ns), self.end)


class Logbook:
    """Rings of lines, and the merged view of the selected ones. One thread uses it."""

    def __init__(self, lines_per_instance: int = LINES_PER_INSTANCE) -> None:
        self.merged = Merged()
        self.reading = False
        """Whether somebody has scrolled away from the end: keeps more, moves nothing."""
        self.unkept = 0
        """Rows that came while the view was full and being read; they are not in it."""
        self._lines_per_instance = lines_per_instance
        self._streams: dict[StreamKey, LineAssembler] = {}
        self._rings: dict[Identity, None] = {}
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
        for identity in who:
            self._rings.pop(identity, None)
            self._rings[identity] = None
        spare = [ring for ring in self._rings if ring not in self._selected]
        for ring in spare[: max(0, len(spare) - RINGS)]:
            self._drop_ring(ring)
        self.rebuild()

    def stream(self, key: StreamKey) -> LineAssembler:
        """Give the lines of one stream."""
        found = self._streams.get(key)
        if found is None:
            found = self._streams[key] = LineAssembler(key)
        return found

    def knows(self, identity: Identity) -> bool:
        """Tell whether lines of an instance are kept."""
        return identity in self._rings

    def take(self, chunk: LogChunk, now: float, *, at_line_start: bool = False) -> None:
        """Take in bytes at monotonic time ``now``; `flush` brings them into the view."""
        key = StreamKey(chunk.app, chunk.instance, chunk.stream)
        self._note(key, self.stream(key).feed(chunk, at_line_start=at_line_start), now)

    def take_part(
        self, app: str, part: LogPart, now: float, *, at_line_start: bool = False
    ) -> None:
        """Take in the answer to a `LogTail` (whose bytes begin a line) or a `LogRange`."""
        key = StreamKey(app, part.instance, part.stream)
        chunk = LogChunk(app, part.instance, part.stream, part.offset, part.data, part.times)
        fed = self.stream(key).feed(chunk, at_line_start=at_line_start)
        self._note(key, fed, now)
        # history is put where its time is, also when it is the first that is known of a stream
        if (self.stream(key).settle(part.begin) or fed.runs) and self._views(key):
            self._reshaped = True

    def flush(self, now: float) -> Flushed:
        """Bring into the view what came since the last flush."""
        self._show_unfinished(now)
        for identity in {Identity(run.key.app, run.key.instance) for _, run in self._pending}:
            self._trim_ring(identity)
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
            for run in self.stream(key).runs():
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
            start = self.stream(run.key).start
            if start is None or run.offset < start:
                strays.setdefault(run.key, []).append(run)
        for key, runs in strays.items():
            self.stream(key).take_back(runs)

    def let_go(self) -> None:
        """Nobody reads any more: the view goes on from the newest lines."""
        if self.reading and self.unkept:
            self.rebuild()
        self.reading = False

    def clear(self) -> None:
        """Empty the view; the lines can be fetched from the file again."""
        for key in self.selected_streams():
            self.stream(key).forget()
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
        if self.stream(key).growing:
            self._unfinished.setdefault(key, now)
        else:
            self._unfinished.pop(key, None)

    def _show_unfinished(self, now: float) -> None:
        for key, since in list(self._unfinished.items()):
            if now < since + UNFINISHED_S:
                continue
            del self._unfinished[key]
            run = self.stream(key).show_tail()
            if run is not None:
                self._pending.append((max(self._latest.get(key, 0), run.at_ns), run))

    def _trim_ring(self, identity: Identity) -> None:
        most = self.room * (READING_FACTOR if self.reading else 1)
        streams = [self.stream(StreamKey(*identity, name)) for name in STREAMS]
        while True:
            oldest = min(
                (each for each in streams if each.oldest),
                key=lambda each: each.oldest.at_ns if each.oldest else 0,
                default=None,
            )
            if oldest is None or oldest.oldest is None:
                return
            if sum(map(len, streams)) - len(oldest.oldest) < most:
                return
            oldest.drop_oldest()

    def _views(self, key: StreamKey) -> bool:
        return Identity(key.app, key.instance) in self._selected

    def _drop_ring(self, identity: Identity) -> None:
        del self._rings[identity]
        for name in STREAMS:
            key = StreamKey(*identity, name)
            self._streams.pop(key, None)
            self._latest.pop(key, None)
            self._unfinished.pop(key, None)


def _by_time(dated: tuple[int, Run]) -> int:
    return dated[0]
