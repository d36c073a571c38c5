"""The figures of a sample by name. Pure.

Importing this imports no message: `monit list` uses it without msgspec (``client/listing.py``).
These names are those of ``monit list --json``, of the columns of `MetricsPart` and of the charts.
"""

from monit_agent.typed import TYPE_CHECKING

if TYPE_CHECKING:
    from monit_agent.wire.messages import Metric, Sample


FIGURES: dict[str, tuple[str, str]] = {
    "pid": ("", "pid"),
    "ppid": ("", "ppid"),
    "cpu_percent": ("tree", "cpu_percent"),
    "rss_bytes": ("tree", "rss_bytes"),
    "threads": ("tree", "threads"),
    "fds": ("tree", "fds"),
    "children": ("tree", "children"),
    "heap_size_bytes": ("heap", "size_bytes"),
    "heap_used_bytes": ("heap", "used_bytes"),
    "heap_usage_percent": ("heap", "usage_percent"),
    "gc_collections": ("collector", "collections"),
    "gc_ms": ("collector", "total_ms"),
    "gc_max_ms": ("collector", "max_ms"),
    "sched_delay_p95_ms": ("scheduling", "delay_p95_ms"),
    "sched_delay_max_ms": ("scheduling", "delay_max_ms"),
    "loop_lag_p50_ms": ("loop", "lag_p50_ms"),
    "loop_lag_p95_ms": ("loop", "lag_p95_ms"),
    "loop_lag_p99_ms": ("loop", "lag_p99_ms"),
    "loop_lag_max_ms": ("loop", "lag_max_ms"),
    "loop_utilization": ("loop", "utilization"),
    "loop_blocks": ("loop", "blocks"),
    "tasks": ("loop", "tasks"),
    "handles": ("loop", "handles"),
    "http_rps": ("http", "requests_per_s"),
    "http_errors_per_s": ("http", "errors_per_s"),
    "http_p50_ms": ("http", "p50_ms"),
    "http_p95_ms": ("http", "p95_ms"),
    "http_p99_ms": ("http", "p99_ms"),
    "http_max_ms": ("http", "max_ms"),
    "http_in_flight": ("http", "in_flight"),
}
"""The figures that have a history, by name: part of a `Sample` ("" is the sample itself) and field
of that part."""

SHORT_NAMES: dict[str, str] = {
    "cpu": "cpu_percent",
    "mem": "rss_bytes",
    "memory": "rss_bytes",
    "heap": "heap_used_bytes",
    "heap size": "heap_size_bytes",
    "lag": "loop_lag_p95_ms",
    "lag p50": "loop_lag_p50_ms",
    "lag p95": "loop_lag_p95_ms",
    "lag max": "loop_lag_max_ms",
    "busy": "loop_utilization",
    "http": "http_rps",
    "http errors": "http_errors_per_s",
    "http open": "http_in_flight",
    "latency": "http_p95_ms",
    "latency p50": "http_p50_ms",
    "latency p99": "http_p99_ms",
    "gc": "gc_max_ms",
    "sched": "sched_delay_p95_ms",
    "files": "fds",
    "open files": "fds",
}
"""The names that the screen and the columns of `monit list` have for some of `FIGURES`."""

INTEGERS = frozenset({
    "pid", "ppid", "rss_bytes", "threads", "fds", "children", "heap_size_bytes", "heap_used_bytes",
    "gc_collections", "tasks", "handles", "loop_blocks", "http_in_flight",
})  # fmt: skip
"""Those of `FIGURES` that are whole numbers."""

WITHOUT_HISTORY: dict[str, tuple[str, str]] = {
    "user": ("", "user"),
    "revision": ("", "revision"),
    "heap_src": ("heap", "source"),
    "heap_limit_bytes": ("heap", "limit_bytes"),
    "heap_limit_percent": ("heap", "limit_percent"),
    "loop_type": ("loop", "type"),
    "loop_pid": ("loop", "pid"),
    "stuck_s": ("", "stuck_s"),
}
"""The other named values of a sample."""

PROCESS_FIELDS = (
    "pid", "ppid", "name", "started_at", "cpu_percent", "rss_bytes", "threads", "fds", "probe",
    "heap_used_bytes", "loop_lag_p95_ms", "loop_utilization",
)  # fmt: skip
"""The fields of a `Process`, which is an array on the wire, in their order."""

_NAMED = {**FIGURES, **WITHOUT_HISTORY}


def figure(sample: "Sample", name: str) -> float | None:
    """Return the number of that name in a sample; None when it is unknown."""
    value = named_value(sample, name)
    return None if isinstance(value, str) else value


def named_value(sample: "Sample", name: str) -> float | str | None:
    """Return the number or text of that name in a sample; None when it is unknown. KeyError when
    there is no such name."""
    part, field = _NAMED[name]
    record = getattr(sample, part) if part else sample
    return None if record is None else getattr(record, field)


def drawn(metric: "Metric") -> float | None:
    """Return what is drawn and kept of one of the app's own metrics: a gauge's value, a counter's
    rate, a histogram's p95 (its mean, where it has no percentiles); None for a text and for what
    is not known."""
    if metric.kind == "counter":
        return metric.rate
    if metric.kind == "histogram" and metric.p95 is not None:
        return metric.p95
    return metric.value
