"""Answers requests to search the logs."""

import math
from collections.abc import Callable
from typing import Any

from monit_agent.agent.logs.reader import StreamReader
from monit_agent.agent.logs.search_process import SearchProcess, TooManySearchesError
from monit_agent.agent.serve.router import RefusedError, Reply
from monit_agent.wire.limits import SEARCH_CONTEXT, SEARCH_LINES, SEARCH_PATTERN
from monit_agent.wire.messages import FoundLine, LogSearch, Refused, SearchPart, Stream


class LogSearches:
    """Passes pieces to the process that searches. ``reader`` returns what reads a stream; it raises
    `RefusedError` for an instance that is not there."""

    def __init__(
        self, process: SearchProcess, reader: Callable[[int, Stream], StreamReader]
    ) -> None:
        self._process = process
        self._reader = reader

    def handle(self, request: LogSearch, _by: str, reply: Reply) -> None:
        """Answer when the piece is searched."""
        names = self._reader(request.instance, request.stream).names
        asked = {
            "log": names.log,
            "index": names.index,
            "pattern": request.pattern,
            "ignore_case": request.ignore_case,
            "level": request.level,
            "backward": request.backward,
            "position": request.position,
            "since_ns": _nanoseconds(request.since),
            "until_ns": _nanoseconds(request.until),
            "stop": request.stop,
            "limit": _within(request.limit, SEARCH_LINES, "matches"),
            "before": _within(request.before, SEARCH_CONTEXT, "lines of context"),
            "after": _within(request.after, SEARCH_CONTEXT, "lines of context"),
        }
        if len(request.pattern) > SEARCH_PATTERN:
            text = f"the expression has more than {SEARCH_PATTERN} characters"
            raise RefusedError("bad_request", text)
        try:
            self._process.search(asked, lambda found, data: reply(_part(request, found, data)))
        except TooManySearchesError as error:
            raise RefusedError("refused", str(error)) from error


def _nanoseconds(at: float | None) -> int | None:
    if at is None:
        return None
    if not math.isfinite(at * 1e9):
        raise RefusedError("bad_request", f"{at} is no time")
    return int(at * 1e9)


def _within(number: int, most: int, what: str) -> int:
    if not 0 <= number <= most:
        raise RefusedError("bad_request", f"{number} {what}; at most {most} at once")
    return number


def _part(request: LogSearch, found: dict[str, Any], data: bytes) -> SearchPart | Refused:
    if "refused" in found:
        return Refused(kind="bad_request", message=found["refused"])
    if "failed" in found:
        return Refused(kind="failed", message=found["failed"])
    lines: list[FoundLine] = []
    at = 0
    for offset, at_ns, size, matches, ended in found.pop("lines"):
        lines.append(FoundLine(offset, at_ns, data[at : at + size], matches, ended))
        at += size
    return SearchPart(instance=request.instance, stream=request.stream, lines=tuple(lines), **found)
