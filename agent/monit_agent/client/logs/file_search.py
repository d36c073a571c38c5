"""Searches all that is kept of some streams, by their agents: newest lines first, piece by piece.

An agent searches about 1 GB a second, so the first matches are there at once and the count grows.
Of each stream the places of the newest matches are known, and older ones are only counted until
somebody goes there. What is printed meanwhile is added by `FileSearch.add`.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from monit_agent.client.logs.filter import LogFilter, Matcher
from monit_agent.client.logs.rows import StreamKey
from monit_agent.client.source import Source
from monit_agent.wire.limits import SEARCH_LINES, SEARCH_PATTERN
from monit_agent.wire.messages import Answer, LogSearch, Refused, SearchPart

KNOWN_PLACES = 5_000
"""Matches of a stream whose places are fetched with their lines; of more, only the number."""

STREAMS_AT_ONCE = 4
"""Pieces that are searched at one time: an agent searches one after another anyway."""

PIECE_S = 30.0
"""Timeout of one piece; the agent answers after a fraction of a second, unless it is busy."""

UNCLEAR_LINES = 20
"""Lines for which the expression takes too long, before a stream is given up: 2 s."""


class FoundPlace(NamedTuple):
    """A line that matches, in the order of a merged log."""

    at_ns: int
    key: StreamKey
    offset: int


class FoundPlaces:
    """Places of matches in order, without a line twice."""

    def __init__(self) -> None:
        self._places: list[FoundPlace] = []
        self._known: dict[tuple[StreamKey, int], FoundPlace] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: FoundPlace) -> None:
        """Add a place, unless its line is there."""
        if (place.key, place.offset) not in self._known:
            self._known[place.key, place.offset] = place
            insort(self._places, place)

    def drop_before(self, key: StreamKey, offset: int) -> None:
        """Drop the places of a stream before an offset."""
        self._places = [one for one in self._places if one.key != key or one.offset >= offset]
        self._known = {(one.key, one.offset): one for one in self._places}

    def rank(self, place: FoundPlace) -> int | None:
        """Return which match a line is, the newest being 1; None when it is none."""
        known = self._known.get((place.key, place.offset))
        return None if known is None else len(self._places) - bisect_left(self._places, known)

    def nearest(self, place: FoundPlace | None, direction: int) -> FoundPlace | None:
        """Return the next older (-1) or newer (1) match; None without one. Of None, the end of the
        log, the next older one is the newest of all."""
        known = None if place is None else self._known.get((place.key, place.offset))
        at = len(self._places) if place is None else bisect_left(self._places, known or place)
        if direction < 0:
            return self._places[at - 1] if at else None
        at += known is not None
        return self._places[at] if at < len(self._places) else None

    def last(self, direction: int) -> FoundPlace | None:
        """Return the oldest (-1) or newest (1) match."""
        if not self._places:
            return None
        return self._places[0 if direction < 0 else -1]


class _Progress:
    """How far one stream is searched."""

    def __init__(self, key: StreamKey) -> None:
        self.key = key
        self.floor: int | None = None
        """Offset from which on the places are known; None before the first answer."""
        self.position: int | None = None
        self.counted = 0
        """Matches before `floor`."""
        self.places = 0
        self.scanned = 0
        self.size: int | None = None
        self.unclear = 0
        self.done = False
        self.counts_only = False


class FileSearch:
    """Matches of ``matcher`` in the streams ``keys`` that ``log_filter`` shows. ``changed`` is
    called during the source's `poll` after each answer."""

    def __init__(
        self,
        source: Source,
        keys: Iterable[StreamKey],
        matcher: Matcher,
        log_filter: LogFilter,
        changed: Callable[[], None],
    ) -> None:
        self.matcher = matcher
        self.problem = ""
        """Why a stream could not be searched."""
        self._source, self._filter, self._changed = source, log_filter, changed
        self._streams = {key: _Progress(key) for key in keys if log_filter.shows_stream(key)}
        self._queue = deque(self._streams.values())
        self._flying = 0
        self._cancelled = False
        self._turn = 0
        """Answers to requests of an earlier turn are too late."""
        self.places = FoundPlaces()
        """The matches that can be gone to."""

    # ------------------------------------------------------------ what was found

    def __len__(self) -> int:
        """Return how many lines match, as far as is known."""
        return len(self.places) + sum(each.counted for each in self._streams.values())

    @property
    def is_running(self) -> bool:
        """Return whether the number may still grow by older lines."""
        return not self._cancelled and bool(self._queue or self._flying)

    @property
    def was_cancelled(self) -> bool:
        """Return whether it was ended before everything was searched."""
        return self._cancelled

    @property
    def percent(self) -> int:
        """Return how much of the bytes is searched; 0 before all streams have answered."""
        sizes = [each.size for each in self._streams.values()]
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            return 0
        return min(100, 100 * self.scanned_bytes // max(1, sum(known)))

    @property
    def scanned_bytes(self) -> int:
        """Return how many bytes were searched."""
        return sum(each.scanned for each in self._streams.values())

    # ------------------------------------------------------------ searching

    def start(self) -> None:
        """Search the first pieces."""
        if len(self.matcher.pattern.pattern) > SEARCH_PATTERN:
            self.problem = f"the search has more than {SEARCH_PATTERN} characters"
            self._queue.clear()
        self._send()

    def cancel(self) -> bool:
        """Stop searching; return whether it was running. What was found stays."""
        was_running = self.is_running
        self._cancelled = self._cancelled or was_running
        self._turn += 1
        self._queue.clear()
        return was_running

    def add(self, places: Iterable[FoundPlace]) -> None:
        """Add lines that match and were printed, or read, since."""
        for place in places:
            progress = self._streams.get(place.key)
            below = progress is not None and progress.counts_only
            if progress is None or (below and place.offset < (progress.floor or 0)):
                continue  # it is counted
            self.places.add(place)

    def fetch_older(self) -> bool:
        """Fetch the places of more matches that are only counted so far; return whether there
        are any."""
        if self.is_running:
            return True
        self._cancelled = False
        for each in self._streams.values():
            if each.counted and each.floor is not None:
                each.position, each.done, each.counts_only = each.floor, False, False
                each.places = KNOWN_PLACES - SEARCH_LINES
                each.counted = 0
                self._queue.append(each)
        self._send()
        return self.is_running

    def _send(self) -> None:
        while self._queue and self._flying < STREAMS_AT_ONCE and not self._cancelled:
            self._request(self._queue.popleft())

    def _request(self, each: _Progress) -> None:
        counts_only = each.places >= KNOWN_PLACES and not self._filter.by_line
        if counts_only and not each.counts_only:
            each.counts_only = True
            self.places.drop_before(each.key, each.floor or 0)
        pattern = self.matcher.pattern
        request = LogSearch(
            instance=each.key.identity.instance,
            stream=each.key.stream,
            pattern=pattern.pattern,
            ignore_case=self.matcher.ignores_case,
            position=each.position,
            limit=0 if counts_only else SEARCH_LINES,
        )
        self._flying += 1
        turn = self._turn

        def then(answer: Answer) -> None:
            self._flying -= 1
            if turn != self._turn:
                return
            self._take(each, answer)
            if not each.done:
                self._queue.append(each)
            self._send()
            self._changed()

        self._source.send_request(each.key.identity.app_id, request, then, PIECE_S)

    def _take(self, each: _Progress, answer: Answer) -> None:
        if not isinstance(answer, SearchPart):
            each.done = True
            self.problem = answer.message if isinstance(answer, Refused) else "it was not searched"
            return
        each.scanned += answer.scanned
        each.size = answer.end - answer.begin
        each.position, each.done = answer.position, answer.done
        each.unclear += answer.unclear
        if each.unclear >= UNCLEAR_LINES:
            each.done = True
            self.problem = "this expression takes too long; it has a repeat inside a repeat"
        if each.counts_only:
            each.counted += answer.matches
            return
        each.floor = answer.position
        before = len(self.places)
        for line in answer.lines:
            if not self._filter.by_line or self._filter.matches_line(line.data):
                self.places.add(FoundPlace(line.at_ns, each.key, line.offset))
        each.places += len(self.places) - before
