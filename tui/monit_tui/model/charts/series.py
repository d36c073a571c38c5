"""The metrics that can be drawn: how each is read, combined and written. Pure.

Values of several instances are added; of delays, the longest counts.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from monit_agent.client.text.format import (
    format_bytes,
    format_count,
    format_ms,
    format_percent,
    format_rate,
)
from monit_agent.client.view import InstanceView
from monit_agent.wire.messages import Aggregate, Sample
from monit_agent.wire.metrics import figure
from monit_tui.model.charts.app_metrics import (
    HELP,
    AppMetricKind,
    app_metric_kinds,
    combine_values,
    finite,
    metric_reader,
    metric_writer,
)
from monit_tui.model.charts.steps import MetricStep, column_name

SPANS: tuple[int, ...] = (60, 300, 900, 3600, 21600, 86400, 604800, 2592000)
"""Seconds that a chart can show: 1 minute to 30 days."""


class ChartKind(NamedTuple):
    """One metric: how it is read, combined and written."""

    name: str
    label: str
    help: str
    figure: str
    """Its name in ``wire/metrics.py``, or that of the app's own metric."""
    text: Callable[[float | None], str]
    across: Aggregate = "sum"
    probe: bool = False
    """Whether only the probe in the worker can measure it."""
    least: float = 1.0
    """The top of the scale is at least this value, so that noise looks small."""
    behind: str | None = None
    """The metric that is drawn behind this one, on the same scale."""
    limit: tuple[float, str] | None = None
    """The value that should not be reached, and what it is; drawn as a threshold."""
    factor: float = 1.0
    own: AppMetricKind | None = None
    """Set for the app's own metrics, whose past is not in the samples."""

    @property
    def column(self) -> str:
        """Return the metric's name in a table of steps."""
        return column_name(self.figure, own=self.own is not None)

    def read(self, sample: Sample) -> float | None:
        """Return the value in the newest sample."""
        if self.own is not None:
            return metric_reader(self.own.name)(sample)
        value = figure(sample, self.figure)
        return None if value is None else finite(value * self.factor)

    def past(self, view: InstanceView, sample: Sample) -> float | None:
        """Return the value at the time of one of the view's past samples."""
        if self.own is None:
            return self.read(sample)
        return finite(view.own.value(self.own.name, sample.at))


KINDS: tuple[ChartKind, ...] = (
    ChartKind("cpu", "CPU", "of one core; steadily near 100% means overload",
         "cpu_percent", format_percent, least=5.0),
    ChartKind("memory", "memory", "of all its processes, shared pages once; growth may be a leak",
         "rss_bytes", format_bytes, least=1024.0**2),
    ChartKind("heap", "heap used", "heap size behind it; steady growth is a leak",
         "heap_used_bytes", format_bytes, probe=True, behind="heap size"),
    ChartKind("heap size", "heap size", "memory that the heap has taken from the system",
         "heap_size_bytes", format_bytes, probe=True),
    ChartKind("lag", "lag p95", "of the event loop, max behind it; users notice over 50 ms",
         "loop_lag_p95_ms", format_ms, across="max", probe=True, least=5.0,
         behind="lag max", limit=(50.0, "noticed from")),
    ChartKind("lag p50", "lag p50", "median delay of the event loop",
         "loop_lag_p50_ms", format_ms, across="max", probe=True),
    ChartKind("lag max", "lag max", "longest delay of the event loop",
         "loop_lag_max_ms", format_ms, across="max", probe=True),
    ChartKind("busy", "loop busy", "share of time; near 100% the event loop is saturated",
         "loop_utilization", format_percent, across="max", probe=True, least=5.0,
         limit=(90.0, "saturated from"), factor=100.0),
    ChartKind("http", "HTTP/s", "requests answered; flat while load rises: at its limit",
         "http_rps", format_rate, probe=True, least=5.0, behind="http errors"),
    ChartKind("http errors", "errors", "responses with status 500 and above, or aborted",
         "http_errors_per_s", format_rate, probe=True),
    ChartKind("http open", "in flight", "HTTP requests waiting for a response",
         "http_in_flight", format_count, probe=True),
    ChartKind("latency", "latency", "p95, p99 behind it; far above p50: some requests are slow",
         "http_p95_ms", format_ms, across="max", probe=True, least=5.0,
         behind="latency p99"),
    ChartKind("latency p50", "latency p50", "median time of an HTTP response",
         "http_p50_ms", format_ms, across="max", probe=True),
    ChartKind("latency p99", "latency p99", "one HTTP response in a hundred takes longer",
         "http_p99_ms", format_ms, across="max", probe=True),
    ChartKind("gc", "GC pause", "longest pause by the garbage collector; all code waits",
         "gc_max_ms", format_ms, across="max", probe=True, least=5.0),
    ChartKind("sched", "GIL wait", "p95 of the wait for the GIL; over 20 ms: too many busy threads",
         "sched_delay_p95_ms", format_ms, across="max", probe=True, least=5.0,
         limit=(20.0, "too busy from")),
    ChartKind("threads", "threads", "of all its processes; steady growth is a leak",
         "threads", format_count),
    ChartKind("fds", "open files", "steady growth ends in 'too many open files'",
         "fds", format_count),
    ChartKind("children", "children", "child processes of the worker",
         "children", format_count),
)  # fmt: skip

_UNLISTED = {
    "heap size", "lag p50", "lag max", "http errors", "http open", "latency p50", "latency p99",
}  # fmt: skip
"""Shown as details of another metric, without a line of their own."""

DETAILS: dict[str, tuple[tuple[str, str], ...]] = {
    "heap": (("used", "heap"), ("of", "heap size")),
    "lag": (("p50", "lag p50"), ("p95", "lag"), ("max", "lag max")),
    "http": (("errors", "http errors"), ("in flight", "http open")),
    "latency": (("p50", "latency p50"), ("p95", "latency"), ("p99", "latency p99")),
}
"""The numbers above the plot of a metric: (label, kind)."""


def chart_kind_of(own: AppMetricKind) -> ChartKind:
    """Return the kind of one of the app's own metrics; equal for equal ones."""
    return ChartKind(
        f"own {own.name}", own.name, HELP[own.kind], own.name, metric_writer(own), own.across,
        least=1e-6, own=own,
    )  # fmt: skip


def chart_kinds_of(views: Sequence[InstanceView]) -> tuple[ChartKind, ...]:
    """Return all metrics that these instances can have: the common ones, then the app's own."""
    return (*KINDS, *map(chart_kind_of, app_metric_kinds(views)))


def listed_kinds(
    kinds: Sequence[ChartKind], views: Sequence[InstanceView], past: Collection[str] = ()
) -> tuple[ChartKind, ...]:
    """Return the kinds with a line of their own; of those that only a probe measures, the ones
    with a value now or, by their columns, in the ``past``."""
    return tuple(
        kind
        for kind in kinds
        if kind.name not in _UNLISTED
        and (not kind.probe or kind.column in past or current_value(kind, views) is not None)
    )


def has_probe(views: Sequence[InstanceView]) -> bool:
    """Return whether any of these instances has a probe that reports."""
    return any(kind.probe and current_value(kind, views) is not None for kind in KINDS)


def current_value(kind: ChartKind, views: Sequence[InstanceView]) -> float | None:
    """Return the newest value; None when it is unknown."""
    samples = [view.sample for view in views if view.record.pid is not None]
    return combine_values(
        kind.across, [kind.read(sample) for sample in samples if sample is not None]
    )


FACTORS = {kind.figure: kind.factor for kind in KINDS if kind.factor != 1.0}
"""By what the figures of an agent are multiplied."""


def threshold(
    kind: ChartKind, views: Sequence[InstanceView], max_memory: int | None
) -> tuple[float, str] | None:
    """Return the value that should not be reached, and what it is; None without one.
    ``max_memory`` is the limit of one instance."""
    if kind.name == "memory" and max_memory:
        return float(max_memory * max(1, len(views))), "max memory"
    if kind.name == "heap":
        limits = [
            view.sample.heap.limit_bytes for view in views if view.sample and view.sample.heap
        ]
        known = [limit for limit in limits if limit]
        return (float(sum(known)), "heap limit") if known and len(known) == len(limits) else None
    return kind.limit


def combined_steps(
    kind: ChartKind, tables: Sequence[list[MetricStep | None]]
) -> list[MetricStep | None]:
    """Return the steps of several instances as one; a gap where none has a value. Of values that
    are added, the peaks are added too: no instance's peak is lost."""
    if len(tables) == 1:
        return tables[0]
    joins: dict[Aggregate, Callable[[Iterable[float]], float]] = {"max": max, "min": min}
    join = joins.get(kind.across, sum)
    found: list[MetricStep | None] = []
    for steps in zip(*tables, strict=True):
        known = [step for step in steps if step is not None]
        if len(known) < 2:
            found.append(known[0] if known else None)
            continue
        parts = map(join, zip(*known, strict=True))
        if kind.across == "avg":
            parts = (part / len(known) for part in parts)
        found.append(MetricStep(*parts))
    return found
