"""The fields of ``monit list --json``: one object per instance, stable, for scripts.

Unknown is ``null``, never 0. An example::

    {
      "app": "web", "instance": 0, "id": 3, "namespace": "default", "version": "1.4.2",
      "mode": "fork", "watching": false, "script": "/srv/web/app.py",
      "interpreter": "/srv/web/.venv/bin/python", "cwd": "/srv/web", "user": "deploy",
      "status": "online", "wanted": "running", "ready": true, "pid": 4711,
      "started_at": 1763817150.2, "restarts": 2, "unstable_restarts": 0, "ppid": 4700,
      "uptime_s": 7380.4, "cpu_percent": 4.1, "rss_bytes": 73400320,
      "heap_size_bytes": 15818752, "heap_used_bytes": 14832736, "heap_usage_percent": 93.8,
      "heap_src": "malloc", "gc_collections": 31, "gc_ms": 4.2, "gc_max_ms": 0.4,
      "loop_type": "asyncio", "loop_lag_p50_ms": 0.0, "loop_lag_p95_ms": 1.2,
      "loop_lag_p99_ms": 3.1, "loop_lag_max_ms": 8.9, "loop_utilization": 0.12,
      "loop_blocks": 0, "tasks": 3, "handles": null,
      "sched_delay_p95_ms": 0.3, "sched_delay_max_ms": 1.4, "threads": 4, "fds": 12,
      "stuck_s": 0.0,
      "health": {"ok": true, "failures": 0, "at": 1763824530.1, "text": "status 200"},
      "http_rps": 41.2, "http_errors_per_s": 0.0, "http_p50_ms": 2.1, "http_p95_ms": 9.4,
      "http_p99_ms": 31.0, "http_max_ms": 44.7, "http_in_flight": 2,
      "children": 1, "loop_pid": 4712,
      "processes": [{"pid": 4712, "ppid": 4711, "name": "python3 gunicorn", "probe": true,
                     "started_at": 1763817150.9, "cpu_percent": 1.5, "rss_bytes": 31457280,
                     "threads": 1, "fds": 9, "heap_used_bytes": 7415808,
                     "loop_lag_p95_ms": 1.2, "loop_utilization": 0.12}],
      "metrics": {"orders": {"value": 17.0, "unit": "", "kind": "counter", "rate": 0.4,
                             "p50": null, "p95": null, "p99": null, "text": null}},
      "last_exit": {"code": 1, "signal": null, "at": 1763817149.9, "ran_s": 86.2},
      "age_s": 0.4, "stale": false
    }

Times are seconds, ``…_at`` and ``at`` of the wall clock since 1970. ``cpu_percent`` is of one core,
over the whole process tree of the instance, as ``rss_bytes``, ``threads`` and ``fds`` are. From
``heap_size_bytes`` to ``sched_delay_max_ms``, and of HTTP, only a probe inside the worker can tell:
each stands with its meaning at `Sample` in ``wire/messages.py``; without a probe all are ``null``.
``stuck_s`` is for how long an event loop is held up at this moment, ``health`` what the health
check said last; without a check it is ``null``. ``metrics`` are the app's own, by name, as `Metric`
there says; ``kind`` is ``gauge``, ``counter``, ``histogram`` or ``text``.
``processes`` are those below the worker, at most 64 of the ``children`` there are, with figures of
their own; ``loop_pid`` is the one whose event loop lags most.
``age_s`` says how old the measured numbers are; with ``stale`` true the app's agent does not answer
and the object is what was last known.
"""

from typing import Any

from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.messages import Exit, Process, Sample

_OF_APP = (
    "namespace", "version", "mode", "watching", "script", "interpreter", "cwd", "user",
)  # fmt: skip
_OF_INSTANCE = (
    "status", "wanted", "ready", "pid", "started_at", "restarts", "unstable_restarts",
)  # fmt: skip
_OF_METRIC = ("value", "unit", "kind", "rate", "p50", "p95", "p99", "text")
_MEASURED = (
    "cpu_percent",
    "rss_bytes",
    "heap_size_bytes",
    "heap_used_bytes",
    "heap_usage_percent",
    "heap_src",
    "gc_collections",
    "gc_ms",
    "gc_max_ms",
    "loop_type",
    "loop_lag_p50_ms",
    "loop_lag_p95_ms",
    "loop_lag_p99_ms",
    "loop_lag_max_ms",
    "loop_utilization",
    "loop_blocks",
    "tasks",
    "handles",
    "sched_delay_p95_ms",
    "sched_delay_max_ms",
    "threads",
    "fds",
    "stuck_s",
    "http_rps",
    "http_errors_per_s",
    "http_p50_ms",
    "http_p95_ms",
    "http_p99_ms",
    "http_max_ms",
    "http_in_flight",
    "children",
    "loop_pid",
)


def instance_fields(
    app: AppView, view: InstanceView | None, now: float, age_s: float | None
) -> dict[str, Any]:
    """Give the documented object for one instance; ``now`` is the wall clock.

    ``age_s`` is how old what is known of a silent app is; for a live one its sample's age counts.
    An app of which no instance is known gives one object with nothing but its name.
    """
    spec = app.record
    sample = present_sample(view) if view else None
    return {
        "app": app.name,
        "instance": view and view.record.instance,
        "id": view and view.record.id,
        **{name: getattr(spec, name, None) for name in _OF_APP},
        **{name: getattr(view and view.record, name, None) for name in _OF_INSTANCE},
        "ppid": sample and sample.ppid,
        "uptime_s": uptime_s(view, now) if view else None,
        **{name: getattr(sample, name, None) for name in _MEASURED},
        "health": _health(sample),
        "processes": _processes(sample),
        "metrics": _metrics(sample),
        "last_exit": exit_fields(view.record.exits[-1]) if view and view.record.exits else None,
        "age_s": age_s if age_s is not None else sample_age_s(sample, now),
        "stale": is_stale(app),
    }


def _processes(sample: Sample | None) -> list[dict[str, Any]]:
    processes = sample.processes if sample else ()
    return [{name: getattr(each, name) for name in Process.__struct_fields__} for each in processes]


def _metrics(sample: Sample | None) -> dict[str, Any]:
    metrics = sample.metrics if sample else {}
    return {
        name: {field: getattr(each, field) for field in _OF_METRIC}
        for name, each in metrics.items()
    }


def _health(sample: Sample | None) -> dict[str, Any] | None:
    health = sample.health if sample else None
    if health is None:
        return None
    return {"ok": health.ok, "failures": health.failures, "at": health.at, "text": health.text}


def exit_fields(end: Exit) -> dict[str, Any]:
    """Give the object that says how a worker ended."""
    return {"code": end.code, "signal": end.signal, "at": end.at, "ran_s": end.ran_s}


def present_sample(view: InstanceView) -> Sample | None:
    """Give the newest sample if it is of the present worker: what one that is gone used is
    no news."""
    sample = view.sample
    return sample if sample and sample.pid == view.record.pid else None


def uptime_s(view: InstanceView, now: float) -> float | None:
    """Give how long the present worker lives; None without one."""
    started = view.record.started_at
    return None if started is None or view.record.pid is None else max(0.0, now - started)


def sample_age_s(sample: Sample | None, now: float) -> float | None:
    """Give how old a sample is; None without one."""
    return None if sample is None else max(0.0, now - sample.at)


def is_stale(app: AppView) -> bool:
    """Whether what is known of the app is old: its agent does not answer."""
    return app.link in ("stale", "gone")
