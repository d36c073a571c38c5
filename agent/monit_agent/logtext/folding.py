"""Lines folded for reading: a stack as the line that says what went wrong, equal lines as a count.

Lines are equal when they differ only in the time at their beginning. Nothing is folded in the
files: addresses stay true.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monit_agent.logtext.blocks import find_blocks
from monit_agent.logtext.expression import SGR

_TIME = re.compile(
    rb"\s*[\[(]?(?:"
    rb"\d{4}[-/]\d\d[-/]\d\d"  # ISO 8601
    rb"(?:[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z| ?[+-]\d\d:?\d\d)?)?"
    rb"|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?: [+-]\d{4})?"  # nginx and Apache
    rb"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"  # syslog
    rb"|[IWEF]\d{4} \d\d:\d\d:\d\d(?:\.\d+)?"  # glog
    rb"|\d\d:\d\d:\d\d(?:[.,]\d+)?"
    rb"|\d{10}(?:\d{3}){0,3}(?:\.\d+)?(?=\s)"  # seconds to nanoseconds since 1970
    rb")[\])]?[\s:|-]*"
)


class FoldedLines(NamedTuple):
    """Lines ``start`` to ``stop`` (exclusive) that are shown as one, line ``shown``: ``times``
    times a block of ``size`` lines."""

    start: int
    stop: int
    shown: int
    times: int
    size: int


def without_time(raw: bytes) -> bytes:
    """Return a line without its colours and the time at its beginning."""
    if b"\x1b" in raw:
        raw = SGR.sub(b"", raw)
    return raw[found.end() :] if (found := _TIME.match(raw)) else raw


def equal_but_time(one: bytes, other: bytes) -> bool:
    """Return whether two lines differ at most in the time at their beginning."""
    # many lines differ in their last byte, which is cheap to see
    return one[-1:] == other[-1:] and (one == other or without_time(one) == without_time(other))


def fold_lines(lines: Sequence[bytes]) -> Iterator[FoldedLines]:
    """Yield what is shown of some lines of one stream, in order; each line is in one of them."""
    last: FoldedLines | None = None
    key: Sequence[bytes] = ()
    for block in find_blocks(lines):
        own = lines[block.start : block.stop]
        if last is not None and len(own) == len(key) and all(map(equal_but_time, own, key)):
            last = last._replace(stop=block.stop, times=last.times + 1)
            continue
        if last is not None:
            yield last
        last = FoldedLines(block.start, block.stop, block.reason, 1, block.stop - block.start)
        key = own
    if last is not None:
        yield last
