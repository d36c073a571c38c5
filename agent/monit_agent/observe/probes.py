"""From reports of probes to an instance's figures. Pure; times called ``now`` are monotonic.

Reports hold cumulative numbers, so that a lost one loses nothing: a figure is the difference of
the newest report and the one that is `PROBE_WINDOW_S` older.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import msgspec

from monit_agent.observe.lag import added, grown, percentile_ms, stretch
from monit_agent.observe.measures import Reading, combined, readings
from monit_agent.observe.probewords import ActionWords, LoopWords, Report
from monit_agent.observe.requests import HttpFigures, http_figures, put_http_into
from monit_agent.wire.limits import PROBE_STALE_S, PROBE_WINDOW_S
from monit_agent.wire.messages import Sample

Number = TypeVar("Number", int, float)
_NO_LOOP = LoopWords(id=0, type="", busy=0.0, wall=0.0, idle=0.0)


class LoopFigures(NamedTuple):
    """One event loop over the window; ``use`` is of the last second, 0 to 1."""

    type: str
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    use: float | None
    blocks: int


class Figures(NamedTuple):
    """One process. None is unknown."""

    heap_size: int | None
    heap_used: int | None
    heap_src: str | None
    gc_collections: int | None
    gc_ms: float | None
    gc_max_ms: float | None
    tasks: int | None
    handles: int | None
    sched_p95_ms: float | None
    sched_max_ms: float | None
    loops: tuple[LoopFigures, ...]
    own: dict[str, Reading]
    """The app's own metrics."""
    http: HttpFigures | None = None


class Inside:
    """What the probe of one process has reported lately."""

    def __init__(self) -> None:
        self._reports: deque[tuple[float, Report]] = deque()
        self.heard_at = float("-inf")
        self.fault: str | None = None
        self.rt = ""

    @property
    def actions(self) -> tuple[ActionWords, ...]:
        """What the process offers to do."""
        return self._reports[-1][1].actions if self._reports else ()

    def add(self, report: Report, now: float) -> None:
        """Take a report in; one of an older or the same state is dropped."""
        newest = self._reports[-1][1] if self._reports else None
        if newest is not None and report.born != newest.born:
            self._reports.clear()  # the process has replaced itself (exec)
        elif newest is not None and report.seq <= newest.seq:
            return
        self.heard_at = now
        self.rt = report.rt
        self.fault = report.fault[:200] if report.faults else None
        if report.loops is None:
            return
        self._reports.append((now, report))
        while len(self._reports) > 2 and self._reports[1][0] < now - PROBE_WINDOW_S:
            self._reports.popleft()

    def figures(self, now: float) -> Figures | None:
        """Give the figures; None before the first report and when the last is stale."""
        if not self._reports or now - self.heard_at > PROBE_STALE_S:
            return None
        newest = self._reports[-1][1]
        base = self._reports[0][1] if len(self._reports) > 1 else None
        before = self._reports[-2][1] if len(self._reports) > 1 else None
        within = [report for _, report in self._reports][1 if base else 0 :]
        heap, gc = newest.heap, newest.gc
        sched = grown(newest.sched, base.sched if base else ())
        sched_max_ms = 1000.0 * max(report.sched_max for report in within)
        return Figures(
            heap_size=heap.size if heap else None,
            heap_used=heap.used if heap else None,
            heap_src=heap.src if heap else None,
            gc_collections=sum(count for count, _, _ in gc) if gc else None,
            gc_ms=1000.0 * sum(seconds for _, seconds, _ in gc) if gc else None,
            gc_max_ms=1000.0 * max(most for report in within for _, _, most in report.gc)
            if gc else None,
            tasks=newest.tasks,
            handles=newest.handles,
            sched_p95_ms=percentile_ms(sched, 0.0, 0.95, sched_max_ms) if sched else None,
            sched_max_ms=sched_max_ms if sched else None,
            loops=tuple(
                _loop(loop, _same(loop, base), _same(loop, before), within)
                for loop in newest.loops or ()
            ),
            own=readings([report for _, report in self._reports]),
            http=self._http(newest, base),
        )  # fmt: skip

    def _http(self, newest: Report, base: Report | None) -> HttpFigures | None:
        if newest.http is None:
            return None
        seconds = self._reports[-1][0] - self._reports[0][0]
        within = [report.http for _, report in self._reports][1 if base else 0 :]
        return http_figures(newest.http, base.http if base else None, seconds, within)


def _same(loop: LoopWords, report: Report | None) -> LoopWords:
    loops = report.loops if report is not None and report.loops else ()
    return next((each for each in loops if each.id == loop.id), _NO_LOOP)


def _loop(
    newest: LoopWords, base: LoopWords, before: LoopWords, within: list[Report]
) -> LoopFigures:
    longest_ms = 1000.0 * max(max(each.max, each.now) for each in _all(newest.id, within))
    # a stretch that goes on is not in the histogram before it ends, and one for good never would be
    masses = added(grown(newest.lag, base.lag), stretch(newest.now))
    idle = max(0.0, newest.idle - base.idle)
    wall = newest.wall - before.wall
    return LoopFigures(
        type=newest.type,
        p50_ms=percentile_ms(masses, idle, 0.50, longest_ms),
        p95_ms=percentile_ms(masses, idle, 0.95, longest_ms),
        p99_ms=percentile_ms(masses, idle, 0.99, longest_ms),
        max_ms=longest_ms,
        use=min(1.0, max(0.0, (newest.busy - before.busy) / wall)) if wall > 0.0 else None,
        blocks=newest.stuck,
    )


def _all(number: int, reports: list[Report]) -> Iterable[LoopWords]:
    return (loop for report in reports for loop in report.loops or () if loop.id == number)


def busy_s(report: Report) -> float | None:
    """Give for how long the process's worst loop is busy by now; None when none runs."""
    return max((loop.now for loop in report.loops or () if loop.running), default=None)


def put_into(sample: Sample, inside: list[Figures]) -> Sample:
    """Give ``sample`` with the figures of the probes in an instance's tree.

    Heaps, tasks, handles and collections add up over the processes; of waits and use the worst
    one counts, because that is what a request may meet. A sum with an unknown part is unknown.
    """
    if not inside:
        return sample
    size, used = _sum(f.heap_size for f in inside), _sum(f.heap_used for f in inside)
    sources = {each.heap_src for each in inside if each.heap_src}
    loops = [loop for each in inside for loop in each.loops]
    worst = max(loops, key=lambda loop: (loop.p95_ms, loop.max_ms, loop.use or 0.0), default=None)
    sample = put_http_into(sample, [each.http for each in inside if each.http])
    return msgspec.structs.replace(
        sample,
        heap_size_bytes=size,
        heap_used_bytes=used,
        heap_usage_percent=round(100.0 * used / size, 1) if size and used is not None else None,
        heap_src="rss" if "rss" in sources else min(sources, default=None),
        gc_collections=_some(f.gc_collections for f in inside),
        gc_ms=_rounded(_some(f.gc_ms for f in inside)),
        gc_max_ms=_worst(f.gc_max_ms for f in inside),
        tasks=_some(f.tasks for f in inside),
        handles=_some(f.handles for f in inside),
        sched_delay_p95_ms=_worst(f.sched_p95_ms for f in inside),
        sched_delay_max_ms=_worst(f.sched_max_ms for f in inside),
        loop_type=worst.type if worst else None,
        loop_blocks=sum(loop.blocks for loop in loops) if loops else None,
        loop_lag_p50_ms=_worst(loop.p50_ms for loop in loops),
        loop_lag_p95_ms=_worst(loop.p95_ms for loop in loops),
        loop_lag_p99_ms=_worst(loop.p99_ms for loop in loops),
        loop_lag_max_ms=_worst(loop.max_ms for loop in loops),
        loop_utilization=_worst(loop.use for loop in loops),
        metrics=combined([each.own for each in inside])[0],
    )


def _sum(parts: Iterable[int | None]) -> int | None:
    known = list(parts)
    return None if not known or None in known else sum(part for part in known if part is not None)


def _some(parts: Iterable[Number | None]) -> Number | None:
    known = [part for part in parts if part is not None]
    return sum(known[1:], known[0]) if known else None


def _worst(parts: Iterable[float | None]) -> float | None:
    return _rounded(max((part for part in parts if part is not None), default=None))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
