"""Which rows of a log are shown: by text with context, by stream, by instance, by level."""

import re
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from monit_agent.client.logs.merged import MergedRows
from monit_agent.client.logs.rows import Run, StreamKey
from monit_agent.client.logs.slow_match import SlowMatchError, match_in_time
from monit_agent.client.text.sanitize import plain_text
from monit_agent.logtext.levels import RANK, Level, level_of
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import Stream

Found = TypeVar("Found")

_OPTION = re.compile(
    r"\s*(?:-C ?(?P<context>\d{1,3})|:(?P<word>out|err|debug|info|warn|error))(?:\s+|$)"
)


SLOW_LINES = 3
"""Lines for which an expression takes too long, before no more are tried: 0.3 s in all."""

_REPEATS = frozenset("*+{")
"""Without one of these, the time for a line is bounded by its length."""


class Matcher:
    """A text to search for: a regular expression, or the text itself when it is not one.

    Lower case matches both cases, as in vim's smartcase. The search runs on what the screen
    shows, so that colours inside a word do not hide it. An expression that takes too long for some
    lines matches nothing more.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.ignores_case = text == text.lower()
        flags = re.IGNORECASE if self.ignores_case else re.NOFLAG
        try:
            self.pattern = re.compile(text, flags)
        except re.error:
            self.pattern = re.compile(re.escape(text), flags)
        self._slow_lines = 0
        self._may_be_slow = not _REPEATS.isdisjoint(text)
        self._bytes = re.compile(self.pattern.pattern.encode(), flags) if text.isascii() else None
        self._literal = text.encode() if text.isascii() and re.escape(text) == text else None
        """The text itself where it means only itself; it is found much faster."""

    def matches(self, raw: bytes) -> bool:
        """Return whether a line contains it."""
        return self._in_time(self._search, raw) or False

    def _search(self, raw: bytes) -> bool:
        if self._bytes is not None and raw.isascii() and b"\x1b" not in raw and b"\r" not in raw:
            return self._bytes.search(raw) is not None
        return self.pattern.search(plain_text(raw)) is not None

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return where it is in a text, without empty matches."""
        found = self._in_time(
            lambda each: [one.span() for one in self.pattern.finditer(each)], text
        )
        return [(start, stop) for start, stop in found or () if stop > start]

    def _in_time(self, match: Callable[[Any], Found], text: Any) -> Found | None:
        if not self._may_be_slow:
            return match(text)
        if self._slow_lines >= SLOW_LINES:
            return None
        try:
            return match_in_time(match, text)
        except SlowMatchError:
            self._slow_lines += 1
            return None

    def matching(self, lines: Sequence[bytes]) -> list[int]:
        """Return the places of the lines that contain it: of a run of lines a tenth of what
        `matches` takes for each of them."""
        text = b"\n".join(lines)
        plain = text.isascii() and b"\x1b" not in text and b"\r" not in text
        if self._may_be_slow:
            return self._places_in_time(lines)
        if self._bytes is None or not plain or not lines:
            return [place for place, raw in enumerate(lines) if self.matches(raw)]
        literal = self._literal
        if literal is None:
            search = self._bytes.search
            return [place for place, raw in enumerate(lines) if search(raw)]
        text = text.lower() if self.ignores_case else text
        if literal not in text:
            return []
        return [place for place, raw in enumerate(text.split(b"\n")) if literal in raw]

    def _places_in_time(self, lines: Sequence[bytes]) -> list[int]:
        """Return the places of the lines that contain it. The time of a run is limited, because to
        limit that of a line takes 4 µs; where a run takes too long, its slow lines are found."""
        if not self._slow_lines:
            with suppress(SlowMatchError):
                return match_in_time(
                    lambda run: [place for place, raw in enumerate(run) if self._search(raw)], lines
                )
        return [place for place, raw in enumerate(lines) if self.matches(raw)]


class LogFilter(NamedTuple):
    """Which lines to show; the default is all."""

    matcher: Matcher | None = None
    without: bool = False
    """True to show the lines that do not match."""
    context: int = 0
    """Lines to show before and after each match."""
    muted: frozenset[InstanceId] = frozenset()
    stream: Stream | None = None
    """Only this stream."""
    level: Level | None = None
    """Only lines of this level or worse."""

    def shows_stream(self, key: StreamKey) -> bool:
        """Return whether lines of a stream can be shown at all."""
        wanted = self.stream is None or key.stream == self.stream
        return wanted and key.identity not in self.muted

    def matches_line(self, raw: bytes) -> bool:
        """Return whether a line matches."""
        if self.matcher is not None and self.matcher.matches(raw) == self.without:
            return False
        return self.level is None or RANK[level_of(raw)] >= RANK[self.level]

    def matching(self, lines: Sequence[bytes]) -> list[int]:
        """Return the places of the lines that match."""
        if self.matcher is None or self.level is not None:
            return [place for place, raw in enumerate(lines) if self.matches_line(raw)]
        places = self.matcher.matching(lines)
        if not self.without:
            return places
        found = frozenset(places)
        return [place for place in range(len(lines)) if place not in found]

    @property
    def by_line(self) -> bool:
        """Whether lines are chosen one by one."""
        return self.matcher is not None or self.level is not None


EVERYTHING = LogFilter()


class FilteredRows:
    """The numbers of the shown rows, in order; follows the end of the log."""

    def __init__(self, merged: MergedRows, log_filter: LogFilter = EVERYTHING) -> None:
        self.filter = log_filter
        self.hides_gap: Callable[[Run], bool] = lambda _: False
        """Whether nothing that the filter shows is missing in a gap."""
        self._merged = merged
        self._all = log_filter._replace(context=0) == EVERYTHING
        self._seqs: list[int] = []
        self.refresh()

    def refresh(self) -> None:
        """Filter all rows again: after the view was rebuilt or an old row changed."""
        self._seqs = []
        self._scanned = self._merged.first
        self._before: deque[int] = deque(maxlen=self.filter.context)
        self._after = 0
        self.update()

    def update(self) -> int:
        """Filter the rows added since; return how many of them are shown."""
        scanned, self._scanned = max(self._scanned, self._merged.first), self._merged.end
        if self._all:
            return self._scanned - scanned
        had = len(self._seqs)
        for start, run in self._merged.runs(scanned) if scanned < self._scanned else ():
            if self.filter.shows_stream(run.key):
                self._scan(run, start, max(0, scanned - start))
        added = len(self._seqs) - had
        stale = bisect_left(self._seqs, self._merged.first)
        if stale > 4096 or stale == len(self._seqs):
            del self._seqs[:stale]
        return added

    def __len__(self) -> int:
        return self._end() - self._begin()

    def seq(self, index: int) -> int:
        """Return the number of the shown row at ``index``; raise IndexError beyond the ends."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        at = self._begin() + index
        return at if self._all else self._seqs[at]

    def index(self, seq: int) -> int:
        """Return the index of row ``seq``, or of the next shown one; `len` beyond the last."""
        at = seq if self._all else bisect_left(self._seqs, seq)
        return min(max(at, self._begin()), self._end()) - self._begin()

    def shown_of(self, seqs: Sequence[int]) -> list[int]:
        """Return those of some rows, in order, that are shown themselves."""
        if self._all or not seqs:
            return list(seqs)
        first = bisect_left(self._seqs, seqs[0])
        shown = frozenset(self._seqs[first : bisect_right(self._seqs, seqs[-1])])
        return [seq for seq in seqs if seq in shown]

    def _begin(self) -> int:
        first = self._merged.first
        return first if self._all else bisect_left(self._seqs, first)

    def _end(self) -> int:
        return self._scanned if self._all else len(self._seqs)

    def _scan(self, run: Run, start: int, skip: int) -> None:
        if run.missing and self.hides_gap(run):
            return
        if run.missing or not self.filter.by_line:
            self._seqs.extend(range(start + skip, start + len(run)))
            return
        lines = run.lines[skip:] if skip else run.lines
        places = self.filter.matching(lines)
        if not self.filter.context:
            self._seqs.extend(start + skip + place for place in places)
            return
        matches, seqs, before = frozenset(places), self._seqs, self._before
        for seq, place in enumerate(range(len(lines)), start + skip):
            if place in matches:
                seqs.extend(before)
                before.clear()
                seqs.append(seq)
                self._after = self.filter.context
            elif self._after:
                seqs.append(seq)
                self._after -= 1
            else:
                before.append(seq)


def parse_filter(text: str, before: LogFilter = EVERYTHING) -> LogFilter:
    """Return the filter that a user typed: ``-C 3`` context, ``:err`` ``:out`` stream, ``:warn``
    ``:error`` level, ``!`` for lines that do not match; the rest is the text to search for. Muted
    instances stay as in ``before``.
    """
    chosen = LogFilter(muted=before.muted)
    while found := _OPTION.match(text):
        text = text[found.end() :]
        word = found["word"]
        if found["context"]:
            chosen = chosen._replace(context=int(found["context"]))
        elif word in ("out", "err"):
            chosen = chosen._replace(stream=word)
        elif word in ("debug", "info", "warn", "error"):
            chosen = chosen._replace(level=word)
    if text.startswith("!") and len(text) > 1:
        chosen, text = chosen._replace(without=True), text[1:]
    return chosen._replace(matcher=Matcher(text)) if text else chosen
