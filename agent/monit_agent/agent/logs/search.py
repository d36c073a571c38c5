"""Searching a stream: one bounded piece of it, backward or forward. Runs in a process of its own
(``search_process.py``).

A piece is read in blocks that begin and end with a line, as far as is possible: a line of more
than `LINE_BYTES` counts as several. It ends when enough was found or the time is over, and says
where the next piece begins. The lines of a block are tested in the direction of the search, so
that a piece can end between any two of them.
"""

import signal
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self, TypeVar

from monit_agent.agent.logs.literal_scan import LiteralScan
from monit_agent.agent.logs.reader import Times, index_records
from monit_agent.agent.logs.search_blocks import BlockReader, LogBlock
from monit_agent.agent.logs.segments import Segments
from monit_agent.logtext.expression import Expression, Span, line_spans
from monit_agent.logtext.levels import Level, spans_of_level

FOUND_BYTES = 512 * 1024
"""A piece ends with the block in which this much was found."""

SLOW_LINE_S = 0.1
"""After this CPU time a line counts as unclear: with a bad expression it could take years."""

UNCLEAR = 3
"""Unclear lines after which a piece ends."""

FOUND_S = 0.03
"""When something was found, a piece ends so soon that nobody waits for it."""

_TICK_S = 0.02

_SLOW_TICKS = round(SLOW_LINE_S / _TICK_S)

Returned = TypeVar("Returned")


class SlowLineError(Exception):
    """The expression takes too long for a line."""


class Query(NamedTuple):
    """What is searched for. ``limit`` is the number of matches after which a piece ends; 0 counts
    them only."""

    expression: Expression | None = None
    level: Level | None = None
    backward: bool = True
    limit: int = 1000
    before: int = 0
    after: int = 0


class Found(NamedTuple):
    """A line; ``matches`` is False for one of the context."""

    offset: int
    at_ns: int
    data: bytes
    matches: bool
    ended: bool


class SearchPiece(NamedTuple):
    """What one piece of a search found, in the order of the stream. ``position`` is where the next
    piece begins; ``unclear`` are lines for which the expression took too long."""

    lines: list[Found]
    matches: int
    position: int
    done: bool
    scanned: int
    unclear: int


class Stopwatch:
    """Ends a piece when its time is over, and interrupts an expression on a slow line. Only one
    at a time, in the main thread: the interpreter looks for signals within a match too.

    A line is slow by the CPU time that it takes: on a busy machine, a process may wait long within
    any line.
    """

    def __init__(self, limit_s: float) -> None:
        self.is_over = False
        self._began = time.monotonic()
        self._limit_s = limit_s
        self._ticks = 0
        self._slow_tick: int | None = None
        """The tick at which the test that runs is a slow one; None while none runs."""

    def __enter__(self) -> Self:
        signal.signal(signal.SIGALRM, self._end)
        signal.signal(signal.SIGVTALRM, self._tick)
        signal.setitimer(signal.ITIMER_REAL, self._limit_s)
        signal.setitimer(signal.ITIMER_VIRTUAL, _TICK_S, _TICK_S)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def run(self, test: Callable[[bytes], Returned], raw: bytes) -> Returned:
        """Return what ``test`` returns for a line or a block; raise `SlowLineError`."""
        self._slow_tick = self._ticks + _SLOW_TICKS
        try:
            return test(raw)
        finally:
            self._slow_tick = None

    @property
    def is_found_time(self) -> bool:
        """Return whether what was found until now is worth an answer."""
        return time.monotonic() >= self._began + FOUND_S

    def _end(self, *_: Any) -> None:
        self.is_over = True

    def _tick(self, *_: Any) -> None:
        self._ticks += 1
        if self._slow_tick is not None and self._ticks >= self._slow_tick:
            self._slow_tick = None
            raise SlowLineError


class PieceSearch:
    """Searches one piece of ``stream`` between the offsets ``low`` and ``high``, both at the
    beginning of a line."""

    def __init__(
        self, stream: Segments, query: Query, low: int, high: int, watch: Stopwatch
    ) -> None:
        self._stream = stream
        self._blocks = BlockReader(stream, low, high, keeps_stacks=query.level is not None)
        self._query = query
        self._low = low
        self._high = high
        self._watch = watch
        self._matches = 0
        self._unclear = 0
        self._scanned = 0
        self._lines: list[Found] = []
        self._line_by_line = False
        """The expression takes too long for a block: a slow line must be found in it."""
        expression = query.expression
        self._scan: LiteralScan | None = None
        """With a level, lines belong to those before them, and none can be passed over."""
        if expression is not None and expression.literals and query.level is None:
            self._scan = LiteralScan(
                stream, expression, low, high, lambda: self._is_enough(0),
                counts=expression.is_literal and not query.limit,
            )  # fmt: skip

    def run(self, position: int) -> SearchPiece:
        """Search on from ``position``."""
        position = min(max(position, self._low), self._high)
        backward = self._query.backward
        found_bytes = 0
        while not self._is_done(position) and not self._is_enough(found_bytes):
            position = self._pass_over(position)
            block = self._blocks.before(position) if backward else self._blocks.beginning(position)
            if not block.data:
                position = block.low
                continue
            spans, position = self._test(block)
            self._matches += len(spans)
            self._scanned += block.high - position if backward else position - block.low
            if spans and self._query.limit:
                found_bytes += self._add(self._with_context(block, spans))
        return SearchPiece(
            self._lines,
            self._matches,
            position,
            self._is_done(position),
            self._scanned,
            self._unclear,
        )

    def _add(self, lines: list[Found]) -> int:
        """Add the lines of a block, but for those that an earlier one had as context; return their
        size."""
        if not self._query.backward:
            last = self._lines[-1].offset if self._lines else -1
            lines = [line for line in lines if line.offset > last]
            self._lines += lines
        else:
            first = self._lines[0].offset if self._lines else self._high
            lines = [line for line in lines if line.offset < first]
            self._lines = lines + self._lines
        return sum(len(line.data) for line in lines)

    def _is_done(self, position: int) -> bool:
        return position <= self._low if self._query.backward else position >= self._high

    def _is_enough(self, found_bytes: int) -> bool:
        limit = self._query.limit
        enough = bool(limit) and self._matches >= limit
        soon = bool(self._lines) and self._watch.is_found_time
        over = self._watch.is_over or self._unclear >= UNCLEAR
        return enough or soon or over or found_bytes >= FOUND_BYTES

    def _pass_over(self, position: int) -> int:
        """Return the position behind the lines that follow and cannot match."""
        if self._scan is None:
            return position
        backward = self._query.backward
        found = self._scan.before(position) if backward else self._scan.after(position)
        self._scanned += abs(found - position)
        self._matches += self._scan.matches
        self._scan.matches = 0
        return found

    # ------------------------------------------------------------ lines

    def _test(self, block: LogBlock) -> tuple[list[Span], int]:
        """Return the lines of ``block`` that match, in the order of the stream, and up to where it
        was searched."""
        spans: Iterable[Span]
        expression, level = self._query.expression, self._query.level
        if level is not None:
            spans = spans_of_level(block.data, level)
        elif expression is not None:
            spans = self._candidates(expression, block.data)
        else:
            spans = line_spans(block.data)
        if self._query.backward:
            spans = reversed(list(spans))
        found, stop = self._tested(block, spans, self._needs_test(block))
        if self._query.backward:
            found.reverse()
            return found, block.low if stop is None else block.low + stop
        return found, block.high if stop is None else block.low + stop

    def _candidates(self, expression: Expression, data: bytes) -> Iterable[Span]:
        if not self._line_by_line:
            try:
                return self._watch.run(expression.candidates, data)
            except SlowLineError:
                self._line_by_line = True
        return line_spans(data)

    def _needs_test(self, block: LogBlock) -> Expression | None:
        """Return the expression if candidates are not all matches."""
        expression, level = self._query.expression, self._query.level
        if expression is None:
            return None
        exact = expression.is_literal and level is None and b"\x1b" not in block.data
        exact = exact and not self._line_by_line
        return None if exact else expression

    def _tested(
        self, block: LogBlock, spans: Iterable[Span], expression: Expression | None
    ) -> tuple[list[Span], int | None]:
        """Return the lines that match, and where it stopped before the end; None at the end."""
        backward, limit = self._query.backward, self._query.limit
        left = limit - self._matches if limit else len(block.data) + 1
        found: list[Span] = []
        if expression is None and not limit:
            return list(spans), None
        for span in spans:
            if expression is None or self._matches_line(expression, block.data[span[0] : span[1]]):
                found.append(span)
            elif not self._watch.is_over and self._unclear < UNCLEAR:
                continue
            if len(found) >= left or self._watch.is_over or self._unclear >= UNCLEAR:
                stop = span[0] if backward else min(span[1] + 1, len(block.data))
                at_end = stop == (0 if backward else len(block.data))
                return found, None if at_end else stop
        return found, None

    def _matches_line(self, expression: Expression, raw: bytes) -> bool:
        try:
            return self._watch.run(expression.matches, raw)
        except SlowLineError:
            self._unclear += 1
            return False

    def _with_context(self, block: LogBlock, spans: list[Span]) -> list[Found]:
        """Return the lines that match and those around them."""
        before, after = self._query.before, self._query.after
        around = block
        if before or after:
            earlier = self._blocks.lines_before(block.low)
            later = self._blocks.bytes_after(block.high)
            around = LogBlock(block.low - len(earlier), earlier + block.data + later)
        shift = block.low - around.low
        matching = {start + shift: stop + shift for start, stop in spans}
        shown = dict(matching)
        for start, stop in matching.items() if before or after else ():
            shown.update(lines_before(around.data, start, before))
            shown.update(lines_after(around.data, stop, after))
        dates = index_records(self._stream, around.low, around.high)
        inside = range(shift, shift + len(block.data))
        return [
            self._line(around, (start, stop), dates, start in matching, start not in inside)
            for start, stop in sorted(shown.items())
        ]

    def _line(
        self,
        block: LogBlock,
        span: Span,
        dates: Times,
        matches: bool,
        is_beyond: bool,
    ) -> Found:
        start, stop = span
        raw = block.data[start:stop]
        if is_beyond:  # the next piece, or the last one, finds it too
            matches = self._is_match(raw)
        offset = block.low + start
        return Found(offset, _time_at(dates, offset), raw, matches, stop < len(block.data))

    def _is_match(self, raw: bytes) -> bool:
        expression, level = self._query.expression, self._query.level
        if level is not None and not list(spans_of_level(raw, level)):
            return False
        return expression is None or self._matches_line(expression, raw)


def _time_at(dates: Times, offset: int) -> int:
    number = bisect_right(dates, offset, key=lambda record: record[0])
    return dates[max(0, number - 1)][1] if dates else 0


def lines_before(data: bytes, start: int, count: int) -> list[Span]:
    """Return at most ``count`` lines before the one that begins at ``start``."""
    found: list[Span] = []
    while count and start > 0:
        stop, start = start - 1, data.rfind(b"\n", 0, start - 1) + 1
        found.append((start, stop))
        count -= 1
    return found


def lines_after(data: bytes, stop: int, count: int) -> list[Span]:
    """Return at most ``count`` complete lines behind the one that ends at ``stop``."""
    found: list[Span] = []
    while count and (end := data.find(b"\n", stop + 1)) >= 0:
        found.append((stop + 1, end))
        stop = end
        count -= 1
    return found
