"""The counters of one instance, from exits, restarts, reports of probes and CPU time. Pure."""

from bisect import bisect_left
from collections.abc import Callable

import msgspec

from monit_agent.agent.probes.app_metrics import printable
from monit_agent.agent.probes.histogram import added_up, middle
from monit_agent.agent.probes.reports import HttpReport, MetricReport, Report
from monit_agent.agent.totals.counters import Counters
from monit_agent.wire.limits import EXIT_KINDS, HTTP_BOUNDS_S, METRICS
from monit_agent.wire.messages import (
    Exit,
    ExitTotal,
    InstanceRecord,
    InstanceTotals,
    LogEnd,
    MetricKind,
    OwnTotal,
)

_EXIT_KEY = tuple[int | None, int | None, bool]
"""Code, signal, and whether it was requested."""

KEEPER = "keeper"
"""The source of what the keeper counts."""


class OwnName(msgspec.Struct):
    """What one of the app's own counters is."""

    kind: MetricKind
    unit: str


class SavedTotals(msgspec.Struct):
    """What must outlive the agent."""

    totals: dict[str, float] = {}
    last: dict[str, dict[str, float]] = {}
    own: dict[str, OwnName] = {}
    exit_counts: list[ExitTotal] = []
    known_exits: list[Exit] = []
    restarts: int = 0
    exit_restarts: int = 0
    unanswered_exits: int = 0


class InstanceCounters:
    """The counters of one slot."""

    def __init__(self, saved: SavedTotals | None = None) -> None:
        saved = saved or SavedTotals()
        self._counters = Counters(saved.totals, saved.last)
        self._own = saved.own
        self._own_dropped: dict[str, int] = {}
        """By source."""
        self._exits = {(each.code, each.signal, each.requested): each for each in saved.exit_counts}
        self._known_exits = tuple(saved.known_exits)
        self._restarts = saved.restarts
        self._exit_restarts = saved.exit_restarts
        self._unanswered_exits = saved.unanswered_exits
        """Exits that nobody requested and after which no worker was started yet."""

    def saved(self) -> SavedTotals:
        """Return what the next agent needs."""
        return SavedTotals(
            self._counters.totals, self._counters.last, self._own, list(self._exits.values()),
            list(self._known_exits), self._restarts, self._exit_restarts, self._unanswered_exits,
        )  # fmt: skip

    def record(self) -> InstanceTotals:
        """Return the counters as they are sent."""
        totals = self._counters.totals
        whole = self._counters.integer
        buckets = [whole(f"http_le_{place}") or 0 for place in range(len(HTTP_BOUNDS_S) + 1)]
        return InstanceTotals(
            cpu_s=round(totals.get("cpu_s", 0.0), 6),
            restarts=self._restarts,
            exit_restarts=self._exit_restarts,
            exits=tuple(self._exits.values()),
            gc_s=totals.get("gc_s"),
            gc_collections=whole("gc_collections"),
            loop_blocks=whole("loop_blocks"),
            http_requests=whole("http_requests"),
            http_errors=whole("http_errors"),
            http_durations=tuple(buckets) if any(buckets) else (),
            http_s=totals.get("http_s", 0.0),
            log_lost_bytes=whole("log_lost") or 0,
            own={name: self._own_total(name, each) for name, each in self._own.items()},
            own_dropped=sum(self._own_dropped.values()),
        )

    def _own_total(self, name: str, own: OwnName) -> OwnTotal:
        totals = self._counters.totals
        value, count = totals.get(f"own:{name}", 0.0), totals.get(f"own#{name}", 0.0)
        return OwnTotal(kind=own.kind, unit=own.unit, value=value, count=count)

    # ------------------------------------------------------------ what is counted

    def slot_changed(self, record: InstanceRecord) -> None:
        """Count the exits and restarts that the record has and the last one had not."""
        if record.restarts < self._restarts:  # `monit reset`
            self._restarts = self._exit_restarts = 0
        for exit_ in self._new_exits(record.exits):
            self._count_exit(exit_)
            self._unanswered_exits += not exit_.requested
        by_exits = min(record.restarts - self._restarts, self._unanswered_exits)
        self._exit_restarts += by_exits
        self._unanswered_exits -= by_exits
        if record.status in ("stopped", "errored"):
            self._unanswered_exits = 0
        self._restarts = record.restarts
        self._known_exits = record.exits

    def _new_exits(self, exits: tuple[Exit, ...]) -> tuple[Exit, ...]:
        """Return those after the last that is known: both tuples are windows of one sequence.
        Times are not compared, because they move when the clock is set."""
        known = [_identity(each) for each in self._known_exits]
        given = [_identity(each) for each in exits]
        for count in range(min(len(known), len(given)), 0, -1):
            if known[-count:] == given[:count]:
                return exits[count:]
        return exits

    def _count_exit(self, exit_: Exit) -> None:
        key: _EXIT_KEY = exit_.code, exit_.signal, exit_.requested
        if key not in self._exits and len(self._exits) >= EXIT_KINDS:
            key = None, None, exit_.requested
        count = self._exits[key].count if key in self._exits else 0
        self._exits[key] = ExitTotal(*key, count + 1)

    def cpu_used(self, source: str, seconds: float) -> None:
        """Note the CPU time that a worker's tree has used since the worker started."""
        self._counters.add(source, {"cpu_s": seconds})

    def log_changed(self, end: LogEnd) -> None:
        """Note how much of a stream the keeper has lost."""
        lost = end.lost_bytes + end.dropped_bytes
        self._counters.add(f"{KEEPER} {end.stream}", {"log_lost": lost}, resets=True)

    def report_received(self, source: str, report: Report) -> None:
        """Count what the probe in a process reports."""
        values: dict[str, float] = {}
        if report.gc:
            values["gc_collections"] = sum(count for count, _, _ in report.gc)
            values["gc_s"] = sum(seconds for _, seconds, _ in report.gc)
        if report.loops:
            values["loop_blocks"] = sum(loop.stuck for loop in report.loops)
        if report.http is not None:
            values["http_requests"] = report.http.requests
            values["http_errors"] = report.http.errors
            _count_durations(self._counters, report.http)
        self._counters.add(source, values)
        self._count_own(source, report)
        if report.bye:
            self.drop_sources(lambda each: each == source)

    def _count_own(self, source: str, report: Report) -> None:
        dropped = 0
        for raw_name, metric in report.metrics.items():
            if metric.kind not in ("counter", "histogram"):
                continue
            name = printable(raw_name)
            if not self._has_room(name, metric):
                dropped += 1
                continue
            if metric.kind == "counter":
                values = {f"own:{name}": metric.value or 0.0}
                self._counters.add(source, values, resets=True)
            else:
                self._count_histogram(source, name, metric)
        self._own_dropped[source] = dropped

    def _count_histogram(self, source: str, name: str, metric: MetricReport) -> None:
        """Count observations and their sum, which falls with those below 0."""
        before = self._counters.last.get(source, {})
        names = f"own:{name}", f"own#{name}"
        old_sum, old_count = (before.get(each, 0.0) for each in names)
        if metric.count < old_count:  # it was reset
            old_sum = old_count = 0.0
        self._counters.count(names[0], metric.sum - old_sum)
        self._counters.count(names[1], metric.count - old_count)
        last = self._counters.last.setdefault(source, {})
        last.update({names[0]: metric.sum, names[1]: float(metric.count)})

    def _has_room(self, name: str, metric: MetricReport) -> bool:
        known = self._own.get(name)
        if known is not None and known.kind == metric.kind:
            return True
        if known is None and len(self._own) >= METRICS and not self._make_room():
            return False
        self._own[name] = OwnName(metric.kind, printable(metric.unit))
        return True

    def _make_room(self) -> bool:
        """Forget one that no process reports any more; return whether there was one."""
        reported = {name for values in self._counters.last.values() for name in values}
        old = next((name for name in self._own if f"own:{name}" not in reported), None)
        if old is None:
            return False
        del self._own[old]
        for key in (f"own:{old}", f"own#{old}"):
            self._counters.totals.pop(key, None)
        return True

    def drop_sources(self, is_gone: Callable[[str], bool]) -> None:
        """Forget what sources reported that do not report any more."""
        self._counters.drop_sources(lambda each: not each.startswith(KEEPER) and is_gone(each))
        for source in [each for each in self._own_dropped if is_gone(each)]:
            del self._own_dropped[source]


def _identity(exit_: Exit) -> tuple[object, ...]:
    return exit_.code, exit_.signal, exit_.requested, round(exit_.ran_s, 3)


def _count_durations(counters: Counters, http: HttpReport) -> None:
    for bucket, number in added_up([http.hist]).items():
        seconds = max(0.0, middle(bucket))
        place = bisect_left(HTTP_BOUNDS_S, seconds)
        counters.count(f"http_le_{place}", number)
        counters.count("http_s", number * seconds)
