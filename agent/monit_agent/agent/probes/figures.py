"""From reports of probes to the figures of a process, and of an instance. Pure; times called
``now`` are monotonic.

Reports hold cumulative numbers, so that a lost one loses nothing: a figure is the difference of
the newest report and the one that is `PROBE_WINDOW_S` older. Histograms hold what came since the
last report that was received, so those after that one are added up.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from monit_agent.agent.probes.app_metrics import MetricReading, combine_metrics, readings
from monit_agent.agent.probes.histogram import (
    Counts,
    MovingCounts,
    MovingStretches,
    Stretches,
    merged,
    percentiles,
    wait_percentiles,
)
from monit_agent.agent.probes.reports import ActionReport, HttpReport, LoopReport, Report
from monit_agent.wire.limits import PROBE_STALE_S, PROBE_WINDOW_S
from monit_agent.wire.messages import (
    CollectorFigures,
    HeapFigures,
    HttpFigures,
    LoopFigures,
    Metric,
    SchedulingFigures,
)

Number = TypeVar("Number", int, float)
_SHARES = 0.50, 0.95, 0.99
_NO_LOOP = LoopReport(id=0, type="", busy=0.0, wall=0.0, idle=0.0)
_NO_REQUESTS = HttpReport(requests=0)


class LoopWindow(NamedTuple):
    """One event loop over the window; ``use`` is of the last second, 0 to 1."""

    type: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    use: float | None
    blocks: int
    stretches: Sequence[Stretches] = ()
    """In which it was busy, the longest first."""
    idle_s: float = 0.0

    @property
    def badness(self) -> tuple[float, float, float]:
        """Return what is compared to find the worst loop."""
        return self.p95_ms, self.max_ms, self.use or 0.0


class HttpWindow(NamedTuple):
    """The requests of one process over the window. Rates are None after its first report."""

    requests_per_s: float | None
    errors_per_s: float | None
    in_flight: int
    latencies: Counts
    max_ms: float


class ProbeFigures(NamedTuple):
    """One process. None is unknown."""

    heap_size: int | None
    heap_used: int | None
    heap_limit: int | None
    heap_source: str | None
    gc_collections: int | None
    gc_ms: float | None
    gc_max_ms: float | None
    tasks: int | None
    handles: int | None
    delay_p95_ms: float | None
    delay_max_ms: float | None
    loops: tuple[LoopWindow, ...]
    own: dict[str, MetricReading]
    """The app's own metrics."""
    http: HttpWindow | None = None
    delays: Counts | None = None
    """How long its threads had to wait."""

    @property
    def worst_loop(self) -> LoopWindow | None:
        """Return the loop that lags most."""
        return max(self.loops, key=lambda loop: loop.badness, default=None)


NOTHING = ProbeFigures(
    heap_size=None, heap_used=None, heap_limit=None, heap_source=None,
    gc_collections=None, gc_ms=None, gc_max_ms=None, tasks=None, handles=None,
    delay_p95_ms=None, delay_max_ms=None, loops=(), own={},
)  # fmt: skip
"""Of a process of which nothing is known."""


class _WindowHistograms:
    """The sums of the histograms in the reports of a window."""

    def __init__(self) -> None:
        self.delays = MovingCounts()
        self.requests = MovingCounts()
        self.loops: dict[int, MovingStretches] = {}

    def add(self, report: Report) -> None:
        """Add those of a report."""
        self.delays.add(report.sched)
        if report.http is not None:
            self.requests.add(report.http.hist)
        for loop in report.loops or ():
            self.loops.setdefault(loop.id, MovingStretches()).add(loop.lag)

    def remove(self, report: Report) -> None:
        """Remove those of a report that was added."""
        self.delays.remove(report.sched)
        if report.http is not None:
            self.requests.remove(report.http.hist)
        for loop in report.loops or ():
            if loop.id in self.loops:
                self.loops[loop.id].remove(loop.lag)

    def keep_loops(self, newest: Report) -> None:
        """Forget loops that are not reported any more and have nothing left."""
        known = {loop.id for loop in newest.loops or ()}
        for each in [each for each in self.loops if each not in known]:
            if not self.loops[each].stretches():
                del self.loops[each]


class ReportWindow:
    """The recent reports of the probe in one process."""

    def __init__(self) -> None:
        self._reports: deque[tuple[float, Report]] = deque()
        self._sums = _WindowHistograms()
        """Of all reports but the first, which is what the others are compared with."""
        self.heard_at = float("-inf")
        self.fault: str | None = None
        self.rt = ""

    @property
    def actions(self) -> tuple[ActionReport, ...]:
        """Return what the process offers to do."""
        return self._reports[-1][1].actions if self._reports else ()

    def add(self, report: Report, now: float) -> None:
        """Add a report; one of an older or the same state is dropped."""
        newest = self._reports[-1][1] if self._reports else None
        if newest is not None and report.started != newest.started:
            self._reports.clear()  # the process has replaced itself (exec)
            self._sums = _WindowHistograms()
        elif newest is not None and report.seq <= newest.seq:
            return
        self.heard_at = now
        self.rt = report.rt
        self.fault = report.fault[:200] if report.faults else None
        if report.loops is None:
            return
        self._reports.append((now, report))
        self._sums.add(report)
        if len(self._reports) == 2:
            self._sums.remove(self._reports[0][1])
        while len(self._reports) > 2 and self._reports[1][0] < now - PROBE_WINDOW_S:
            self._reports.popleft()
            self._sums.remove(self._reports[0][1])
        self._sums.keep_loops(report)

    def figures(self, now: float) -> ProbeFigures | None:
        """Return the figures; None before the first report and when the last is stale."""
        return self._figures() if now - self.heard_at <= PROBE_STALE_S else None

    def recent_figures(self, now: float) -> ProbeFigures | None:
        """Return the figures of a process that may have exited; None when its last report is out of
        the window."""
        return self._figures() if now - self.heard_at <= PROBE_WINDOW_S else None

    def _figures(self) -> ProbeFigures | None:
        if not self._reports:
            return None
        newest = self._reports[-1][1]
        base = self._reports[0][1] if len(self._reports) > 1 else None
        before = self._reports[-2][1] if len(self._reports) > 1 else None
        within = [report for _, report in self._reports][1 if base else 0 :]
        heap, gc = newest.heap, newest.gc
        delays = self._sums.delays.counts
        delay_max_ms = 1000.0 * max(report.sched_max for report in within)
        return ProbeFigures(
            heap_size=heap.size if heap else None,
            heap_used=heap.used if heap else None,
            heap_limit=heap.limit if heap else None,
            heap_source=heap.src if heap else None,
            gc_collections=sum(count for count, _, _ in gc) if gc else None,
            gc_ms=1000.0 * sum(seconds for _, seconds, _ in gc) if gc else None,
            gc_max_ms=1000.0 * max(most for report in within for _, _, most in report.gc)
            if gc else None,
            tasks=newest.tasks,
            handles=newest.handles,
            delay_p95_ms=_percentiles_ms(delays, delay_max_ms)[1],
            delay_max_ms=delay_max_ms if delays else None,
            loops=tuple(
                _loop_window(
                    loop, _same_loop(loop, base), _same_loop(loop, before), within,
                    self._sums.loops[loop.id].stretches(),
                )
                for loop in newest.loops or ()
            ),
            own=readings([report for _, report in self._reports]),
            http=self._http(newest, base),
            delays=dict(delays),
        )  # fmt: skip

    def _http(self, newest: Report, base: Report | None) -> HttpWindow | None:
        if newest.http is None:
            return None
        seconds = self._reports[-1][0] - self._reports[0][0]
        within = [report.http for _, report in self._reports][1 if base else 0 :]
        latencies = dict(self._sums.requests.counts)
        return _http_window(newest.http, base.http if base else None, seconds, within, latencies)


def _same_loop(loop: LoopReport, report: Report | None) -> LoopReport:
    loops = report.loops if report is not None and report.loops else ()
    return next((each for each in loops if each.id == loop.id), _NO_LOOP)


def _loop_window(
    newest: LoopReport,
    base: LoopReport,
    before: LoopReport,
    within: list[Report],
    stretches: list[Stretches],
) -> LoopWindow:
    reports = list(_reports_of(newest.id, within))
    longest_ms = 1000.0 * max(max(each.max, each.now) for each in reports)
    if newest.now:
        # one that has not ended is not in the histogram yet, and an endless one never would be
        stretches.append((1, int(1e6 * newest.now)))
        stretches.sort(key=lambda each: each[1] / each[0], reverse=True)
    idle = max(0.0, newest.idle - base.idle)
    p50, p95, p99 = (
        min(longest_ms, 1000.0 * wait) for wait in wait_percentiles(stretches, idle, _SHARES)
    )
    wall = newest.wall - before.wall
    return LoopWindow(
        type=newest.type,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=longest_ms,
        use=min(1.0, max(0.0, (newest.busy - before.busy) / wall)) if wall > 0.0 else None,
        blocks=newest.stuck,
        stretches=stretches,
        idle_s=idle,
    )


def _reports_of(loop: int, reports: list[Report]) -> Iterable[LoopReport]:
    return (each for report in reports for each in report.loops or () if each.id == loop)


def busy_s(report: Report) -> float | None:
    """Return for how long the process's worst loop has been busy; None when none runs."""
    return max((loop.now for loop in report.loops or () if loop.running), default=None)


def _http_window(
    newest: HttpReport,
    base: HttpReport | None,
    seconds: float,
    within: Sequence[HttpReport | None],
    latencies: Counts,
) -> HttpWindow:
    """Return what came between two reports that lie ``seconds`` apart; 0: there is only one.

    ``base`` is None when no server had been seen then. ``within`` are the reports after it.
    """
    before = base or _NO_REQUESTS
    if seconds <= 0.0:
        return HttpWindow(None, None, newest.now, {}, 0.0)
    return HttpWindow(
        requests_per_s=max(0, newest.requests - before.requests) / seconds,
        errors_per_s=max(0, newest.errors - before.errors) / seconds,
        in_flight=newest.now,
        latencies=latencies,
        max_ms=1000.0 * max(each.max for each in within if each),
    )


# ------------------------------------------------------------ all processes of an instance


class InstanceFigures(NamedTuple):
    """The parts of a `Sample` that probes report."""

    heap: HeapFigures | None
    collector: CollectorFigures | None
    scheduling: SchedulingFigures | None
    loop: LoopFigures | None
    http: HttpFigures | None
    metrics: dict[str, Metric]


def combine(processes: Iterable[ProbeFigures]) -> InstanceFigures:
    """Return the figures of an instance from those of its processes.

    Heaps, tasks, handles, collections and requests add up over the processes; of waits and use the
    worst one counts, because that is what a request may meet.
    """
    inside = list(processes)
    return InstanceFigures(
        heap=_heap(inside),
        collector=_collector(inside),
        scheduling=_scheduling(inside),
        loop=_loop(inside),
        http=_http([each.http for each in inside if each.http]),
        metrics=combine_metrics([each.own for each in inside])[0],
    )


def combine_app(processes: Iterable[ProbeFigures]) -> InstanceFigures:
    """Return the figures of an app from those of all processes of its instances.

    Its waits are counted as if all had been seen in one process, so that a percentile is that of
    everything that waited; the longest, and the use, are those of the worst process.
    """
    inside = list(processes)
    figures = combine(inside)
    loops = [loop for each in inside for loop in each.loops]
    return figures._replace(
        loop=figures.loop and _with_merged_lag(figures.loop, loops),
        scheduling=figures.scheduling and _with_merged_delays(figures.scheduling, inside),
    )


def _with_merged_lag(figures: LoopFigures, loops: list[LoopWindow]) -> LoopFigures:
    stretches = [each for loop in loops for each in loop.stretches]
    stretches.sort(key=lambda each: each[1] / each[0], reverse=True)
    waits = wait_percentiles(stretches, sum(loop.idle_s for loop in loops), _SHARES)
    longest_ms = max(loop.max_ms for loop in loops)
    p50, p95, p99 = (_rounded(min(longest_ms, 1000.0 * wait)) for wait in waits)
    return replace(figures, lag_p50_ms=p50, lag_p95_ms=p95, lag_p99_ms=p99)


def _with_merged_delays(
    figures: SchedulingFigures, inside: list[ProbeFigures]
) -> SchedulingFigures:
    delays = merged([each.delays for each in inside if each.delays])
    longest_ms = max(each.delay_max_ms or 0.0 for each in inside)
    return replace(figures, delay_p95_ms=_rounded(_percentiles_ms(delays, longest_ms)[1]))


def only_distributions(figures: ProbeFigures) -> ProbeFigures:
    """Return what a worker that is not the one of its slot adds to its figures: what took how long.
    Its rates and sizes are not the slot's."""
    http = figures.http
    return NOTHING._replace(
        http=http and http._replace(requests_per_s=None, errors_per_s=None, in_flight=0),
        own={
            name: reading._replace(elapsed_s=None)
            for name, reading in figures.own.items()
            if reading.report.kind == "histogram"
        },
    )


def _heap(inside: list[ProbeFigures]) -> HeapFigures | None:
    sources = {each.heap_source for each in inside if each.heap_source}
    if not sources:
        return None
    size, used = _whole_sum(f.heap_size for f in inside), _whole_sum(f.heap_used for f in inside)
    return HeapFigures(
        size_bytes=size,
        used_bytes=used,
        usage_percent=_percent(used, size),
        limit_bytes=_whole_sum(f.heap_limit for f in inside if f.heap_source),
        limit_percent=_worst(_percent(f.heap_used, f.heap_limit) for f in inside),
        source="rss" if "rss" in sources else min(sources),
    )


def _percent(part: int | None, whole: int | None) -> float | None:
    return round(100.0 * part / whole, 1) if whole and part is not None else None


def _collector(inside: list[ProbeFigures]) -> CollectorFigures | None:
    collections = _known_sum(f.gc_collections for f in inside)
    if collections is None:
        return None
    return CollectorFigures(
        collections=collections,
        total_ms=_rounded(_known_sum(f.gc_ms for f in inside)),
        max_ms=_worst(f.gc_max_ms for f in inside),
    )


def _scheduling(inside: list[ProbeFigures]) -> SchedulingFigures | None:
    longest = _worst(f.delay_max_ms for f in inside)
    if longest is None:
        return None
    return SchedulingFigures(
        delay_p95_ms=_worst(f.delay_p95_ms for f in inside), delay_max_ms=longest
    )


def _loop(inside: list[ProbeFigures]) -> LoopFigures | None:
    loops = [loop for each in inside for loop in each.loops]
    if not loops:
        return None
    return LoopFigures(
        type=max(loops, key=lambda loop: loop.badness).type,
        lag_p50_ms=_worst(loop.p50_ms for loop in loops),
        lag_p95_ms=_worst(loop.p95_ms for loop in loops),
        lag_p99_ms=_worst(loop.p99_ms for loop in loops),
        lag_max_ms=_worst(loop.max_ms for loop in loops),
        utilization=_worst(loop.use for loop in loops),
        blocks=sum(loop.blocks for loop in loops),
        tasks=_known_sum(f.tasks for f in inside),
        handles=_known_sum(f.handles for f in inside),
    )


def _http(processes: list[HttpWindow]) -> HttpFigures | None:
    """Add up histograms, so that a percentile is that of all requests of the instance."""
    if not processes:
        return None
    latencies = merged([each.latencies for each in processes])
    longest = max(each.max_ms for each in processes)
    p50, p95, p99 = map(_rounded, _percentiles_ms(latencies, longest))
    return HttpFigures(
        requests_per_s=_rounded(_known_sum(each.requests_per_s for each in processes)),
        errors_per_s=_rounded(_known_sum(each.errors_per_s for each in processes)),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=round(longest, 3) if latencies else None,
        in_flight=sum(each.in_flight for each in processes),
    )


def _percentiles_ms(seconds: Counts, longest_ms: float) -> list[float | None]:
    """Return the percentiles of durations; none is more than the longest, which is known
    exactly."""
    found = percentiles(seconds, _SHARES)
    return [None if each is None else min(1000.0 * each, longest_ms) for each in found]


def _whole_sum(parts: Iterable[int | None]) -> int | None:
    """Add up; a sum with an unknown part is unknown."""
    known = list(parts)
    return None if not known or None in known else sum(part for part in known if part is not None)


def _known_sum(parts: Iterable[Number | None]) -> Number | None:
    """Add up what is known."""
    known = [part for part in parts if part is not None]
    return sum(known[1:], known[0]) if known else None


def _worst(parts: Iterable[float | None]) -> float | None:
    return _rounded(max((part for part in parts if part is not None), default=None))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
