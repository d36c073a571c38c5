"""Answers to requests for the past: steps, events, and the last hour second by second."""

import math
import time

from monit_agent.agent.history.reader import WHOLE_APP, Asked, HistoryReader
from monit_agent.agent.history.second import Name
from monit_agent.agent.history.segments import Rows
from monit_agent.agent.history.steps import HistoryStep
from monit_agent.agent.sampling.recent import RecentSamples
from monit_agent.agent.sampling.ring import MetricColumns
from monit_agent.agent.serve.router import RefusedError
from monit_agent.wire.limits import EVENTS_READ, HISTORY_NAMES, HISTORY_STEPS
from monit_agent.wire.messages import (
    EventsPart,
    EventsRange,
    HistoryColumn,
    HistoryPart,
    HistoryRange,
    OwnHistory,
)
from monit_agent.wire.metrics import INTEGERS

ROUND_S = (
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
)  # fmt: skip
"""Lengths of steps that a chart can label."""

BACK_S = 31 * 86400.0
"""How far back anything is kept; earlier times mean this one."""


def answer_history(reader: HistoryReader, request: HistoryRange, now: float) -> HistoryPart:
    """Return the steps that were asked for."""
    if len(request.names) > HISTORY_NAMES:
        raise RefusedError("bad_request", f"more than {HISTORY_NAMES} metrics are named")
    since, until = _range(request.since, request.until, now)
    step_s = _step(until - since, request.step_s)
    first, end = math.floor(since / step_s), math.ceil(until / step_s)
    names = frozenset(request.names) or None
    asked = WHOLE_APP if request.instance is None else request.instance
    steps = reader.steps(Asked(asked, first * step_s, end * step_s, step_s, names))
    columns = [
        _column(name, column, first, end) for name, column in sorted(steps.items()) if column
    ]
    return HistoryPart(
        instance=request.instance,
        step_s=step_s,
        begin=float(first * step_s),
        steps=end - first,
        columns=tuple(columns),
    )


def answer_events(reader: HistoryReader, request: EventsRange, now: float) -> EventsPart:
    """Return the events that were asked for."""
    since, until = _range(request.since, request.until, now)
    limit = min(max(request.limit, 0), EVENTS_READ)
    return EventsPart(events=tuple(reader.events(since, until, limit)))


def past_seconds(
    recent: RecentSamples, reader: HistoryReader, instance: int, since: float
) -> MetricColumns:
    """Return the seconds of an instance from a wall time on, from memory and before that from
    disk."""
    past = recent.since(instance, since)
    until = past.at[0] if past.at else time.time()
    older = reader.seconds(instance, since, until)
    return with_older(older, past) if older else past


def with_older(rows: list[Rows], newer: MetricColumns) -> MetricColumns:
    """Return the seconds of ``rows``, which come first, and of ``newer`` as the same columns."""
    at = tuple(each for part in rows for each in part.at)
    figures = {
        name: (*_joined(rows, Name(name), name in INTEGERS), *values)
        for name, values in newer.figures.items()
    }
    own = {
        name: OwnHistory(
            kind=each.kind,
            unit=each.unit,
            values=(*_joined(rows, Name(name, True, each.kind, each.unit), False), *each.values),
        )
        for name, each in newer.own.items()
    }
    nothing = (None,) * len(newer.at)
    for name in {name for part in rows for name in part.columns}:
        values = (*_joined(rows, name, name.name in INTEGERS and not name.own), *nothing)
        if name.own and name.name not in own:
            own[name.name] = OwnHistory(kind=name.kind, unit=name.unit, values=values)
        elif not name.own and name.name not in figures:
            figures[name.name] = values
    return MetricColumns((*at, *newer.at), figures, own)


def _joined(rows: list[Rows], name: Name, whole: bool) -> tuple[int | float | None, ...]:
    """Return a metric's values in all these rows; None where it is unknown."""
    values: list[int | float | None] = []
    for part in rows:
        column = part.columns.get(name)
        if column is None:
            values += [None] * len(part.at)
        else:
            values += [
                None if math.isnan(value) else int(value) if whole else round(value, 4)
                for value in column
            ]
    return tuple(values)


def _range(since: float, until: float | None, now: float) -> tuple[float, float]:
    end = now if until is None else until
    if not math.isfinite(since) or not math.isfinite(end):
        raise RefusedError("bad_request", f"{since} to {end} is no time")
    end = min(end, now + 1.0)
    begin = max(since, now - BACK_S)
    if begin >= end:
        raise RefusedError("bad_request", "the time ends before it begins")
    return begin, end


def _step(span_s: float, asked: int | None) -> int:
    least = span_s / HISTORY_STEPS
    if asked is not None and asked < 1:
        raise RefusedError("bad_request", f"a step of {asked} s; the shortest is 1 s")
    if asked is not None and asked >= least:
        return asked
    return next((each for each in ROUND_S if each >= least), ROUND_S[-1])


def _column(name: Name, column: dict[int, HistoryStep], first: int, end: int) -> HistoryColumn:
    steps = [column.get(number) for number in range(first, end)]
    return HistoryColumn(
        name=name.name,
        own=name.own,
        kind=name.kind,
        unit=name.unit,
        low=tuple(None if step is None else _rounded(step.low) for step in steps),
        high=tuple(None if step is None else _rounded(step.high) for step in steps),
        mean=tuple(None if step is None else _rounded(step.total / step.samples) for step in steps),
        samples=tuple(0 if step is None else step.samples for step in steps),
    )


def _rounded(value: float) -> float:
    """Return what a float on disk holds of a number."""
    return float(f"{value:.7g}")
