"""Searching the streams of an app by its agent, piece by piece, and the same choice of lines for
those that are printed meanwhile."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from monit_agent.cli.exit_codes import CommandError, ExitCode
from monit_agent.cli.logs.log_query import LogQuery, search_fields
from monit_agent.client.logs.lines import StreamLine
from monit_agent.client.logs.rows import StreamKey
from monit_agent.logtext.levels import RANK, is_continuation, level_of
from monit_agent.typed import TYPE_CHECKING
from monit_agent.wire.limits import SEARCH_LINES

if TYPE_CHECKING:
    from monit_agent.cli.logs.log_query import LogRequests
    from monit_agent.wire.messages import SearchPart

UNCLEAR_LINES = 20
"""Lines for which the expression takes too long, before a command gives up: 2 s."""

GROUP_LINES = 1000
"""Lines of context that join matches to one group, at most."""

Group = list[StreamLine]
"""Lines of a stream that follow one another: a match, its context, and matches within it."""


class StreamSearch:
    """One stream, searched up to offset ``stop``; ``progress(matches, scanned bytes)`` is called
    after each piece."""

    def __init__(
        self,
        key: StreamKey,
        query: LogQuery,
        requests: "LogRequests",
        *,
        stop: int | None = None,
        progress: Callable[[int, int], None] = lambda _matches, _scanned: None,
    ) -> None:
        self.key = key
        self.unclear = 0
        """Lines that are given up."""
        self._query = query
        self._requests = requests
        self._stop = stop
        self._progress = progress

    def backward(self, limit: int) -> Iterator[Group]:
        """Yield what is found, newest first; the lines of a group are in the order of the
        stream."""
        group: Group = []
        lowest: int | None = None
        for part in self._parts(backward=True, limit=limit):
            for line in reversed(self._lines(part)):
                if lowest is not None and line.offset >= lowest:
                    continue  # context of a match in an earlier piece
                if group and (_end(line) != lowest or self._is_complete(group)):
                    yield group[::-1]
                    group = []
                group.append(line)
                lowest = line.offset
            if group and self._is_complete(group):
                yield group[::-1]
                group = []
        if group:
            yield group[::-1]

    def forward(self) -> Iterator[Group]:
        """Yield what is found, oldest first."""
        group: Group = []
        end = -1
        for part in self._parts(backward=False, limit=SEARCH_LINES):
            for line in self._lines(part):
                if line.offset < end:
                    continue
                if group and (line.offset != end or self._is_complete(group)):
                    yield group
                    group = []
                group.append(line)
                end = _end(line)
        if group:
            yield group

    def count(self) -> int:
        """Return how many lines match."""
        return sum(part.matches for part in self._parts(backward=True, limit=0))

    def _is_complete(self, group: Group) -> bool:
        joins = self._query.before or self._query.after
        return not joins or len(group) >= GROUP_LINES

    def _lines(self, part: "SearchPart") -> Group:
        return [
            StreamLine(
                self.key,
                line.offset,
                line.at_ns,
                line.data,
                ended=line.ended,
                context=not line.matches,
            )
            for line in part.lines
        ]

    def _parts(self, *, backward: bool, limit: int) -> "Iterator[SearchPart]":
        """Yield the answers; raise `CommandError`."""
        query = self._query
        position: int | None = None
        while True:
            fields = search_fields(
                query, backward=backward, position=position, stop=self._stop, limit=limit
            )
            part = self._requests.search(self.key, fields)
            if isinstance(part, str):
                raise CommandError(ExitCode.FAILED, f"{self.key.identity}: {part}")
            self.unclear += part.unclear
            self._progress(part.matches, part.scanned)
            yield part
            if part.done:
                return
            if self.unclear >= UNCLEAR_LINES:
                raise CommandError(
                    ExitCode.FAILED,
                    f"{self.key.identity}: the expression takes too long for {self.unclear} lines; "
                    "write it without a repeat inside a repeat, as in (a+)+",
                )
            position = part.position


def last_matches(groups: Iterable[Group], count: int, before: int) -> list[Group]:
    """Return the first ``count`` matches of groups that come newest first, with their context."""
    found: list[Group] = []
    for group in groups if count else ():
        matches = [at for at, line in enumerate(group) if not line.context]
        if len(matches) > count:
            group = group[max(0, matches[-count] - before) :]  # noqa: PLW2901 (a part of it)
        found.append(group)
        count -= len(matches)
        if count <= 0:
            break
    return found


class LineChooser:
    """Chooses the lines of one stream as they come, with their context."""

    def __init__(self, query: LogQuery) -> None:
        self._query = query
        self._before: deque[StreamLine] = deque(maxlen=query.before)
        self._after = 0
        self._level_fits = False

    def choose(self, lines: Iterable[StreamLine]) -> Iterator[StreamLine]:
        """Yield the lines to show; remarks of monit always."""
        for line in lines:
            if line.note:
                yield line
            elif self._matches(line.raw):
                yield from self._before
                self._before.clear()
                self._after = self._query.after
                yield line
            elif self._after:
                self._after -= 1
                yield line._replace(context=True)
            else:
                self._before.append(line._replace(context=True))

    def _matches(self, raw: bytes) -> bool:
        level = self._query.level
        if level is not None:
            if not is_continuation(raw):
                self._level_fits = RANK[level_of(raw)] >= RANK[level]
            if not self._level_fits:
                return False
        return self._query.expression is None or self._query.expression.matches(raw)


def _end(line: StreamLine) -> int:
    return line.offset + len(line.raw) + line.ended
