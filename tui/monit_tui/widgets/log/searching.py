"""Searches whole logs for the log pane: the loaded lines at once, the rest by the agents."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from monit_agent.client.logs.file_search import FileSearch, FoundPlace
from monit_agent.client.logs.filter import Matcher
from monit_agent.client.logs.filter_search import FilterSearch
from monit_agent.client.logs.nearest_error import NearestErrorSearch, NearestResult
from monit_agent.client.source import Source
from monit_agent.client.text.format import format_bytes
from monit_tui.widgets.log.moment import MomentSeeker
from monit_tui.widgets.log.view import LogView

Direction = Literal[-1, 0, 1]
"""Older (-1) or newer (1); 0 for none."""


class SearchState(NamedTuple):
    """What the line above the log shows of a search."""

    matcher: Matcher | None = None
    rank: int | None = None
    """Which match the line at the cursor is, the newest being 1; None when it is none."""
    matches: int = 0
    percent: int | None = None
    """How much is searched, or None when nothing more is."""
    cut: bool = False
    """Whether the search was cancelled."""
    problem: str = ""


class FilterFiller:
    """Keeps the lines that the filter shows coming from the whole log."""

    def __init__(self, source: Source, view: LogView, paint: Callable[[], None]) -> None:
        self._source, self._view, self._paint = source, view, paint
        self._search: FilterSearch | None = None

    @property
    def is_running(self) -> bool:
        """Return whether agents are searching."""
        return self._search is not None and self._search.is_running

    @property
    def problem(self) -> str:
        """Return why the agents could not search, or ""."""
        return self._search.problem if self._search is not None else ""

    def start(self) -> None:
        """Fetch what the present filter shows, unless it shows every line."""
        if self._search is not None:
            self._search.cancel()
        self._search = None
        view = self._view
        if not view.shown.filter.by_line:
            return
        search = FilterSearch(
            self._source,
            view.book,
            view.book.selected_streams,
            view.shown.filter,
            self._changed,
        )
        self._search, view.shown.hides_gap = search, search.hides_gap
        search.fetch_more()

    def fetch_older(self) -> bool:
        """Fetch more matches; return False without a filter, which needs every line."""
        if self._search is None:
            return False
        self._search.fetch_more()
        return True

    def _changed(self) -> None:
        self._view.shown.refresh()
        self._paint()


class ErrorSeeker:
    """Goes to the nearest error of the whole log, one step at a time."""

    def __init__(
        self, source: Source, view: LogView, moments: MomentSeeker, notice: Callable[[str], None]
    ) -> None:
        self._source, self._view = source, view
        self._moments, self._notice = moments, notice
        self._search: NearestErrorSearch | None = None

    def stay(self) -> None:
        """Leave the cursor where it is when an error is found."""
        if self._search is not None:
            self._search.cancel()

    def seek(self, direction: Direction) -> None:
        """Go to the nearest error above (-1) or below (1), when it is found; past the end, continue
        at the other end and say so."""
        following = self._view.window.follow
        self._start(None if following else place_of_cursor(self._view), direction)

    def _start(self, here: FoundPlace | None, direction: Direction, *, again: bool = False) -> None:
        def then(result: NearestResult) -> None:
            if result.place is not None:
                if again:
                    where, end = ("older", "newest") if direction < 0 else ("newer", "oldest")
                    self._notice(f"no {where} error; continued at the {end} one")
                self._moments.go_to_place(result.place)
            elif here is None or again:
                self._notice(result.problem or "no error in the whole log")
            else:
                self._start(None, direction, again=True)

        view = self._view
        self.stay()
        self._search = NearestErrorSearch(
            self._source,
            view.book.selected_streams,
            view.shown.filter,
            here,
            direction=direction,
            then=then,
        )
        self._search.start()


def place_of_cursor(view: LogView) -> FoundPlace | None:
    """Return where the line at the cursor is; None without a line."""
    row = view.current_row()
    return None if row is None else FoundPlace(row.at_ns, row.key, row.offset)


class LogSearcher:
    """One search of the selected streams; a new one replaces it."""

    def __init__(
        self,
        source: Source,
        view: LogView,
        moments: MomentSeeker,
        notice: Callable[[str], None],
        paint: Callable[[], None],
    ) -> None:
        self._source, self._view, self._moments = source, view, moments
        self._notice, self._paint = notice, paint
        self._search: FileSearch | None = None
        self._wanted: Direction = 0
        self._fed = 0

    @property
    def is_running(self) -> bool:
        """Return whether agents are still searching."""
        return self._search is not None and self._search.is_running

    def start(self, matcher: Matcher) -> None:
        """Search all streams, and go to the newest match before the cursor."""
        self._begin(matcher)
        self.seek(-1)

    def again(self) -> None:
        """Search for the same in what is shown now; the view stays in place."""
        if self._search is not None:
            self._begin(self._search.matcher)

    def clear(self) -> None:
        """Forget the search."""
        if self._search is not None:
            self._search.cancel()
        self._search, self._wanted = None, 0

    def cancel(self) -> bool:
        """Stop a search that is running; return whether one was. What was found stays."""
        self._wanted = 0
        return self._search is not None and self._search.cancel()

    def stay(self) -> None:
        """Leave the cursor where it is when more is found."""
        self._wanted = 0

    def seek(self, direction: Direction) -> None:
        """Go to the next older (-1) or newer (1) match, when it is found; past the end, continue
        at the other end and say so."""
        search = self._search
        if search is None:
            self._notice("no search yet; {logs.search} searches")
            return
        self.flushed()
        following = self._view.window.follow
        here = None if following else place_of_cursor(self._view)
        found = None if following and direction > 0 else search.places.nearest(here, direction)
        self._wanted = 0
        if found is not None:
            self._moments.go_to_place(found)
        elif direction < 0 and (search.is_running or search.fetch_older()):
            self._wanted = direction
        else:
            self._wrap(search, direction)

    def flushed(self) -> None:
        """Add what matches among the rows that were loaded or printed since."""
        found, search = self._view.found, self._search
        if found is None or search is None:
            return
        merged = self._view.book.merged
        places: list[FoundPlace] = []
        for seq in found.take_new():
            row = merged.row(seq)
            places.append(FoundPlace(row.at_ns, row.key, row.offset))
        search.add(places)

    def state(self) -> SearchState:
        """Return what the line above the log shows."""
        found, search = self._view.found, self._search
        if search is None:  # still typed: only the loaded lines are known
            if found is None:
                return SearchState()
            return SearchState(found.matcher, None, len(found))
        following = self._view.window.follow
        here = None if following else place_of_cursor(self._view)
        return SearchState(
            search.matcher,
            None if here is None else search.places.rank(here),
            len(search),
            search.percent if search.is_running else None,
            search.was_cancelled,
            search.problem,
        )

    def _begin(self, matcher: Matcher) -> None:
        self.clear()
        view = self._view
        view.set_search(matcher)
        self._search = FileSearch(
            self._source, view.book.selected_streams, matcher, view.shown.filter, self._changed
        )
        self.flushed()
        self._search.start()

    def _changed(self) -> None:
        if self._wanted:
            self.seek(self._wanted)
        self._paint()

    def _wrap(self, search: FileSearch, direction: Direction) -> None:
        what = f"match for {search.matcher.text!r}"
        other = search.places.last(1 if direction < 0 else -1)
        if other is None:
            size = search.scanned_bytes
            self._notice(search.problem or f"no {what} in the whole log ({format_bytes(size)})")
            return
        where, end = ("older", "newest") if direction < 0 else ("newer", "oldest")
        self._notice(f"no {where} {what}; continued at the {end} one")
        self._moments.go_to_place(other)
