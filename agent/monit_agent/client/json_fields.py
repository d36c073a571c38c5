"""The fields of ``monit list --json``: one object per instance, stable, for scripts.

Unknown is ``null``, never 0. An example::

    {
      "host": "", "app": "web", "instance": 0, "id": 3, "namespace": "default", "version": "1.4.2",
      "mode": "fork", "watching": false, "script": "/srv/web/app.py",
      "interpreter": "/srv/web/.venv/bin/python", "cwd": "/srv/web", "user": "deploy",
      "revision": "4f2a91c0de37",
      "origin_file": "/srv/web/monit.toml", "type": "service", "done": false,
      "status": "online", "desired": "running", "wanted": "running", "ready": true,
      "pid": 4711, "started_at": 1763817150.2, "restarts": 2, "failed_starts": 0,
      "unstable_restarts": 0, "ppid": 4700,
      "uptime_s": 7380.4, "cpu_percent": 4.1, "rss_bytes": 73400320,
      "heap_size_bytes": 15818752, "heap_used_bytes": 14832736, "heap_usage_percent": 93.8,
      "heap_limit_bytes": null, "heap_limit_percent": null,
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
      "watch": {"restarts": 3, "last_at": 1763824500.2, "last_cause": "app.py",
                "slowed_until": null, "problem": null},
      "metrics": {"orders": {"value": 17.0, "unit": "", "kind": "counter", "rate": 0.4,
                             "p50": null, "p95": null, "p99": null, "text": null}},
      "last_exit": {"code": 1, "signal": null, "at": 1763817149.9, "ran_s": 86.2},
      "age_s": 0.4, "stale": false, "problems": [],
      "alerts": [{"rule": "loop-lag", "instance": 0, "since": 1763824500.2, "ends": false,
                  "value": 312.0, "threshold": 250.0, "metric": "loop_lag_p99_ms",
                  "text": "event loop lag p99 312 ms, above 250 ms for 1m",
                  "announced": true, "silent": ""}],
      "keeper_version": "0.1.0", "agent_version": "0.1.0"
    }

``origin_file`` is the config file that the app is from, ``null`` for one of the command line.
``type`` is ``service`` or ``once``; ``done`` says that the worker has exited with a code that means
success, and is not restarted.
``host`` is "" for this machine. Times are seconds, ``…_at`` and ``at`` of the wall clock since
1970. ``cpu_percent`` is of one core, over the whole process tree of the instance, as ``rss_bytes``,
``threads`` and ``fds`` are. A page that several processes of the tree share counts once in
``rss_bytes``, and in that of each of them in ``processes``. The fields from ``heap_size_bytes`` to
``sched_delay_max_ms`` and those of HTTP come from the probe inside the worker: `Sample` in
``wire/messages.py`` documents each; without a probe all are ``null``. ``stuck_s`` is how long an
event loop has been blocked at this moment, ``health`` the last result of the health check; without
a check it is ``null``. ``metrics`` are the app's own, by name, as `Metric` there; ``kind`` is
``gauge``, ``counter``, ``histogram`` or ``text``.
``user`` is who the worker runs as, also where it was started through ``setpriv`` or ``sudo``, or is
a master of root whose processes belong to another user; without a worker it is who started the app.
``revision`` is the release that the worker runs, as of its start: the file ``REVISION`` in its
folder or above it, the commit of a git repository, or the name of a folder in ``releases/``.
``heap_usage_percent`` is the used part of what the heap has taken from the system, which is often
close to 100 in a healthy program; ``heap_limit_percent`` is the used part of what the heap may grow
to (Node only).
``watch`` is what ``--watch`` did (`WatchState` there), ``null`` without it.
``processes`` are those below the worker, at most 64 of the ``children``, each with its own figures;
``loop_pid`` is the one whose event loop lags most. ``wanted`` and ``unstable_restarts`` are older
names of ``desired`` and ``failed_starts``. ``age_s`` is the age of the measured numbers. With
``stale`` true, the app's agent does not answer and the object is the last known state.
``alerts`` are those that fire now (`AlertRecord` there); one without ``instance`` is about the app.
``problems`` are texts about the app's keeper and agent: what they cannot do, why, and the way out.
``keeper_version`` and ``agent_version`` are their versions of monit; ``null`` is unknown.
"""

from monit_agent.client.text.manager import manager_problems
from monit_agent.client.view import AppView, InstanceView
from monit_agent.typed import TYPE_CHECKING, Any
from monit_agent.wire.metrics import FIGURES, named_value

if TYPE_CHECKING:
    from monit_agent.wire.messages import AlertRecord, Exit, Process, Sample, WatchState

_APP_FIELDS = (
    "namespace", "version", "mode", "watching", "script", "interpreter", "cwd",
    "origin_file", "type",
)  # fmt: skip
_INSTANCE_FIELDS = (
    "status", "desired", "ready", "done", "pid", "started_at", "restarts", "failed_starts",
)  # fmt: skip
_METRIC_FIELDS = ("value", "unit", "kind", "rate", "p50", "p95", "p99", "text")
_SAMPLE_FIELDS = (
    "cpu_percent",
    "rss_bytes",
    "heap_size_bytes",
    "heap_used_bytes",
    "heap_usage_percent",
    "heap_limit_bytes",
    "heap_limit_percent",
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
    """Return the documented object for one instance; ``now`` is the wall clock.

    ``age_s`` is the age of a silent app's state; for a live app, the age of its sample is used.
    An app without known instances gets one object with its name and settings only.
    """
    spec = app.record
    sample = present_sample(view) if view else None
    return {
        "host": app.id.host,
        "app": app.id.app,
        "instance": view and view.record.instance,
        "id": view and view.record.id,
        **{name: getattr(spec, name, None) for name in _APP_FIELDS},
        "user": user_of(app, view),
        "revision": sample and sample.revision,
        **{name: getattr(view and view.record, name, None) for name in _INSTANCE_FIELDS},
        "wanted": view and view.record.desired,
        "unstable_restarts": view and view.record.failed_starts,
        "ppid": sample and sample.ppid,
        "uptime_s": uptime_s(view, now) if view else None,
        **{name: sample and named_value(sample, name) for name in _SAMPLE_FIELDS},
        "health": _health(sample),
        "watch": _all_fields(spec.watch) if spec and spec.watch else None,
        "processes": _processes(sample),
        "metrics": _metrics(sample),
        "last_exit": exit_fields(view.record.exits[-1]) if view and view.record.exits else None,
        "age_s": age_s if age_s is not None else sample_age_s(sample, now),
        "stale": is_stale(app),
        "alerts": [
            _all_fields(each)
            for each in app.alerts
            if view is None or each.instance in (None, view.record.instance)
        ],
        "problems": list(manager_problems(app)),
        "keeper_version": spec.keeper_version if spec else None,
        "agent_version": app.agent_version,
    }


def app_fields(sample: "Sample | None") -> dict[str, Any] | None:
    """Return the object about all instances of an app together; None where it has no figures. What
    is known of each instance alone, such as its memory, is not in it."""
    if sample is None:
        return None
    known = {name: named_value(sample, name) for name in FIGURES}
    figures = {name: value for name, value in known.items() if value is not None}
    return {**figures, "metrics": _metrics(sample)}


def _processes(sample: "Sample | None") -> list[dict[str, Any]]:
    processes = sample.processes if sample else ()
    return [_all_fields(each) for each in processes]


def _all_fields(record: "AlertRecord | Process | WatchState") -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}


def _metrics(sample: "Sample | None") -> dict[str, Any]:
    metrics = sample.metrics if sample else {}
    return {
        name: {field: getattr(each, field) for field in _METRIC_FIELDS}
        for name, each in metrics.items()
    }


def _health(sample: "Sample | None") -> dict[str, Any] | None:
    health = sample.health if sample else None
    if health is None:
        return None
    return {"ok": health.ok, "failures": health.failures, "at": health.at, "text": health.text}


def exit_fields(end: "Exit") -> dict[str, Any]:
    """Return the object about the exit of a worker."""
    return {"code": end.code, "signal": end.signal, "at": end.at, "ran_s": end.ran_s}


def present_sample(view: InstanceView) -> "Sample | None":
    """Return the newest sample if it is of the present worker, else None."""
    sample = view.sample
    return sample if sample and sample.pid == view.record.pid else None


def user_of(app: AppView, view: InstanceView | None) -> str | None:
    """Return who the present worker runs as; without one, who started the app."""
    sample = present_sample(view) if view else None
    if sample is not None and sample.user is not None:
        return sample.user
    return app.record.user if app.record else None


def uptime_s(view: InstanceView, now: float) -> float | None:
    """Return the age of the present worker; None without one."""
    started = view.record.started_at
    return None if started is None or view.record.pid is None else max(0.0, now - started)


def sample_age_s(sample: "Sample | None", now: float) -> float | None:
    """Return the age of a sample; None without one."""
    return None if sample is None else max(0.0, now - sample.at)


def is_stale(app: AppView) -> bool:
    """Return whether the state of the app is old because its agent does not answer."""
    return app.link in ("stale", "gone")
