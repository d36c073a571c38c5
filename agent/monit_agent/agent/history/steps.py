"""From seconds to steps: smallest, largest, sum and number of the values in each. Pure.

A step is addressed by its number, the wall time of its begin divided by its length, and a mean is
made when it is shown: a mean of means would be wrong.
"""

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import NamedTuple, TypeAlias

from monit_agent.agent.history.second import Name
from monit_agent.agent.history.segments import Rows


class HistoryStep(NamedTuple):
    """What is known of one metric in one step."""

    low: float
    high: float
    total: float
    samples: int


Steps: TypeAlias = dict[Name, dict[int, HistoryStep]]
"""By metric and number of the step."""


def steps_of_rows(rows: Iterable[Rows], length_s: float, names: frozenset[str] | None) -> Steps:
    """Return the steps of these seconds, of the metrics called ``names`` (None: of all)."""
    steps: Steps = {}
    for part in rows:
        bounds = _bounds(part.at, length_s)
        for name, column in part.columns.items():
            if names is not None and name.name not in names:
                continue
            found = {number: _step(column[begin:end]) for number, begin, end in bounds}
            merge(steps, {name: {number: step for number, step in found.items() if step}})
    return steps


def _step(values: tuple[float, ...]) -> HistoryStep | None:
    """Return what these seconds make; None when nothing is known of any."""
    total = sum(values)
    if math.isnan(total):  # one of them is unknown
        values = tuple(value for value in values if not math.isnan(value))
        total = sum(values)
    return HistoryStep(min(values), max(values), total, len(values)) if values else None


def _bounds(at: tuple[float, ...], length_s: float) -> list[tuple[int, int, int]]:
    """Return number, first place and end of each step in these times."""
    bounds: list[tuple[int, int, int]] = []
    begin = 0
    for number, group in groupby(at, lambda each: int(each // length_s)):
        end = begin + sum(1 for _ in group)
        bounds.append((number, begin, end))
        begin = end
    return bounds


def coarser(steps: Steps, factor: int) -> Steps:
    """Return steps that are ``factor`` times as long."""
    if factor == 1:
        return steps
    joined: Steps = {}
    for name, column in steps.items():
        into = joined.setdefault(name, {})
        for number, step in column.items():
            _add(into, number // factor, step)
    return joined


def merge(into: Steps, more: Mapping[Name, Mapping[int, HistoryStep]]) -> None:
    """Add ``more`` to ``into``; steps that both have are joined."""
    for name, column in more.items():
        target = into.setdefault(name, {})
        if target.keys().isdisjoint(column):  # rows are: a third of the time for a day
            target.update(column)
            continue
        for number, step in column.items():
            _add(target, number, step)


def _add(column: dict[int, HistoryStep], number: int, step: HistoryStep) -> None:
    known = column.get(number)
    if known is not None:
        step = HistoryStep(
            min(known.low, step.low),
            max(known.high, step.high),
            known.total + step.total,
            known.samples + step.samples,
        )
    column[number] = step
