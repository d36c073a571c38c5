"""Searches a replayed stream as an agent searches a file."""

from bisect import bisect_right
from collections.abc import Iterator

from monit_agent.client.logs.slow_match import SlowMatchError, match_in_time
from monit_agent.logtext.expression import Expression, Span, line_spans
from monit_agent.logtext.levels import spans_of_level
from monit_agent.replay.log import ReplayedLog
from monit_agent.wire.limits import LOG_RANGE_BYTES
from monit_agent.wire.messages import Answer, FoundLine, LogPart, LogSearch, Refused, SearchPart

PIECE_LINES = 2000
"""Lines of one piece, so that a long log takes several."""


def search_log(log: ReplayedLog, request: LogSearch) -> Answer:
    """Return the matches in one piece of ``log``, with their context within it."""
    try:
        expression = Expression(request.pattern, ignore_case=request.ignore_case)
    except ValueError as error:
        return Refused(kind="bad_request", message=str(error))
    stop = log.end if request.stop is None else min(request.stop, log.end)
    start = log.begin
    if request.since is not None:
        start = log.since(round(request.since * 1e9)).offset
    if request.since is not None:
        start = log.since(round(request.since * 1e9)).offset
    if request.position is not None and request.backward:
        stop = min(stop, request.position)
    elif request.position is not None:
        start = max(start, request.position)
    if request.backward:
        piece = log.tail(PIECE_LINES, stop)
    else:
        piece = log.part(start, min(stop - start, LOG_RANGE_BYTES))
    spans = [
        span
        for span in (
            spans_of_level(piece.data, request.level) if request.level else line_spans(piece.data)
        )
        if _matches(expression, piece.data[slice(*span)])
    ]
    if request.limit:
        spans = spans[-request.limit :] if request.backward else spans[: request.limit]
    whole = len(spans) < request.limit or not request.limit
    low, high = piece.offset, piece.offset + len(piece.data)
    if not whole and request.backward:
        low += spans[0][0]
    elif not whole:
        high = min(high, low + spans[-1][1] + 1)
    return SearchPart(
        instance=request.instance,
        stream=request.stream,
        lines=tuple(_with_context(piece, spans, request)) if request.limit else (),
        matches=len(spans),
        position=low if request.backward else high,
        done=low <= start if request.backward else high >= stop,
        scanned=high - low,
        begin=log.begin,
        end=log.end,
    )


def _matches(expression: Expression, raw: bytes) -> bool:
    try:
        return match_in_time(expression.matches, raw)
    except SlowMatchError:
        return False


def _with_context(piece: LogPart, spans: list[Span], request: LogSearch) -> Iterator[FoundLine]:
    """Yield the lines that match and those around them."""
    every = list(line_spans(piece.data))
    near = {
        place
        for number, span in enumerate(every)
        if span in spans
        for place in range(number - request.before, number + request.after + 1)
    }
    for number in sorted(near & set(range(len(every)))):
        span = every[number]
        offset, raw = piece.offset + span[0], piece.data[slice(*span)]
        place = bisect_right(piece.times, offset, key=lambda pair: pair[0])
        at_ns = piece.times[max(0, place - 1)][1] if piece.times else 0
        yield FoundLine(offset, at_ns, raw, span in spans, span[1] < len(piece.data))
