"""What probes report, as types: JSON, checked here.

The shapes are those of ``probe/README.md``. A report comes from inside a program that any user
may have written, so it can claim anything: what is not of these types is refused.
"""

import math
from typing import Annotated

import msgspec

from monit_agent.wire.codec import BadMessageError, decode_json
from monit_agent.wire.messages import Aggregate, BlockKind, MetricKind

VERSION = 2
"""Of the form of reports."""

Seconds = Annotated[float, msgspec.Meta(ge=0.0, le=1e12)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Integer = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Histogram = Annotated[tuple[Integer, ...], msgspec.Meta(max_length=16_000)]
"""See `probes/histogram.py`; longer than any that a probe sends."""
Text = Annotated[str, msgspec.Meta(max_length=200)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class BadReportError(ValueError):
    """A probe, or something that claims to be one, sent something that is not a report."""


class OldReportError(BadReportError):
    """A report of the probe of an earlier version, which a program that was started then still
    runs."""


class ReportPart(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all parts of a report; unknown fields of a newer probe are ignored."""


class HeapReport(ReportPart, frozen=True, kw_only=True):
    """Size and used part of a heap, and what it may grow to, bytes; ``used`` is None where it
    cannot be known, ``limit`` where there is none."""

    src: Text
    size: Count
    used: Count | None = None
    limit: Count | None = None


class LoopReport(ReportPart, frozen=True, kw_only=True):
    """One event loop. ``idle`` is cumulative; ``lag`` are the stretches of being busy since the
    last report, see `busy_stretches`."""

    id: int
    type: Text
    busy: Seconds
    wall: Seconds
    idle: Seconds
    lag: Histogram = ()
    max: Seconds = 0.0
    now: Seconds = 0.0
    stuck: Count = 0
    running: bool = True


class BlockReport(ReportPart, frozen=True, kw_only=True):
    """Equal blocks since the last report; ``count`` is 0 for one that has not ended."""

    kind: BlockKind
    stack: Annotated[tuple[tuple[Text, Count, Text], ...], msgspec.Meta(max_length=30)]
    count: Count
    total: Seconds
    max: Seconds
    at: Seconds


class HttpReport(ReportPart, frozen=True, kw_only=True):
    """Requests that the servers of a process have answered since it started, those in flight
    (``now``), and since the last report the durations (``hist``) and the longest (``max``)."""

    requests: Count
    errors: Count = 0
    now: Count = 0
    hist: Histogram = ()
    max: Seconds = 0.0


class MetricReport(ReportPart, frozen=True, kw_only=True):
    """One of the app's own metrics: a gauge's ``value`` (None: not known now), a counter's or a
    histogram's total so far, a text. ``agg`` is how processes combine; counters and histograms
    always add up. ``buckets`` are of the values since the last report."""

    kind: MetricKind
    value: float | None = None
    text: Text = ""
    unit: Text = ""
    agg: Aggregate = "avg"
    count: Count = 0
    sum: float = 0.0
    buckets: Histogram = ()


class ActionReport(ReportPart, frozen=True, kw_only=True):
    """An action that the process offers under this name."""

    name: Name
    help: Text = ""


class AnswerReport(ReportPart, frozen=True, kw_only=True):
    """The result of an action: JSON of what it returned, or the text of its error."""

    id: Name
    ok: bool
    value: Annotated[str, msgspec.Meta(max_length=32 * 1024)] = ""


class Report(ReportPart, frozen=True, kw_only=True):
    """One report of one process; ``probe/README.md`` has all fields."""

    v: int
    rt: Text
    started: int
    seq: Count
    heap: HeapReport | None = None
    gc: Annotated[tuple[tuple[Count, Seconds, Seconds], ...], msgspec.Meta(max_length=8)] = ()
    threads: Count | None = None
    tasks: Count | None = None
    handles: Count | None = None
    loops: Annotated[tuple[LoopReport, ...], msgspec.Meta(max_length=32)] | None = None
    """None in the first report (``hello``), which has no numbers yet."""
    sched: Histogram = ()
    sched_max: Seconds = 0.0
    blocked: Annotated[tuple[BlockReport, ...], msgspec.Meta(max_length=128)] = ()
    lost: Count = 0
    faults: Count = 0
    fault: str = ""
    bye: bool = False
    http: HttpReport | None = None
    """None where no HTTP server was seen."""
    mono: Seconds = 0.0
    """The process's own monotonic clock; 0.0 when it is not reported."""
    metrics: Annotated[dict[Name, MetricReport], msgspec.Meta(max_length=100)] = {}
    actions: Annotated[tuple[ActionReport, ...], msgspec.Meta(max_length=50)] = ()
    answers: Annotated[tuple[AnswerReport, ...], msgspec.Meta(max_length=64)] = ()


class _OldReport(ReportPart, frozen=True, kw_only=True):
    """A report from before histograms had the present form."""

    v: Annotated[int, msgspec.Meta(ge=1, lt=VERSION)]
    rt: Text
    seq: Count


_decoder = msgspec.json.Decoder(Report)
_old_decoder = msgspec.json.Decoder(_OldReport)


def read_report(raw: bytes) -> Report:
    """Return the report in ``raw``. Raise `BadReportError` if it is not one."""
    try:
        report = decode_json(_decoder, raw)
    except BadMessageError as error:
        if _is_old(raw):
            raise OldReportError("a report of the probe of an earlier version") from error
        raise BadReportError(str(error)) from error
    if report.v < VERSION:
        raise OldReportError("a report of the probe of an earlier version")
    if report.v > VERSION:
        raise BadReportError(f"report version {report.v}; this agent reads version {VERSION}")
    numbers = (part for loop in report.loops or () for part in (loop.busy, loop.wall, loop.idle))
    if not all(math.isfinite(number) for number in numbers):
        raise BadReportError("a number is not finite")
    return report


def _is_old(raw: bytes) -> bool:
    try:
        decode_json(_old_decoder, raw)
    except BadMessageError:
        return False
    return True
