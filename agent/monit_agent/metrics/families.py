"""The metrics that monit knows of every app: names, kinds, help, and where the value comes from.

Units are base units: seconds, bytes, ratios. A pid is nowhere: it would be a new series at each
restart. The label of an instance is ``app_instance``, because Prometheus has a label ``instance``
of its own, the address of the target.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, get_args

from monit_agent.metrics.text import Family, FamilyKind, Labels, Point, joined, labels
from monit_agent.wire.limits import HTTP_BOUNDS_S
from monit_agent.wire.messages import (
    AppRecord,
    InstanceRecord,
    InstanceTotals,
    Sample,
    Status,
)
from monit_agent.wire.metrics import figure

_STATES: tuple[str, ...] = get_args(Status)
_EMPTY = Sample(at=0.0)


class InstanceMetrics(NamedTuple):
    """What is known of one instance at one moment."""

    app: AppRecord
    record: InstanceRecord
    sample: Sample
    """Of the present worker; empty without one."""
    totals: InstanceTotals
    labels: Labels
    app_labels: Labels
    """Those of its app."""


Points = Callable[[InstanceMetrics], Iterable[Point]]


def present_sample(record: InstanceRecord, sample: Sample | None) -> Sample:
    """Return the newest sample if it is of the present worker, else an empty one."""
    return sample if sample is not None and sample.pid == record.pid else _EMPTY


def _one(read: Callable[[InstanceMetrics], float | None], scale: float = 1.0) -> Points:
    """Return a function that makes one point, and none of an unknown value."""

    def points(of: InstanceMetrics) -> Iterator[Point]:
        value = read(of)
        if value is not None:
            yield Point("", of.labels, value if scale == 1.0 else value * scale)

    return points


def _figure(name: str, scale: float = 1.0) -> Points:
    return _one(lambda of: figure(of.sample, name), scale)


def _info(of: InstanceMetrics) -> Iterator[Point]:
    facts = {
        "version": of.app.version or "",
        "revision": of.sample.revision or "",
        "mode": of.app.mode,
        "type": of.app.type,
        "service_instance_id": of.totals.service_instance_id or "",
    }
    yield Point("", joined(of.labels, labels(facts)), 1)


def _states(of: InstanceMetrics) -> Iterator[Point]:
    """Return a point for each state: one that appears and vanishes would break every query."""
    for state in _STATES:
        yield Point("", f'{of.labels},state="{state}"', int(of.record.status == state))


def _restarts(of: InstanceMetrics) -> Iterator[Point]:
    by_exits = min(of.totals.exit_restarts, of.record.restarts)
    yield Point("", f'{of.labels},reason="exit"', by_exits)
    yield Point("", f'{of.labels},reason="request"', of.record.restarts - by_exits)


def _exits(of: InstanceMetrics) -> Iterator[Point]:
    for code, signal, requested, count in sorted(
        ((each.code, each.signal, each.requested, each.count) for each in of.totals.exits), key=str
    ):
        facts = {
            "code": "" if code is None else str(code),
            "signal": "" if signal is None else str(signal),
            "requested": "true" if requested else "false",
        }
        yield Point("", joined(of.labels, labels(facts)), count)


def _processes(of: InstanceMetrics) -> Iterator[Point]:
    children = of.sample.tree.children
    if children is not None:
        yield Point("", of.labels, children + 1)


def _requests(of: InstanceMetrics) -> Iterator[Point]:
    """Return failed and other requests: probes distinguish no more."""
    requests, errors = of.totals.http_requests, of.totals.http_errors or 0
    if requests is not None:
        yield Point("", f'{of.labels},code_class="5xx"', errors)
        yield Point("", f'{of.labels},code_class="other"', max(0, requests - errors))


_QUANTILES = {
    "0.5": "loop_lag_p50_ms",
    "0.95": "loop_lag_p95_ms",
    "0.99": "loop_lag_p99_ms",
    "1": "loop_lag_max_ms",
}


def _loop_lag(of: InstanceMetrics) -> Iterator[Point]:
    for quantile, name in _QUANTILES.items():
        value = figure(of.sample, name)
        if value is not None:
            yield Point("", f'{of.labels},quantile="{quantile}"', value / 1000.0)


def _durations(of: InstanceMetrics) -> Iterator[Point]:
    counts = of.totals.http_durations
    if of.totals.http_requests is None:
        return
    so_far = 0
    bounds = [*(repr(bound) for bound in HTTP_BOUNDS_S), "+Inf"]
    for place, bound in enumerate(bounds):
        so_far += counts[place] if place < len(counts) else 0
        yield Point("_bucket", f'{of.labels},le="{bound}"', so_far)
    yield Point("_sum", of.labels, of.totals.http_s)
    yield Point("_count", of.labels, so_far)


def _healthy(of: InstanceMetrics) -> float | None:
    health = of.sample.health
    return None if health is None or health.ok is None else int(health.ok)


def _per(kind: FamilyKind, name: str, text: str, points: Points) -> tuple[Family, Points]:
    return Family("monit_instance" + name, kind, text), points


INSTANCE_FAMILIES: tuple[tuple[Family, Points], ...] = (
    _per("info", "", "What the instance is; always 1.", _info),
    _per("gauge", "_state", "1 for the state that the instance is in, else 0.", _states),
    _per("gauge", "_ready", "1 while the worker is ready.", _one(lambda of: int(of.record.ready))),
    _per(
        "counter",
        "_restarts",
        "Workers that were replaced, by reason; monit reset sets it to 0.",
        _restarts,
    ),
    _per("counter", "_exits", "Workers that exited, by exit code or signal.", _exits),
    _per(
        "gauge",
        "_start_time_seconds",
        "When the present worker started, in seconds since 1970.",
        _one(lambda of: of.record.started_at if of.record.pid else None),
    ),
    _per(
        "counter",
        "_cpu_seconds",
        "CPU time of the workers and all processes below them.",
        _one(lambda of: of.totals.cpu_s),
    ),
    _per(
        "gauge",
        "_resident_memory_bytes",
        "Resident memory of the process tree; shared pages count once.",
        _figure("rss_bytes"),
    ),
    _per("gauge", "_open_fds", "Open descriptors of the process tree.", _figure("fds")),
    _per("gauge", "_threads", "Threads of the process tree.", _figure("threads")),
    _per(
        "gauge", "_processes", "Processes of the tree: the worker and those below it.", _processes
    ),
    _per("gauge", "_heap_used_bytes", "Used part of the heaps.", _figure("heap_used_bytes")),
    _per("gauge", "_heap_size_bytes", "Size of the heaps.", _figure("heap_size_bytes")),
    _per(
        "gauge",
        "_heap_limit_bytes",
        "What the heaps may grow to; Node only.",
        _figure("heap_limit_bytes"),
    ),
    _per(
        "summary",
        "_event_loop_lag_seconds",
        "How long events waited for the worst event loop, over 5 seconds.",
        _loop_lag,
    ),
    _per(
        "gauge",
        "_event_loop_utilization_ratio",
        "Busy part of the worst event loop, 0 to 1.",
        _figure("loop_utilization"),
    ),
    _per(
        "counter",
        "_blocked",
        "How often an event loop was blocked for 100 ms or longer.",
        _one(lambda of: of.totals.loop_blocks),
    ),
    _per(
        "counter",
        "_gc_seconds",
        "Time spent in garbage collectors.",
        _one(lambda of: of.totals.gc_s),
    ),
    _per(
        "counter",
        "_gc_collections",
        "Garbage collections.",
        _one(lambda of: of.totals.gc_collections),
    ),
    _per(
        "counter",
        "_http_requests",
        "HTTP requests; code_class 5xx: a status of 500 and above, or no answer.",
        _requests,
    ),
    _per(
        "histogram",
        "_http_request_duration_seconds",
        "Durations of HTTP requests, from headers to the end of the response.",
        _durations,
    ),
    _per(
        "gauge",
        "_http_requests_in_flight",
        "HTTP requests that are not answered yet.",
        _figure("http_in_flight"),
    ),
    _per("gauge", "_healthy", "1 when the last health check passed.", _one(_healthy)),
)
"""The metrics of each instance."""

APP_UP = Family("monit_agent_up", "gauge", "1 when the app's agent answered this scrape.")
KEEPER_UP = Family("monit_keeper_up", "gauge", "1 while the app's keeper runs and answers.")
LOG_LOST = Family(
    "monit_log_lost_bytes",
    "counter",
    "Printed bytes that could not be written, or were removed before their time.",
)
PUBLISH_DROPPED = Family(
    "monit_publish_dropped",
    "counter",
    "Messages that slow subscribers of the agent had no room for.",
)
DROPPED = Family("monit_metrics_dropped", "gauge", "Metrics of the app's own that are left out.")
BUILD = Family("monit_build", "info", "The version of monit that answers; always 1.")
FAMILIES = (
    BUILD, APP_UP, KEEPER_UP, *(family for family, _ in INSTANCE_FAMILIES), LOG_LOST,
    PUBLISH_DROPPED, DROPPED,
)  # fmt: skip
"""All but the apps' own."""
