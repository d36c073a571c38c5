"""What probes report, as types: JSON, checked at this border.

The shapes are those of ``probe/README.md``. A report comes from inside a program that anybody
may have written, so it can claim anything: what is not of these types is refused.
"""

import math
from typing import Annotated

import msgspec

from monit_agent.observe.lag import BUCKETS
from monit_agent.wire.messages import BlockKind

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e12)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Bucket = Annotated[int, msgspec.Meta(ge=0, lt=BUCKETS)]
Text = Annotated[str, msgspec.Meta(max_length=200)]


class BadReportError(ValueError):
    """A probe, or something that claims to be one, sent what is not a report."""


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what a probe says; unknown fields of a newer probe are ignored."""


class HeapWords(Word, frozen=True, kw_only=True):
    """Size and use of a heap, bytes; ``used`` is None where it cannot be known."""

    src: Text
    size: Count
    used: Count | None = None


class LoopWords(Word, frozen=True, kw_only=True):
    """One event loop. ``lag`` and ``idle`` are seconds so far, see `monit_agent.observe.lag`."""

    id: int
    type: Text
    busy: Seconds
    wall: Seconds
    idle: Seconds
    lag: tuple[tuple[Bucket, Seconds], ...] = ()
    max: Seconds = 0.0
    now: Seconds = 0.0
    stuck: Count = 0
    running: bool = True


class BlockWords(Word, frozen=True, kw_only=True):
    """Equal blocks since the last report; ``count`` is 0 for one that goes on."""

    kind: BlockKind
    stack: Annotated[tuple[tuple[Text, Count, Text], ...], msgspec.Meta(max_length=30)]
    count: Count
    total: Seconds
    max: Seconds
    at: Seconds


class Report(Word, frozen=True, kw_only=True):
    """One report of one process."""

    v: int
    rt: Text
    born: int
    seq: Count
    heap: HeapWords | None = None
    gc: Annotated[tuple[tuple[Count, Seconds, Seconds], ...], msgspec.Meta(max_length=8)] = ()
    threads: Count | None = None
    tasks: Count | None = None
    handles: Count | None = None
    loops: Annotated[tuple[LoopWords, ...], msgspec.Meta(max_length=32)] | None = None
    """None in the first report (``hello``), which has no numbers yet."""
    sched: tuple[tuple[Bucket, Count], ...] = ()
    sched_max: Seconds = 0.0
    blocked: Annotated[tuple[BlockWords, ...], msgspec.Meta(max_length=128)] = ()
    lost: Count = 0
    faults: Count = 0
    fault: str = ""
    bye: bool = False


_decoder = msgspec.json.Decoder(Report)


def read_report(raw: bytes) -> Report:
    """Give the report in ``raw``; `BadReportError` if it is not one."""
    try:
        report = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadReportError(str(error)) from error
    if report.v != 1:
        raise BadReportError(f"report version {report.v}, this side reads 1")
    numbers = (part for loop in report.loops or () for part in (loop.busy, loop.wall, loop.idle))
    if not all(math.isfinite(number) for number in numbers):
        raise BadReportError("a number that is none")
    return report
