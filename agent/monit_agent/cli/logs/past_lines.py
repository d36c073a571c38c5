"""The log lines that are there: the last ones, or what the agents find, merged by time."""

import heapq
import itertools
import sys
from collections.abc import Iterable, Iterator

from monit_agent.cli.logs.log_query import LogQuery
from monit_agent.cli.logs.log_search import Group, StreamSearch, last_matches
from monit_agent.cli.logs.log_stream import LogStream
from monit_agent.cli.render import output, terminal
from monit_agent.cli.render.log_lines import LogWriter
from monit_agent.cli.render.progress import ProgressLine
from monit_agent.client.logs.lines import StreamLine
from monit_agent.client.text.format import format_bytes
from monit_agent.typed import TYPE_CHECKING, NamedTuple
from monit_agent.wire.ids import AppId
from monit_agent.wire.limits import SEARCH_LINES

if TYPE_CHECKING:
    from monit_agent.cli.logs.log_query import LogRequests
    from monit_agent.wire.messages import Stream


class LogSelection(NamedTuple):
    """The lines to show."""

    lines: int | None
    """How many of each app; None for all."""
    query: LogQuery
    streams: "tuple[Stream, ...]"
    newest_first: bool
    folds: bool
    """Whether equal lines and stacks are shown as one."""
    as_printed: bool
    """Whether every byte is written, so that a line may come in parts."""

    @property
    def is_plain(self) -> bool:
        """Return whether it is the last lines, or all since a time, and nothing is searched."""
        return self.query.is_everything and (self.query.since is None or self.lines is None)


class _Total:
    """What was searched until now."""

    def __init__(self) -> None:
        self.matches = self.scanned = 0

    def add(self, matches: int, scanned: int) -> None:
        """Add a piece."""
        self.matches += matches
        self.scanned += scanned


class PastLines:
    """Writes earlier lines of these streams; each stream can be followed afterwards."""

    def __init__(
        self,
        streams: list[LogStream],
        selection: LogSelection,
        writer: LogWriter,
        requests: "LogRequests",
    ) -> None:
        self._streams = streams
        self._selection = selection
        self._writer = writer
        self._requests = requests

    def show(self) -> None:
        """Write the requested earlier lines, merged by time."""
        selection, query = self._selection, self._selection.query
        plain = query.is_everything and query.until is None
        plain = plain and not selection.newest_first and not selection.folds
        if not plain:
            self._show_found()
        elif selection.lines is None:
            assert query.since is not None  # noqa: S101 (for the type checker)
            pasts = [stream.since(query.since) for stream in self._streams]
            self._write_all(heapq.merge(*pasts, key=_by_time))
        elif query.since is not None:
            self._show_found()
        else:
            self._show_last(selection.lines)

    def _show_last(self, count: int) -> None:
        by_app: dict[AppId, list[list[StreamLine]]] = {}
        for stream in self._streams:
            by_app.setdefault(stream.key.identity.app_id, []).append(stream.tail(count))
        tails = [list(heapq.merge(*each, key=_by_time)) for each in by_app.values()]
        newest = [tail[-count:] if count else [] for tail in tails]
        self._writer.write(list(heapq.merge(*newest, key=_by_time)))

    def _show_found(self) -> None:
        """Write what the agents find."""
        query, lines = self._selection.query, self._selection.lines
        searches = self._searches()
        if lines is None and not self._selection.newest_first:
            found = [each.forward() for each in searches]
            if self._selection.folds:
                from monit_agent.cli.logs.log_fold import folded  # noqa: PLC0415 — takes 2 ms

                found = [folded(each) for each in found]
            self._write_groups(heapq.merge(*found, key=_first_at))
        else:
            by_app: dict[AppId, list[Iterator[Group]]] = {}
            for each in searches:
                found = each.backward(lines or SEARCH_LINES)
                by_app.setdefault(each.key.identity.app_id, []).append(found)
            apps = [heapq.merge(*each, key=_last_at_reversed) for each in by_app.values()]
            if lines is not None:
                apps = [iter(last_matches(each, lines, query.before)) for each in apps]
            newest = heapq.merge(*apps, key=_last_at_reversed)
            if self._selection.newest_first:
                self._write_groups(group[::-1] for group in newest)
            elif self._selection.folds:
                from monit_agent.cli.logs.log_fold import folded_lines  # noqa: PLC0415 — takes 2 ms

                chosen = [line for group in reversed(list(newest)) for line in group]
                self._writer.write(folded_lines(chosen))
            else:
                self._write_groups(reversed(list(newest)))
        self._report_unclear(searches)

    def _searches(self) -> list[StreamSearch]:
        return [
            StreamSearch(stream.key, self._selection.query, self._requests, stop=stop)
            for stream in self._streams
            if (stop := stream.begin_at_end()) is not None
        ]

    def _report_unclear(self, searches: list[StreamSearch]) -> None:
        unclear = sum(each.unclear for each in searches)
        if unclear:
            output.write_error(
                f"{unclear} lines were not searched: the expression takes too long for them"
            )

    def show_counts(self, *, as_json: bool) -> None:
        """Write how many lines each stream has that match, and the progress meanwhile."""
        progress = ProgressLine(terminal.terminal_size().columns)
        total = _Total()

        def show(matches: int, scanned: int) -> None:
            total.add(matches, scanned)
            if sys.stderr.isatty():
                progress.show(f"{total.matches:,} in {format_bytes(total.scanned)}")

        searches = [
            StreamSearch(stream.key, self._selection.query, self._requests, progress=show)
            for stream in self._streams
        ]
        counts = {search.key: search.count() for search in searches}
        progress.clear()
        self._writer.write_counts(counts, as_json=as_json)
        self._report_unclear(searches)

    def _write_all(self, lines: Iterator[StreamLine]) -> None:
        while batch := list(itertools.islice(lines, 1000)):
            self._writer.write(batch)

    def _write_groups(self, groups: Iterable[Group]) -> None:
        query = self._selection.query
        separate = bool(query.before or query.after)
        batch: Group = []
        for group in groups:
            if separate:
                self._writer.write_group(group)
                continue
            batch += group
            if len(batch) >= 1000:
                self._writer.write(batch)
                batch = []
        self._writer.write(batch)


def _by_time(line: StreamLine) -> int:
    return line.at_ns


def _first_at(group: Group) -> int:
    return group[0].at_ns


def _last_at_reversed(group: Group) -> int:
    return -group[-1].at_ns
