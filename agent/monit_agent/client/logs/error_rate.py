"""How many errors some streams printed in each of the last minutes, counted by their agents.

A stack counts as one error. Only what was printed since the last look is searched, and only in
streams that have grown. Nothing is counted while nobody looks: a line takes an agent 1 µs (4 µs
when it is JSON), which is 2 to 8 % of a core at 20,000 lines a second.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.source import Source
from monit_agent.logtext.blocks import find_blocks
from monit_agent.logtext.levels import is_continuation, level_of
from monit_agent.wire.limits import SEARCH_LINES
from monit_agent.wire.messages import Answer, LogSearch, SearchPart

MINUTES = 15

EVERY_S = 10.0
"""Time between two looks: a minute is the unit, and each look wakes the agents up."""

STREAMS = 16
"""Of more streams errors are not counted: each look is a request to every stream that grew."""

FIRST_PIECES, PIECES = 24, 3
"""Pieces that the first look at a stream, and each further one, may take: a piece has at most 1,000
lines, or takes the agent a quarter of a second. So 15 minutes of 1,500 lines of JSON a second are
counted whole. Of more, the rest is not, and `ErrorRate.is_cut` says so."""


class ErrorRate:
    """The errors of the streams given to `show`. ``changed`` is called during the source's
    `poll`."""

    def __init__(self, source: Source, changed: Callable[[], None]) -> None:
        self.is_cut = False
        """Whether there were more errors than are counted."""
        self._source, self._changed = source, changed
        self._keys: tuple[StreamKey, ...] = ()
        self._counts: Counter[int] = Counter()
        self._positions: dict[StreamKey, int] = {}
        self._ends: dict[StreamKey, int] = {}
        self._flying: set[StreamKey] = set()
        self._due = 0.0
        self._turn = 0

    def show(self, keys: Iterable[StreamKey]) -> None:
        """Count the errors of other streams from now on; of too many streams, none."""
        chosen = tuple(keys)
        self._turn += 1
        self._keys = chosen if len(chosen) <= STREAMS else ()
        self._counts, self._positions, self._ends = Counter(), {}, {}
        self._flying, self._due, self.is_cut = set(), 0.0, False

    def look(self) -> None:
        """Ask the agents, if it is due, for what was printed since the last time."""
        now = self._source.monotonic()
        if now < self._due:
            return
        self._due = now + EVERY_S
        for key in self._keys:
            if key not in self._flying and self._has_grown(key):
                self._request(key, PIECES if key in self._positions else FIRST_PIECES)

    def per_minute(self) -> list[int]:
        """Return the errors of each of the last minutes, the present one last."""
        last = int(self._source.wall() // 60)
        return [self._counts[minute] for minute in range(last - MINUTES + 1, last + 1)]

    def _has_grown(self, key: StreamKey) -> bool:
        app = self._source.fleet.apps.get(key.identity.app_id)
        end = app.logs.get((key.identity.instance, key.stream)) if app else None
        if end is not None and self._ends.get(key) == end.end:
            return False
        if end is not None:
            self._ends[key] = end.end
        return True

    def _request(self, key: StreamKey, pieces: int) -> None:
        position = self._positions.get(key)
        request = LogSearch(
            instance=key.identity.instance,
            stream=key.stream,
            level="error",
            backward=False,
            position=position,
            since=self._source.wall() - 60 * MINUTES if position is None else None,
            limit=SEARCH_LINES,
        )
        self._flying.add(key)
        turn = self._turn

        def then(answer: Answer) -> None:
            if turn != self._turn:
                return
            self._flying.discard(key)
            if not isinstance(answer, SearchPart):
                self._ends.pop(key, None)  # it is asked again
                return
            self._count(answer)
            self._positions[key] = answer.position
            if not answer.done and pieces > 1:
                self._request(key, pieces - 1)
            elif not answer.done:
                self.is_cut = True
                self._positions[key] = answer.end
            self._changed()

        self._source.send_request(key.identity.app_id, request, then)

    def _count(self, part: SearchPart) -> None:
        for block in find_blocks([line.data for line in part.lines]):
            first = part.lines[block.start]
            is_error = not is_continuation(first.data) and level_of(first.data) == "error"
            if block.kind is not None or is_error:
                self._counts[first.at_ns // 60_000_000_000] += 1
