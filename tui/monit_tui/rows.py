"""The process table without a screen: which rows, in which order, with which facts.

Pure: times come with the calls. A row is named by its `RowKey`, never by its number.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, NamedTuple

from monit_agent.client.trees import branches, processes_of
from monit_agent.client.view import AppView, Fleet, Identity, InstanceView
from monit_agent.wire.messages import Process
from monit_tui.condition import Condition, Now, app_condition, instance_condition
from monit_tui.filtering import hits, matches, says, targeted
from monit_tui.notes import app_note, note_of


class RowKey(NamedTuple):
    """What a row shows: an instance, with ``instance`` None a whole app, with ``pid`` one of the
    processes below an instance's worker."""

    app: str
    instance: int | None = None
    pid: int | None = None

    @property
    def owner(self) -> "RowKey":
        """Give the row that this one belongs to: of a process its instance's, else itself."""
        return self if self.pid is None else RowKey(self.app, self.instance)


SortColumn = Literal["name", "state", "cpu", "memory", "lag", "restarts", "uptime"]

SORT_COLUMNS: dict[SortColumn, str] = {
    "name": "name",
    "state": "state, worst first",
    "cpu": "CPU, highest first",
    "memory": "memory, highest first",
    "lag": "event loop lag p95, highest first",
    "restarts": "restarts, most first",
    "uptime": "uptime, youngest first",
}


class Arrangement(NamedTuple):
    """How the user wants to see the fleet."""

    sort: SortColumn = "name"
    reverse: bool = False
    flat: bool = False
    filter: str = ""
    folded: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    """Only these, as given on the command line: ``web``, ``web/0``, ``@namespace``, globs."""
    opened: frozenset[RowKey] = frozenset()
    """Instances below which their processes are listed."""


class Facts(NamedTuple):
    """What a row says. Unknown is None."""

    name: str
    depth: int
    condition: Condition
    cpu_percent: float | None
    rss_bytes: int | None
    lag_ms: float | None
    restarts: int | None
    uptime_s: float | None
    pid: int | None
    heap_percent: float | None
    threads: int | None
    fds: int | None
    note: str
    http_rps: float | None = None
    stateless: bool = False
    """A process below a worker: of its own it has no state, ``condition`` is its instance's."""


def arrange(fleet: Fleet, how: Arrangement, now: Now) -> tuple[RowKey, ...]:
    """Give the rows of the table from top to bottom."""
    kept = _kept(fleet, how, now)
    if how.flat:
        keys = [key for keys in kept.values() for key in keys or ()]
        keys += [RowKey(app) for app in kept if not fleet.apps[app].instances]
        return _with_processes(_sorted(keys, fleet, how, now), fleet, how, now)
    rows: list[RowKey] = []
    for app_key in _sorted([RowKey(app) for app in kept], fleet, how, now):
        inner = kept[app_key.app]
        if len(fleet.apps[app_key.app].instances) == 1:
            rows += inner
            continue
        rows.append(app_key)
        if app_key.app not in how.folded:
            rows += _sorted(inner, fleet, how, now)
    return _with_processes(rows, fleet, how, now)


def _with_processes(
    rows: list[RowKey], fleet: Fleet, how: Arrangement, now: Now
) -> tuple[RowKey, ...]:
    """Put the processes of opened instances below these, and of others those that a filter
    is about."""
    words = how.filter.casefold().split()
    found: list[RowKey] = []
    for key in rows:
        found.append(key)
        app = fleet.apps[key.app]
        view = None if key.instance is None else app.instances[key.instance]
        if view is None or not (processes_of(view) and (words or key in how.opened)):
            continue
        pids = [each.process.pid for each in branches(view.sample, _siblings(how))]
        if words and not matches(app, view, words, now):
            meant = hits(app, view, words, now)
            pids = [pid for pid in pids if pid in meant]
        elif key not in how.opened:
            continue
        found += [key._replace(pid=pid) for pid in pids]
    return tuple(found)


_FIELDS: dict[SortColumn, str] = {
    "cpu": "cpu_percent", "memory": "rss_bytes", "lag": "loop_lag_p95_ms", "uptime": "started_at",
}  # fmt: skip


def _siblings(how: Arrangement) -> Callable[[Process], tuple[bool, float, int]] | None:
    """Give how processes with one parent are sorted: like the rows, else the oldest first."""
    field = _FIELDS.get(how.sort)
    if field is None:
        return None

    def order(process: Process) -> tuple[bool, float, int]:
        value: float | None = getattr(process, field)
        return value is None, (value or 0.0) * (1 if how.reverse else -1), process.pid

    return order


def _kept(fleet: Fleet, how: Arrangement, now: Now) -> dict[str, list[RowKey]]:
    words = how.filter.casefold().split()
    kept: dict[str, list[RowKey]] = {}
    for name in sorted(fleet.apps):
        app = fleet.apps[name]
        keys = [
            RowKey(name, number)
            for number, view in app.instances.items()
            if targeted(app, number, how.targets)
            and (not words or matches(app, view, words, now) or hits(app, view, words, now))
        ]
        bare = not app.instances and targeted(app, None, how.targets)
        if keys or (bare and all(says(name, app, word) for word in words)):
            kept[name] = keys
    return kept


def _sorted(keys: list[RowKey], fleet: Fleet, how: Arrangement, now: Now) -> list[RowKey]:
    if how.sort == "name":
        return sorted(keys, key=_by_name, reverse=how.reverse)
    known: list[tuple[float, RowKey]] = []
    unknown: list[RowKey] = []
    for key in sorted(keys, key=_by_name):
        value = _measure(facts(fleet, key, now), how.sort)
        if value is None:
            unknown.append(key)
        else:
            known.append((value, key))
    known.sort(key=lambda pair: pair[0], reverse=how.reverse)
    return [key for _, key in known] + unknown


def _by_name(key: RowKey) -> tuple[list[tuple[int, str]], int]:
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in _parts(key.app)]
    return parts, -1 if key.instance is None else key.instance


@lru_cache(4096)
def _parts(name: str) -> tuple[str, ...]:
    """Split so that shop-9 comes before shop-10."""
    return tuple(part for part in re.split(r"(\d+)", name.casefold()) if part)


def _measure(row: Facts | None, column: SortColumn) -> float | None:
    """Give what the rows are sorted by, so that the most interesting is the lowest."""
    if row is None:
        return None
    if column == "state":
        return -row.condition.severity
    if column == "uptime":
        return row.uptime_s
    values: dict[str, float | None] = {
        "cpu": row.cpu_percent, "memory": row.rss_bytes,
        "lag": row.lag_ms, "restarts": row.restarts,
    }  # fmt: skip
    value = values[column]
    return None if value is None else -value


# ------------------------------------------------------------------ facts of a row


def facts(fleet: Fleet, key: RowKey, now: Now, *, flat: bool = True) -> Facts | None:
    """Give what the row called ``key`` says now; None when there is no such thing any more.

    ``flat`` writes an instance's whole name, otherwise only its number below its app.
    """
    app = fleet.apps.get(key.app)
    if app is None:
        return None
    if key.instance is None:
        return _app_facts(app, now)
    view = app.instances.get(key.instance)
    if view is None:
        return None
    row = _instance_facts(app, view, now, flat=flat)
    return row if key.pid is None else _process_facts(view, key.pid, row, now)


def serves_http(fleet: Fleet) -> bool:
    """Tell whether any instance answers HTTP requests, as far as probes can see."""
    return any(
        view.sample is not None and view.sample.http_rps is not None
        for app in fleet.apps.values()
        for view in app.instances.values()
    )


def name_of(key: RowKey) -> str:
    """Give a row's name: ``web``, ``web/0``."""
    return key.app if key.instance is None else f"{key.app}/{key.instance}"


def identities(fleet: Fleet, key: RowKey) -> tuple[Identity, ...]:
    """Give the instances that a row stands for."""
    if key.instance is not None:
        return (Identity(key.app, key.instance),)
    app = fleet.apps.get(key.app)
    return () if app is None else tuple(view.identity for view in app.instances.values())


def _instance_facts(app: AppView, view: InstanceView, now: Now, *, flat: bool) -> Facts:
    record, sample = view.record, view.sample
    alone = len(app.instances) == 1
    name = app.name if alone else f"{app.name}/{record.instance}"
    started = record.started_at
    running = record.pid is not None
    return Facts(
        name=name if flat or alone else str(record.instance),
        depth=0 if flat or alone else 1,
        condition=instance_condition(app, view, now),
        cpu_percent=sample.cpu_percent if sample and running else None,
        rss_bytes=sample.rss_bytes if sample and running else None,
        lag_ms=sample.loop_lag_p95_ms if sample and running else None,
        restarts=record.restarts,
        uptime_s=None if started is None or not running else max(0.0, now.wall - started),
        pid=record.pid,
        heap_percent=sample.heap_usage_percent if sample and running else None,
        threads=sample.threads if sample and running else None,
        fds=sample.fds if sample and running else None,
        note=note_of(app, view),
        http_rps=sample.http_rps if sample and running else None,
    )


def _process_facts(view: InstanceView, pid: int, owner: Facts, now: Now) -> Facts | None:
    tree = branches(view.sample) if processes_of(view) else ()
    found = next((branch for branch in tree if branch.process.pid == pid), None)
    if found is None:
        return None
    process, started = found.process, found.process.started_at
    return Facts(
        name=process.name,
        depth=owner.depth + 1 + found.depth,
        condition=owner.condition,
        cpu_percent=process.cpu_percent,
        rss_bytes=process.rss_bytes,
        lag_ms=process.loop_lag_p95_ms,
        restarts=None,
        uptime_s=None if started is None else max(0.0, now.wall - started),
        pid=pid,
        heap_percent=None,
        threads=process.threads,
        fds=process.fds,
        note="",
        stateless=True,
    )


def _app_facts(app: AppView, now: Now) -> Facts:
    inner = [_instance_facts(app, view, now, flat=True) for view in app.instances.values()]
    return Facts(
        name=app.name,
        depth=0,
        condition=app_condition(app, now),
        cpu_percent=_total([row.cpu_percent for row in inner]),
        rss_bytes=_whole([row.rss_bytes for row in inner]),
        lag_ms=max((row.lag_ms for row in inner if row.lag_ms is not None), default=None),
        restarts=_whole([row.restarts for row in inner]) or 0,
        uptime_s=max((row.uptime_s for row in inner if row.uptime_s is not None), default=None),
        pid=None,
        heap_percent=None,
        threads=_whole([row.threads for row in inner]),
        fds=_whole([row.fds for row in inner]),
        note=app_note(app),
        http_rps=_total([row.http_rps for row in inner]),
    )


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
