"""The rows of the process table: which, in which order, with which facts.

Pure: callers pass the time. A row is identified by its `RowKey`, never by its number.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from monit_agent.client.process_trees import process_branches, processes_of
from monit_agent.client.view import AppView, Fleet, InstanceView
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.metrics import figure
from monit_tui.model.processes.condition import (
    TROUBLE,
    ClockReading,
    Condition,
    app_condition,
    figures_age_s,
    instance_condition,
)
from monit_tui.model.processes.filtering import (
    is_targeted,
    matches_words,
    matching_pids,
    word_matches,
)
from monit_tui.model.processes.notes import app_note, note_of

if TYPE_CHECKING:
    from monit_agent.wire.messages import Process


class RowKey(NamedTuple):
    """What a row shows: an instance; with ``instance`` None, a whole app; with ``pid``, one of the
    processes below an instance's worker."""

    app: AppId
    instance: int | None = None
    pid: int | None = None

    @property
    def owner(self) -> "RowKey":
        """Return the row of the instance for a process, else the row itself."""
        return self if self.pid is None else RowKey(self.app, self.instance)


def nearest_row(rows: Collection[RowKey], app: AppId, instance: int | None) -> RowKey | None:
    """Return the row of an instance, else that of its app; None where neither is shown."""
    keys = [RowKey(app, instance), RowKey(app, None), RowKey(app, 0)]
    return next((key for key in keys if key in rows), None)


SortColumn = Literal["name", "state", "cpu", "memory", "lag", "restarts", "uptime"]

SORT_COLUMNS: dict[SortColumn, str] = {
    "name": "name",
    "state": "state, worst first",
    "cpu": "CPU, highest first",
    "memory": "memory, highest first",
    "lag": "event-loop lag p95, highest first",
    "restarts": "restarts, most first",
    "uptime": "uptime, shortest first",
}


class Arrangement(NamedTuple):
    """Order, filter and grouping of the rows."""

    sort: SortColumn = "name"
    reverse: bool = False
    flat: bool = False
    filter: str = ""
    folded: frozenset[AppId] = frozenset()
    """Apps whose instances the user has hidden."""
    unfolded: frozenset[AppId] = frozenset()
    """Apps whose instances the user has chosen to see, however many they are."""
    fold_over: int = 0
    """Apps of more instances show only those in trouble; 0 shows all."""
    targets: tuple[str, ...] = ()
    """Only these, as passed on the command line: ``web``, ``web/0``, ``@namespace``, globs."""
    opened: frozenset[RowKey] = frozenset()
    """Instances whose processes are listed."""


class RowFacts(NamedTuple):
    """What a row shows. Unknown is None."""

    name: str
    depth: int
    condition: Condition
    cpu_percent: float | None
    rss_bytes: int | None
    lag_ms: float | None
    restarts: int | None
    uptime_s: float | None
    pid: int | None
    heap_bytes: float | None
    threads: int | None
    fds: int | None
    note: str
    http_rps: float | None = None
    heap_limit_percent: float | None = None
    is_old: bool = False
    """Whether the process tree was read some seconds ago."""
    stateless: bool = False
    """Whether it is a process below a worker: then ``condition`` is its instance's."""


def arrange_rows(fleet: Fleet, how: Arrangement, now: ClockReading) -> tuple[RowKey, ...]:
    """Return the rows of the table from top to bottom."""
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
        rows += _sorted(_unfolded(inner, app_key.app, fleet, how, now), fleet, how, now)
    return _with_processes(rows, fleet, how, now)


def is_folded(fleet: Fleet, how: Arrangement, app: AppId) -> bool:
    """Return whether healthy instances of an app are hidden."""
    if app in how.folded:
        return True
    many = bool(how.fold_over) and len(fleet.apps[app].instances) > how.fold_over
    return many and app not in how.unfolded and not how.filter.strip()


def _unfolded(
    keys: list[RowKey], app: AppId, fleet: Fleet, how: Arrangement, now: ClockReading
) -> list[RowKey]:
    """Return the instances of an app that have rows: all, those in trouble, or none."""
    if app in how.folded:
        return []
    if not is_folded(fleet, how, app):
        return keys
    return [key for key in keys if _severity(fleet, key, now) >= TROUBLE]


def _severity(fleet: Fleet, key: RowKey, now: ClockReading) -> int:
    app = fleet.apps[key.app]
    if key.instance is None:
        return app_condition(app, now).severity
    return instance_condition(app, app.instances[key.instance], now).severity


def problem_places(fleet: Fleet, rows: Sequence[RowKey], now: ClockReading) -> list[int]:
    """Return the places of rows with problems; an app's row counts where it stands for all of its
    instances."""
    listed = {key.app for key in rows if key.instance is not None}
    return [
        place
        for place, key in enumerate(rows)
        if key.pid is None
        and (key.instance is not None or key.app not in listed)
        and key.app in fleet.apps
        and _severity(fleet, key, now) >= TROUBLE
    ]


def _with_processes(
    rows: list[RowKey], fleet: Fleet, how: Arrangement, now: ClockReading
) -> tuple[RowKey, ...]:
    """Insert the processes of opened instances below them; of other instances, the processes
    that match a filter."""
    words = how.filter.casefold().split()
    found: list[RowKey] = []
    for key in rows:
        found.append(key)
        app = fleet.apps[key.app]
        view = None if key.instance is None else app.instances[key.instance]
        if view is None or not (processes_of(view) and (words or key in how.opened)):
            continue
        pids = [each.process.pid for each in process_branches(view.sample, _siblings(how))]
        if words and not matches_words(app, view, words, now):
            matching = matching_pids(app, view, words, now)
            pids = [pid for pid in pids if pid in matching]
        elif key not in how.opened:
            continue
        found += [key._replace(pid=pid) for pid in pids]
    return tuple(found)


_FIELDS: dict[SortColumn, str] = {
    "cpu": "cpu_percent", "memory": "rss_bytes", "lag": "loop_lag_p95_ms", "uptime": "started_at",
}  # fmt: skip


def _siblings(how: Arrangement) -> "Callable[[Process], tuple[bool, float, int]] | None":
    """Return the sort key of processes with one parent: like the rows, else the oldest first."""
    field = _FIELDS.get(how.sort)
    if field is None:
        return None

    def order(process: "Process") -> tuple[bool, float, int]:
        value: float | None = getattr(process, field)
        return value is None, (value or 0.0) * (1 if how.reverse else -1), process.pid

    return order


def _kept(fleet: Fleet, how: Arrangement, now: ClockReading) -> dict[AppId, list[RowKey]]:
    words = how.filter.casefold().split()
    kept: dict[AppId, list[RowKey]] = {}
    for name in sorted(fleet.apps):
        app = fleet.apps[name]
        keys = [
            RowKey(name, number)
            for number, view in app.instances.items()
            if is_targeted(app, number, how.targets)
            and (
                not words
                or matches_words(app, view, words, now)
                or matching_pids(app, view, words, now)
            )
        ]
        bare = not app.instances and is_targeted(app, None, how.targets)
        if keys or (bare and all(word_matches(app.name, app, word) for word in words)):
            kept[name] = keys
    return kept


def _sorted(keys: list[RowKey], fleet: Fleet, how: Arrangement, now: ClockReading) -> list[RowKey]:
    """Return the rows with what is in trouble first, the worst at the top; each part in the chosen
    order."""
    severities = {key: _severity(fleet, key, now) for key in keys}
    chosen = _in_chosen_order(keys, fleet, how, now)
    if not any(severity >= TROUBLE for severity in severities.values()):
        return chosen
    return sorted(chosen, key=lambda key: -max(severities[key], TROUBLE - 1))


def _in_chosen_order(
    keys: list[RowKey], fleet: Fleet, how: Arrangement, now: ClockReading
) -> list[RowKey]:
    if how.sort == "name":
        return sorted(keys, key=_by_name, reverse=how.reverse)
    known: list[tuple[float, RowKey]] = []
    unknown: list[RowKey] = []
    for key in sorted(keys, key=_by_name):
        value = _measure(row_facts(fleet, key, now), how.sort)
        if value is None:
            unknown.append(key)
        else:
            known.append((value, key))
    known.sort(key=lambda pair: pair[0], reverse=how.reverse)
    return [key for _, key in known] + unknown


def _by_name(key: RowKey) -> tuple[list[tuple[int, str]], int]:
    name = str(key.app)
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in _parts(name)]
    return parts, -1 if key.instance is None else key.instance


@lru_cache(4096)
def _parts(name: str) -> tuple[str, ...]:
    """Return the parts of a name, so that shop-9 sorts before shop-10."""
    return tuple(part for part in re.split(r"(\d+)", name.casefold()) if part)


def _measure(row: RowFacts | None, column: SortColumn) -> float | None:
    """Return the value that the rows are sorted by; the most interesting is the lowest."""
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


def row_facts(
    fleet: Fleet, key: RowKey, now: ClockReading, *, flat: bool = True
) -> RowFacts | None:
    """Return the facts of the row of ``key``; None when it no longer exists.

    With ``flat`` an instance has its full name, otherwise only its number below its app.
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
    """Return whether any instance answers HTTP requests, as far as probes can see."""
    return any(
        view.sample is not None and view.sample.http is not None
        for app in fleet.apps.values()
        for view in app.instances.values()
    )


def has_event_loops(fleet: Fleet) -> bool:
    """Return whether any instance has an event loop, as far as probes can see."""
    return any(
        view.sample is not None and view.sample.loop is not None
        for app in fleet.apps.values()
        for view in app.instances.values()
    )


def row_name(key: RowKey) -> str:
    """Return a row's name: ``web``, ``web/0``."""
    return str(key.app if key.instance is None else key.app.instance(key.instance))


def instances_of(fleet: Fleet, key: RowKey) -> tuple[InstanceId, ...]:
    """Return the instances of a row."""
    if key.instance is not None:
        return (key.app.instance(key.instance),)
    app = fleet.apps.get(key.app)
    return () if app is None else tuple(view.identity for view in app.instances.values())


def _instance_facts(app: AppView, view: InstanceView, now: ClockReading, *, flat: bool) -> RowFacts:
    record = view.record
    alone = len(app.instances) == 1
    name = app.name if alone else f"{app.name}/{record.instance}"
    started = record.started_at
    running = record.pid is not None
    sample = view.sample if running else None

    def measured(name: str) -> float | None:
        return None if sample is None else figure(sample, name)

    return RowFacts(
        name=name if flat or alone else str(record.instance),
        depth=0 if flat or alone else 1,
        condition=instance_condition(app, view, now),
        cpu_percent=sample.tree.cpu_percent if sample else None,
        rss_bytes=sample.tree.rss_bytes if sample else None,
        lag_ms=measured("loop_lag_p95_ms"),
        restarts=record.restarts,
        uptime_s=None if started is None or not running else max(0.0, now.wall - started),
        pid=record.pid,
        heap_bytes=measured("heap_used_bytes"),
        threads=sample.tree.threads if sample else None,
        fds=sample.tree.fds if sample else None,
        note=note_of(app, view, now.wall),
        http_rps=measured("http_rps"),
        heap_limit_percent=measured("heap_limit_percent"),
        is_old=figures_age_s(app, view, now) is not None,
    )


def _process_facts(
    view: InstanceView, pid: int, owner: RowFacts, now: ClockReading
) -> RowFacts | None:
    tree = process_branches(view.sample) if processes_of(view) else ()
    found = next((branch for branch in tree if branch.process.pid == pid), None)
    if found is None:
        return None
    process, started = found.process, found.process.started_at
    return RowFacts(
        name=process.name,
        depth=owner.depth + 1 + found.depth,
        condition=owner.condition,
        cpu_percent=process.cpu_percent,
        rss_bytes=process.rss_bytes,
        lag_ms=process.loop_lag_p95_ms,
        restarts=None,
        uptime_s=None if started is None else max(0.0, now.wall - started),
        pid=pid,
        heap_bytes=process.heap_used_bytes,
        threads=process.threads,
        fds=process.fds,
        note="",
        is_old=owner.is_old,
        stateless=True,
    )


def _app_facts(app: AppView, now: ClockReading) -> RowFacts:
    inner = [_instance_facts(app, view, now, flat=True) for view in app.instances.values()]
    return RowFacts(
        name=app.name,
        depth=0,
        condition=app_condition(app, now),
        cpu_percent=_total([row.cpu_percent for row in inner]),
        rss_bytes=_whole([row.rss_bytes for row in inner]),
        lag_ms=max((row.lag_ms for row in inner if row.lag_ms is not None), default=None),
        restarts=_whole([row.restarts for row in inner]) or 0,
        uptime_s=max((row.uptime_s for row in inner if row.uptime_s is not None), default=None),
        pid=None,
        heap_bytes=_total([row.heap_bytes for row in inner]),
        threads=_whole([row.threads for row in inner]),
        fds=_whole([row.fds for row in inner]),
        note=app_note(app, now.wall),
        http_rps=_total([row.http_rps for row in inner]),
        heap_limit_percent=max(
            (row.heap_limit_percent for row in inner if row.heap_limit_percent is not None),
            default=None,
        ),
        is_old=any(row.is_old for row in inner),
    )


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _whole(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
