"""Fetches the lines that a filter shows from all that is kept, newest first, as far as they are
wanted. Lines that are passed over are not fetched, and the gaps between those that are count as
searched."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from monit_agent.client.logs.file_search import PIECE_S, STREAMS_AT_ONCE
from monit_agent.client.logs.filter import LogFilter
from monit_agent.client.logs.logbook import Logbook
from monit_agent.client.logs.rows import LINE_BYTES, Run, StreamKey
from monit_agent.client.source import LogChunk, Source
from monit_agent.wire.limits import SEARCH_CONTEXT, SEARCH_PATTERN
from monit_agent.wire.messages import Answer, FoundLine, LogSearch, Refused, SearchPart

WANTED = 300
"""Matches of each stream that are fetched at once: some screens."""

PIECE = 100


class _Searched(NamedTuple):
    """Between these offsets every line that the filter shows was fetched."""

    floor: int
    high: int
    done: bool = False


class FilterSearch:
    """Fetches matches of ``log_filter`` in the streams ``keys`` into ``book``; ``changed`` is
    called during the source's `poll`."""

    def __init__(
        self,
        source: Source,
        book: Logbook,
        keys: Iterable[StreamKey],
        log_filter: LogFilter,
        changed: Callable[[], None],
    ) -> None:
        self.problem = ""
        """Why a stream could not be searched."""
        self._source, self._book, self._changed = source, book, changed
        self._filter = log_filter
        self._keys = [key for key in keys if log_filter.shows_stream(key)]
        self._searched: dict[StreamKey, _Searched] = {}
        self._wanted: dict[StreamKey, int] = {}
        self._flying: set[StreamKey] = set()
        self._queue: deque[StreamKey] = deque()
        self._cancelled = False

    @property
    def is_running(self) -> bool:
        """Return whether agents are searching."""
        return bool(self._flying or self._queue) and not self._cancelled

    def fetch_more(self) -> None:
        """Fetch some more matches of each stream that has older lines."""
        pattern = self._filter.matcher.pattern.pattern if self._filter.matcher else ""
        if len(pattern) > SEARCH_PATTERN - 10:
            self.problem = f"the filter has more than {SEARCH_PATTERN - 10} characters"
            return
        self.problem = ""
        for key in self._keys:
            if not self._is_done(key):
                self._wanted[key] = WANTED
                if key not in self._flying and key not in self._queue:
                    self._queue.append(key)
        self._send()

    def cancel(self) -> None:
        """Fetch no more."""
        self._cancelled = True

    def hides_gap(self, run: Run) -> bool:
        """Return whether the bytes of a gap were searched, so that nothing is missing there."""
        searched = self._searched.get(run.key)
        if searched is None:
            return False
        floor = max(searched.floor, self._book.rings.stream(run.key).dropped)
        return floor <= run.offset and run.end <= searched.high

    def _is_done(self, key: StreamKey) -> bool:
        searched = self._searched.get(key)
        return searched is not None and searched.done

    def _send(self) -> None:
        while self._queue and len(self._flying) < STREAMS_AT_ONCE:
            self._request(self._queue.popleft())

    def _request(self, key: StreamKey) -> None:
        chosen, searched = self._filter, self._searched.get(key)
        pattern, matcher = "", chosen.matcher
        if matcher is not None:
            text = matcher.pattern.pattern
            pattern = f"^(?!.*(?:{text}))" if chosen.without else text
        context = min(chosen.context, SEARCH_CONTEXT)
        request = LogSearch(
            instance=key.identity.instance,
            stream=key.stream,
            pattern=pattern,
            ignore_case=matcher is not None and matcher.ignores_case,
            level=chosen.level,
            position=None if searched is None else searched.floor,
            limit=PIECE,
            before=context,
            after=context,
        )
        self._flying.add(key)

        def then(answer: Answer) -> None:
            self._flying.discard(key)
            if self._cancelled:
                return
            if isinstance(answer, SearchPart):
                self._take(key, answer)
            elif isinstance(answer, Refused):
                self.problem = answer.message
                self._wanted[key] = 0  # until more is wanted
            if self._wanted[key] > 0 and not self._is_done(key):
                self._queue.append(key)
            self._send()
            self._changed()

        self._source.send_request(key.identity.app_id, request, then, PIECE_S)

    def _take(self, key: StreamKey, part: SearchPart) -> None:
        before = self._searched.get(key)
        high = part.position + part.scanned if before is None else before.high
        self._searched[key] = _Searched(part.position, high, part.done)
        self._wanted[key] -= part.matches
        chunks = list(_chunks(key, part.lines))
        if chunks and self._book.rings.has_lines_of(key.identity):
            self._book.add_found(key, chunks, part.begin)


def _chunks(key: StreamKey, lines: Iterable[FoundLine]) -> Iterator[LogChunk]:
    """Yield the lines as chunks of whole lines that follow one another."""
    group: list[FoundLine] = []
    end = -1
    for line in lines:
        if not line.ended or len(line.data) > LINE_BYTES:
            continue  # it is still printed, or only a part of it was searched
        if group and line.offset != end:
            yield _chunk(key, group)
            group = []
        group.append(line)
        end = line.offset + len(line.data) + 1
    if group:
        yield _chunk(key, group)


def _chunk(key: StreamKey, lines: list[FoundLine]) -> LogChunk:
    data = b"".join(line.data + b"\n" for line in lines)
    times = tuple((line.offset, line.at_ns) for line in lines)
    return LogChunk(key.identity, key.stream, lines[0].offset, data, times)
