"""Reads the past of one app: from rows where they are written, else from the seconds."""

import contextlib
import math
from typing import NamedTuple

from monit_agent.agent.history.chunks import MINUTES, TENS, HistoryFile, Tier, UnusableError
from monit_agent.agent.history.segments import Rows, SegmentReader, find_segments
from monit_agent.agent.history.steps import Steps, coarser, merge, steps_of_rows
from monit_agent.agent.journal import log
from monit_agent.wire.messages import EventRecord

COARSER_THAN = {TENS: None, MINUTES: TENS}
"""Where the steps of a tier come from: None are the seconds."""


WHOLE_APP = 0xFFFFFFFF
"""In the place of an instance: the app as a whole. No app has so many."""


class Asked(NamedTuple):
    """What is asked of the history of one instance."""

    instance: int
    since: float
    until: float
    step_s: int
    names: frozenset[str] | None = None
    """None: all metrics."""


class HistoryReader:
    """Reads ``folder`` (seconds) and ``file`` (steps and events). Nothing here raises: what cannot
    be read is not known."""

    def __init__(self, folder: str, file: HistoryFile) -> None:
        self._folder = folder
        self._file = file
        self._readers: dict[str, SegmentReader] = {}
        self.unwritten_events: list[EventRecord] = []
        """What came since events were last written; also what could not be written."""

    def seconds(self, instance: int, since: float, until: float) -> list[Rows]:
        """Return the seconds that are on disk, oldest first."""
        rows: list[Rows] = []
        for reader in self._segments():
            with contextlib.suppress(OSError):  # removed just now
                rows += reader.rows(instance, since, until)
        return rows

    def steps(self, asked: Asked) -> Steps:
        """Return the steps of an instance, ``step_s`` long; a step begins at a multiple of that.

        They come from the coarsest tier that fits, and from the finer ones where its rows are not
        written yet.
        """
        tier = next((each for each in (MINUTES, TENS) if asked.step_s % each.step_s == 0), None)
        steps = self._steps_of(tier, asked._replace(step_s=tier.step_s if tier else asked.step_s))
        return coarser(steps, asked.step_s // tier.step_s) if tier else steps

    def events(self, since: float, until: float, limit: int) -> list[EventRecord]:
        """Return the newest ``limit`` events of this time, oldest first."""
        try:
            found = self._file.events(since, until, limit)
        except UnusableError:
            found = []
        known = {(event.at, event.seq) for event in found}
        found += [
            event
            for event in self.unwritten_events
            if since <= event.at < until and (event.at, event.seq) not in known
        ]
        return found[-limit:] if limit else []

    def _steps_of(self, tier: Tier | None, asked: Asked) -> Steps:
        if tier is None:
            rows = self.seconds(asked.instance, asked.since, asked.until)
            return steps_of_rows(rows, asked.step_s, asked.names)
        steps: Steps = {}
        missing_from = asked.since
        for begin in sorted(self.begins(tier, asked)):
            row = self._row(tier, asked, begin)
            if row is None:
                continue
            merge(steps, self.finer(tier, asked, missing_from, begin))
            is_within = asked.since <= begin and begin + tier.row_s <= asked.until
            merge(steps, row if is_within else _within(row, asked, tier.step_s))
            missing_from = max(missing_from, begin + tier.row_s)
        merge(steps, self.finer(tier, asked, missing_from, asked.until))
        return steps

    def finer(self, tier: Tier, asked: Asked, since: float, until: float) -> Steps:
        """Return the steps of a tier for a time of which it has no row, from the finer ones."""
        if since >= until:
            return {}
        source = COARSER_THAN[tier]
        length = source.step_s if source else tier.step_s
        part = asked._replace(since=since, until=until, step_s=length)
        return coarser(self._steps_of(source, part), tier.step_s // length)

    def begins(self, tier: Tier, asked: Asked) -> set[int]:
        """Return the begin of each row that reaches into the time asked for."""
        try:
            return self._file.begins(tier, asked.instance, asked.since, asked.until)
        except UnusableError:
            return set()

    def _row(self, tier: Tier, asked: Asked, begin: int) -> Steps | None:
        try:
            return self._file.read(tier, asked.instance, begin, asked.names)
        except UnusableError as error:
            log(str(error))
            return None

    def _segments(self) -> list[SegmentReader]:
        self._readers = {
            segment.path: self._readers.get(segment.path) or SegmentReader(segment.path)
            for segment in find_segments(self._folder)
        }
        return list(self._readers.values())


def _within(row: Steps, asked: Asked, step_s: int) -> Steps:
    """Return the steps of a row that lie in the time asked for."""
    first, end = math.floor(asked.since / step_s), math.ceil(asked.until / step_s)
    return {
        name: {number: step for number, step in column.items() if first <= number < end}
        for name, column in row.items()
    }
