"""The rows that match a search, counted while rows arrive."""

from bisect import bisect_left

from monit_agent.client.logs.filter import Matcher
from monit_agent.client.logs.folded import FoldedRows
from monit_agent.client.logs.merged import MergedRows


class FoundRows:
    """Numbers of the shown rows that match, oldest first."""

    def __init__(self, merged: MergedRows, shown: FoldedRows, matcher: Matcher) -> None:
        self.matcher = matcher
        self._merged, self._shown = merged, shown
        self._seqs: list[int] = []
        self._taken = 0
        self._scanned = merged.first
        self.update()

    def update(self) -> None:
        """Look at the rows that were added since."""
        log_filter, end = self._shown.filter, self._merged.end
        for start, run in self._merged.runs(self._scanned) if self._scanned < end else ():
            if run.missing or not log_filter.shows_stream(run.key):
                continue
            skip = max(0, self._scanned - start)
            places = self.matcher.matching(run.lines[skip:])
            found = [start + skip + place for place in places]
            self._seqs += self._shown.shown_of(found) if log_filter.by_line else found
        self._scanned = end
        dropped = bisect_left(self._seqs, self._merged.first)
        if dropped:
            del self._seqs[:dropped]
            self._taken = max(0, self._taken - dropped)

    def __len__(self) -> int:
        return len(self._seqs)

    def take_new(self) -> list[int]:
        """Return the matches that were not returned before."""
        new, self._taken = self._seqs[self._taken :], len(self._seqs)
        return new
