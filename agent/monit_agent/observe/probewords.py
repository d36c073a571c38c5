"""What probes report, as types: JSON, checked at this border.

The shapes are those of ``probe/README.md``. A report comes from inside a program that anybody
may have written, so it can claim anything: what is not of these types is refused.
"""

import math
from typing import Annotated

import msgspec

from monit_agent.observe.lag import BUCKETS
from monit_agent.wire.messages import Aggregate, BlockKind, MetricKind

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e12)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Bucket = Annotated[int, msgspec.Meta(ge=0, lt=BUCKETS)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
ValueBucket = Annotated[int, msgspec.Meta(ge=-128, le=120)]


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


class HttpWords(Word, frozen=True, kw_only=True):
    """Requests that the servers of a process have answered so far, those in flight (``now``), and
    the longest since the last report (``max``)."""

    requests: Count
    errors: Count = 0
    now: Count = 0
    hist: tuple[tuple[Bucket, Count], ...] = ()
    max: Seconds = 0.0


class MetricWords(Word, frozen=True, kw_only=True):
    """One of the app's own metrics: a gauge's ``value`` (None: not known now), a counter's or a
    histogram's total so far, a text. ``agg`` says how processes combine; counters and histograms
    always add up. Bucket i of a histogram counts values in [2^((i-1)/4), 2^(i/4)), bucket -128
    those of nothing and less."""

    kind: MetricKind
    value: float | None = None
    text: Text = ""
    unit: Text = ""
    agg: Aggregate = "avg"
    count: Count = 0
    sum: float = 0.0
    buckets: Annotated[tuple[tuple[ValueBucket, Count], ...], msgspec.Meta(max_length=249)] = ()


class ActionWords(Word, frozen=True, kw_only=True):
    """Something that the process does when it is asked to by this name."""

    name: Name
    help: Text = ""


class AnswerWords(Word, frozen=True, kw_only=True):
    """What came of an action: JSON of what it gave, or the text of its error."""

    id: Name
    ok: bool
    value: Annotated[str, msgspec.Meta(max_length=32 * 1024)] = ""


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
    http: HttpWords | None = None
    """None where no HTTP server was seen."""
    mono: Seconds = 0.0
    """The process's own monotonic clock; 0.0 when it does not tell."""
    metrics: Annotated[dict[Name, MetricWords], msgspec.Meta(max_length=100)] = {}
    actions: Annotated[tuple[ActionWords, ...], msgspec.Meta(max_length=50)] = ()
    answers: Annotated[tuple[AnswerWords, ...], msgspec.Meta(max_length=64)] = ()


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
