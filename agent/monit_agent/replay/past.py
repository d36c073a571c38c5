"""The past of a replayed app in steps, as an agent answers it from its files."""

import math
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from monit_agent.replay.app import ReplayedApp
from monit_agent.wire.limits import HISTORY_STEPS
from monit_agent.wire.messages import (
    HistoryColumn,
    HistoryPart,
    HistoryRange,
    Metric,
    Refused,
    Sample,
)
from monit_agent.wire.metrics import FIGURES, drawn, figure

SAMPLES = 3
"""Samples in each step: a replayed hour must not take a second to compute."""


def history(app: ReplayedApp, request: HistoryRange) -> HistoryPart | Refused:
    """Return what a request for the past is answered."""
    instance = request.instance
    if instance is None:
        text = "a scene has the past of instances, and not of an app as a whole"
        return Refused(kind="unsupported", message=text)
    until = app.wall() if request.until is None else request.until
    step_s = max(request.step_s or 1, math.ceil((until - request.since) / HISTORY_STEPS), 1)
    first, end = math.floor(request.since / step_s), math.ceil(until / step_s)
    steps = [_step(app, instance, number * step_s, step_s) for number in range(first, end)]
    own = steps[-1][-1].metrics if steps and steps[-1] else {}
    names = request.names or (*FIGURES, *own)
    columns = [_column(name, steps) for name in names if name in FIGURES]
    columns += [_own_column(name, own[name], steps) for name in names if name in own]
    return HistoryPart(
        instance=instance,
        step_s=step_s,
        begin=float(first * step_s),
        steps=len(steps),
        columns=tuple(column for column in columns if any(column.samples)),
    )


def _step(app: ReplayedApp, instance: int, begin: float, step_s: int) -> list[Sample]:
    moments = {begin + step_s * part // SAMPLES for part in range(SAMPLES)}
    return [
        app.sample(instance, at)
        for at in sorted(moments)
        if app.record.created_at <= at <= app.wall()
    ]


def _column(name: str, steps: Sequence[Sequence[Sample]]) -> HistoryColumn:
    return _filled(HistoryColumn(name=name), steps, lambda sample: figure(sample, name))


def _own_column(name: str, metric: Metric, steps: Sequence[Sequence[Sample]]) -> HistoryColumn:
    column = HistoryColumn(name=name, own=True, kind=metric.kind, unit=metric.unit)
    return _filled(
        column,
        steps,
        lambda sample: drawn(sample.metrics[name]) if name in sample.metrics else None,
    )


def _filled(
    column: HistoryColumn,
    steps: Sequence[Sequence[Sample]],
    read: Callable[[Sample], float | None],
) -> HistoryColumn:
    known = [[value for sample in step if (value := read(sample)) is not None] for step in steps]
    return replace(
        column,
        low=tuple(min(values, default=None) for values in known),
        high=tuple(max(values, default=None) for values in known),
        mean=tuple(sum(values) / len(values) if values else None for values in known),
        samples=tuple(map(len, known)),
    )
