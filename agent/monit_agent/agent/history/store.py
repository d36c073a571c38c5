"""The history of one app: what is written each second and each hour, and what is read of it."""

import math
import time
from collections.abc import Callable, Iterable

from monit_agent.agent.history.chunks import MINUTES, TENS, HistoryFile, Tier, UnusableError
from monit_agent.agent.history.reader import COARSER_THAN, WHOLE_APP, Asked, HistoryReader
from monit_agent.agent.history.second import Second, second_of
from monit_agent.agent.history.segments import (
    KEEP_S,
    SegmentWriter,
    remove_old_segments,
)
from monit_agent.agent.journal import log
from monit_agent.wire.messages import EventRecord, Sample

SETTLED_S = 5.0
"""How long after its end an hour is written: samples of a second are written at its end."""

SPREAD_S = 600.0
"""The rows of an hour are written within this time, some each second."""

TIDY_S = 60.0
"""How often old segments are looked for."""

UNWRITTEN_MAX = 1000
"""Events that cannot be written are tried again; beyond so many, the oldest are given up."""


class HistoryStore:
    """Writes into ``folder`` (seconds) and ``file`` (steps and events).

    Nothing here raises: what cannot be written is left out, and logged once until it works again.
    """

    def __init__(self, folder: str, file: str, wall: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._wall = wall
        self._writer = SegmentWriter(folder)
        self._file = HistoryFile(file)
        self.reader = HistoryReader(folder, self._file)
        self._second: dict[int, Second] = {}
        self._due: list[tuple[Tier, int, int]] = []
        """Tier, instance and begin of the rows that are to be written."""
        self._seen: dict[int, None] = {}
        """The instances of which there are samples."""
        self._looked_at: dict[Tier, tuple[int, int]] = {}
        """The row of each tier up to which ``_due`` was filled, and for how many instances."""
        self._tidied = -math.inf
        self._problem: str | None = None

    def add_app_sample(self, sample: Sample) -> None:
        """Keep the figures of the app as a whole until the second is written."""
        self.add_sample(WHOLE_APP, sample)

    def add_sample(self, instance: int, sample: Sample) -> None:
        """Keep a sample until the second is written."""
        second = second_of(sample)
        if second.names:
            self._second[instance] = second
            self._seen[instance] = None

    def add_events(self, events: Iterable[EventRecord]) -> None:
        """Keep events until the second is written; those that are known already do no harm."""
        self.reader.unwritten_events += events

    def every_second(self) -> None:
        """Write what came since the last time, and some of what is due."""
        now = self._wall()
        self._write_second(now)
        self._write_events()
        if now - self._tidied >= TIDY_S or now < self._tidied:
            self._tidied = now
            remove_old_segments(self._folder, now)
        for tier in (TENS, MINUTES):
            self._find_due(tier, now)
        for _ in range(math.ceil(len(self._due) / SPREAD_S)):
            self._write_due(now)

    def close(self) -> None:
        """Write what is in hand and close the files."""
        self._write_second(self._wall())
        self._write_events()
        self._writer.close()
        self._file.close()

    def _write_second(self, now: float) -> None:
        second, self._second = self._second, {}
        if not second:
            return
        try:
            self._writer.append(now, second)
        except OSError as error:
            self._report(f"cannot write the history in {self._folder}: {error.strerror}")
        else:
            self._report(None)

    def _write_events(self) -> None:
        events = self.reader.unwritten_events
        if not events:
            return
        try:
            self._file.write_events(events)
        except UnusableError as error:
            self._report(str(error))
            del events[:-UNWRITTEN_MAX]
        else:
            events.clear()

    def _find_due(self, tier: Tier, now: float) -> None:
        """Note the rows that have ended and are not written yet, as far as their source goes back:
        also those of the time before this agent."""
        ended = int((now - SETTLED_S) // tier.row_s)
        if self._looked_at.get(tier) == (ended, len(self._seen)):
            return
        self._looked_at[tier] = ended, len(self._seen)
        oldest = math.ceil((now - _source_s(tier)) / tier.row_s)
        for instance in self._seen:
            asked = Asked(instance, oldest * tier.row_s, ended * tier.row_s, tier.step_s)
            written = self.reader.begins(tier, asked)
            for number in range(oldest, ended):
                row = tier, instance, number * tier.row_s
                if row[2] not in written and row not in self._due:
                    self._due.append(row)

    def _write_due(self, now: float) -> None:
        tier, instance, begin = self._due.pop(0)
        if begin < now - _source_s(tier):
            return
        asked = Asked(instance, begin, begin + tier.row_s, tier.step_s)
        steps = self.reader.finer(tier, asked, begin, begin + tier.row_s)
        if not steps:
            return
        try:
            self._file.write(tier, instance, begin, steps)
        except UnusableError as error:
            self._report(str(error))
            self._due.append((tier, instance, begin))

    def _report(self, problem: str | None) -> None:
        """Log a problem when it begins and when it ends."""
        if problem != self._problem:
            log("the history is written again" if problem is None else problem)
            self._problem = problem


def _source_s(tier: Tier) -> float:
    """Return how far back that reaches of which the steps of a tier are made."""
    return KEEP_S if COARSER_THAN[tier] is None else TENS.row_s * (TENS.rows - 1)
