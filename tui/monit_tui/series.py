"""History of metrics in steps of time, counted up as samples come. Pure.

A step holds the highest value of its seconds, so that a short peak is not averaged away; over
several instances values are added up or, for delays, the worst is taken. Steps are
aligned to the clock: the picture moves once a step, not once a second.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from monit_agent.client.view import Identity, InstanceView
from monit_agent.wire.messages import Aggregate, Sample
from monit_tui import format as say
from monit_tui.own import HELP, OwnKind, combine, finite, own_kinds, reader, writer

SPANS: tuple[int, ...] = (60, 300, 900, 3600)
"""Seconds that a plot can show."""


class Kind(NamedTuple):
    """One metric: how it is read, added up, and said."""

    name: str
    label: str
    help: str
    read: Callable[[Sample], float | None]
    text: Callable[[float | None], str]
    across: Aggregate = "sum"
    probe: bool = False
    """True when only the probe inside the worker can know it."""
    least: float = 1.0
    """The plot's scale reaches at least so far: noise must not look like mountains."""
    behind: str | None = None
    """The metric that is drawn behind this one, on the same scale."""
    own: OwnKind | None = None
    """Of one of the app's own, whose past is not in the samples."""

    def past(self, view: InstanceView, sample: Sample) -> float | None:
        """Give the value at the time of one of the view's past samples."""
        if self.own is None:
            return self.read(sample)
        return finite(view.own.value(self.own.name, sample.at))


def _size(value: float | None) -> str:
    return say.size(None if value is None else int(value))


def _count(value: float | None) -> str:
    return say.count(None if value is None else int(value))


def _field(name: str, factor: float = 1.0) -> Callable[[Sample], float | None]:
    def read(sample: Sample) -> float | None:
        value = getattr(sample, name)
        return None if value is None else finite(value * factor)

    return read


KINDS: tuple[Kind, ...] = (
    Kind("cpu", "CPU", "of one core; near 100% for long, it is too slow",
         _field("cpu_percent"), say.percent, least=5.0),
    Kind("memory", "memory", "resident, all its processes; a steady climb is a leak",
         _field("rss_bytes"), _size, least=1024.0**2),
    Kind("heap", "heap used", "of the heap's size behind it; near it, it collects often",
         _field("heap_used_bytes"), _size, probe=True, behind="heap size"),
    Kind("heap size", "heap size", "what the heap has taken from the system",
         _field("heap_size_bytes"), _size, probe=True),
    Kind("lag", "loop lag", "p95, the worst behind it; over 50 ms, users wait",
         _field("loop_lag_p95_ms"), say.milliseconds, across="max", probe=True, least=5.0,
         behind="lag max"),
    Kind("lag p50", "lag p50", "the usual delay of the event loop",
         _field("loop_lag_p50_ms"), say.milliseconds, across="max", probe=True),
    Kind("lag max", "lag max", "the longest that the event loop kept anybody waiting",
         _field("loop_lag_max_ms"), say.milliseconds, across="max", probe=True),
    Kind("busy", "loop busy", "share of time; near 100% the event loop is saturated",
         _field("loop_utilization", 100.0), say.percent, across="max", probe=True,
         least=5.0),
    Kind("http", "requests", "HTTP answers; no more at rising load: it is at its limit",
         _field("http_rps"), say.rate, probe=True, least=5.0, behind="http errors"),
    Kind("http errors", "errors", "answers of 500 and above, or broken off",
         _field("http_errors_per_s"), say.rate, probe=True),
    Kind("http open", "in flight", "HTTP requests that wait for their answer",
         _field("http_in_flight"), _count, probe=True),
    Kind("latency", "latency", "p95, p99 behind it; far over p50: some users wait long",
         _field("http_p95_ms"), say.milliseconds, across="max", probe=True, least=5.0,
         behind="latency p99"),
    Kind("latency p50", "latency p50", "the usual time of an HTTP answer",
         _field("http_p50_ms"), say.milliseconds, across="max", probe=True),
    Kind("latency p99", "latency p99", "of a hundred HTTP answers one takes longer",
         _field("http_p99_ms"), say.milliseconds, across="max", probe=True),
    Kind("gc", "GC pause", "the longest of the garbage collector; all wait for it",
         _field("gc_max_ms"), say.milliseconds, across="max", probe=True, least=5.0),
    Kind("sched", "GIL wait", "p95 of a thread that can run; over 20 ms, too many compute",
         _field("sched_delay_p95_ms"), say.milliseconds, across="max", probe=True, least=5.0),
    Kind("threads", "threads", "of all its processes; a steady climb is a leak",
         _field("threads"), _count),
    Kind("fds", "open files", "a steady climb ends in 'too many open files'",
         _field("fds"), _count),
    Kind("children", "children", "processes that the worker started",
         _field("children"), _count),
)  # fmt: skip

_UNLISTED = {
    "heap size", "lag p50", "lag max", "http errors", "http open", "latency p50", "latency p99",
}  # fmt: skip
"""Shown with another metric, which they belong to."""

DETAILS: dict[str, tuple[tuple[str, str], ...]] = {
    "heap": (("used", "heap"), ("of", "heap size")),
    "lag": (("p50", "lag p50"), ("p95", "lag"), ("max", "lag max")),
    "http": (("errors", "http errors"), ("in flight", "http open")),
    "latency": (("p50", "latency p50"), ("p95", "latency"), ("p99", "latency p99")),
}
"""What is said in numbers beside the plot of a metric: (word, kind)."""


def kind_of(own: OwnKind) -> Kind:
    """Give the kind of one of the app's own metrics; equal for equal ones."""
    return Kind(
        f"own {own.name}", own.name, HELP[own.kind], reader(own.name), writer(own), own.across,
        least=1e-6, own=own,
    )  # fmt: skip


def kinds_of(views: Sequence[InstanceView]) -> tuple[Kind, ...]:
    """Give all metrics that these instances can have: the common ones, then the app's own."""
    return (*KINDS, *map(kind_of, own_kinds(views)))


def listed(kinds: Sequence[Kind], views: Sequence[InstanceView]) -> tuple[Kind, ...]:
    """Give those that get a line: not what is drawn behind another, nor what no probe tells."""
    return tuple(
        kind
        for kind in kinds
        if kind.name not in _UNLISTED and (not kind.probe or current(kind, views) is not None)
    )


def probed(views: Sequence[InstanceView]) -> bool:
    """Tell whether any of these instances has a probe that reports."""
    return any(kind.probe and current(kind, views) is not None for kind in KINDS)


def current(kind: Kind, views: Sequence[InstanceView]) -> float | None:
    """Give the newest value; None when nobody knows."""
    samples = [view.sample for view in views if view.record.pid is not None]
    return combine(kind.across, [kind.read(sample) for sample in samples if sample is not None])


Steps = list[float | None]


class Series:
    """Steps of all kinds for a set of instances."""

    def __init__(
        self, views: Sequence[InstanceView], kinds: Sequence[Kind], step_s: float, steps: int
    ) -> None:
        self.kinds = tuple(kinds)
        self._views = tuple(views)
        self._step_s, self._steps = step_s, steps
        self._seen: dict[Identity, float] = {}
        self._each: dict[int, dict[Identity, Steps]] = {}
        self._joined: dict[int, Steps] = {}
        self.take()

    def take(self) -> None:
        """Count in the samples that came since."""
        touched: set[int] = set()
        for view in self._views:
            for sample in self._fresh(view):
                step = int(sample.at // self._step_s)
                self._count(step, view, sample)
                touched.add(step)
        for step in touched:
            self._joined[step] = self._join(self._each[step])
        oldest = max(self._joined, default=0) - self._steps
        for step in [step for step in self._joined if step <= oldest]:
            del self._joined[step], self._each[step]

    def values(self, kind: Kind) -> Steps:
        """Give the steps of a kind, oldest first; None where nothing is known."""
        place, newest = self.kinds.index(kind), max(self._joined, default=0)
        found = [self._joined.get(step) for step in range(newest - self._steps + 1, newest + 1)]
        return [None if step is None else step[place] for step in found]

    def _fresh(self, view: InstanceView) -> list[Sample]:
        """Give the samples not counted yet that are young enough, newest first."""
        if not view.history:
            return []
        newest = view.history[-1].at
        since = max(self._seen.get(view.identity, 0.0), newest - self._step_s * self._steps)
        self._seen[view.identity] = newest
        fresh: list[Sample] = []
        for sample in reversed(view.history):
            if sample.at <= since:
                break
            fresh.append(sample)
        return fresh

    def _count(self, step: int, view: InstanceView, sample: Sample) -> None:
        each = self._each.setdefault(step, {})
        values = [kind.past(view, sample) for kind in self.kinds]
        known = each.get(view.identity)
        each[view.identity] = (
            values if known is None else [_higher(a, b) for a, b in zip(known, values, strict=True)]
        )

    def _join(self, each: dict[Identity, Steps]) -> Steps:
        return [
            combine(kind.across, [one[place] for one in each.values()])
            for place, kind in enumerate(self.kinds)
        ]


def _higher(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)
