"""What is known of the metrics of one instance, in steps of time. Pure.

A step holds the lowest, the highest and the mean value of its seconds, so that a short peak is not
averaged away. Steps begin at multiples of their length: a chart moves once a step and not once a
second. A step without a value is a gap, never 0.
"""

import math
from array import array
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from monit_agent.wire.messages import HistoryPart

MOST_STEPS = 4096
"""Steps that a table keeps: two answers of an agent. A metric then takes 130 kB."""

CONTINUES_S = 3.0
"""Samples that are at most this far apart follow each other; an agent takes one each second."""

LENGTHS = (
    1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600,
    43200, 86400, 172800,
)  # fmt: skip
"""Seconds of a step; each begins and ends at a round time."""

GRAINS = ((3600.0, 1), (86400.0, 10), (math.inf, 60))
"""(age, seconds of a step) of what an agent keeps on disk."""


class MetricStep(NamedTuple):
    """The values of one metric in one step."""

    low: float
    high: float
    mean: float


class Window(NamedTuple):
    """The steps that a chart shows: from ``first`` to before ``end``, each of ``step_s`` seconds
    since 1970."""

    first: int
    end: int
    step_s: int

    @property
    def begin(self) -> float:
        """Return the wall time at which the first step begins."""
        return float(self.first * self.step_s)

    @property
    def until(self) -> float:
        """Return the wall time at which the last step ends."""
        return float(self.end * self.step_s)

    def place(self, at: float) -> float:
        """Return where a wall time is: 0 at the left edge, 1 at the right one."""
        return (at - self.begin) / (self.until - self.begin)


def choose_window(span_s: int, until: float, now: float, columns: int) -> Window:
    """Return the steps of the last ``span_s`` seconds before ``until``, at most one in each of
    ``columns``, and not shorter than what is kept of that time."""
    age = now - (until - span_s)
    kept = next(grain for limit, grain in GRAINS if age <= limit + 60)
    least = max(span_s / max(1, columns), kept)
    step_s = next((length for length in LENGTHS if length >= least), LENGTHS[-1])
    end = math.floor(until / step_s) + 1
    return Window(end - math.ceil(span_s / step_s), end, step_s)


class _Column:
    """One metric: a value for each step, NaN for a gap."""

    __slots__ = ("count", "high", "low", "mean")

    def __init__(self, size: int) -> None:
        self.low, self.high, self.mean = _gaps(size), _gaps(size), _gaps(size)
        self.count = array("d", [0.0]) * size
        """Samples of each step."""

    def resize(self, before: int, after: int) -> None:
        """Add gaps at both ends; negative numbers cut."""
        self.low, self.high, self.mean = (
            _resized(values, before, after, math.nan) for values in (self.low, self.high, self.mean)
        )
        self.count = _resized(self.count, before, after, 0.0)

    def add(self, place: int, step: MetricStep, samples: float) -> None:
        """Take in more of a step. What is known of it twice changes nothing."""
        if not self.count[place]:
            self.low[place], self.high[place], self.mean[place] = step
        else:
            self.low[place] = min(self.low[place], step.low)
            self.high[place] = max(self.high[place], step.high)
            if samples >= self.count[place]:
                self.mean[place] = step.mean
        self.count[place] = max(self.count[place], samples)

    def add_one(self, place: int, value: float) -> None:
        """Take in one more sample of a step."""
        count = self.count[place]
        mean = value if not count else self.mean[place] + (value - self.mean[place]) / (count + 1)
        self.add(place, MetricStep(value, value, mean), count + 1)

    def steps(self, first: int, end: int) -> list[MetricStep | None]:
        """Return the steps between two places; None for each gap."""
        parts = (values[first:end] for values in (self.low, self.high, self.mean, self.count))
        return [
            MetricStep(low, high, mean) if count else None
            for low, high, mean, count in zip(*parts, strict=True)
        ]


def _gaps(size: int) -> "array[float]":
    return array("d", [math.nan]) * size


def _resized(values: "array[float]", before: int, after: int, blank: float) -> "array[float]":
    filling = array("d", [blank])
    values = filling * max(0, before) + values[max(0, -before) :]
    return values[:after] if after < 0 else values + filling * after


TOO_LARGE = 1e15
"""Values from here on, infinite ones and what is no number are not drawn: apps may say anything."""


class StepTable:
    """All metrics of one instance in steps of one length, bounded by `MOST_STEPS`."""

    def __init__(self, step_s: int) -> None:
        self.step_s = step_s
        self.since = self.until = 0.0
        """The wall times between which everything is known that the agent knows."""
        self.size = 0
        """Steps that have room."""
        self.version = 0
        """Grows with each change."""
        self._first = 0
        self._columns: dict[str, _Column] = {}

    @property
    def begin(self) -> float:
        """Return the wall time from which on something is known."""
        return self.since or float(self._first * self.step_s)

    def merge(self, part: "HistoryPart", factors: Mapping[str, float]) -> None:
        """Take in what an agent answered; columns named in ``factors`` are multiplied."""
        first = round(part.begin / self.step_s)
        if part.step_s != self.step_s or not part.steps:
            return
        self.version += 1
        self._reserve(first, first + part.steps)
        offset = first - self._first
        for column in part.columns:
            own = self._column(column_name(column.name, own=column.own))
            factor = 1.0 if column.own else factors.get(column.name, 1.0)
            values = zip(column.low, column.high, column.mean, column.samples, strict=False)
            for place, (low, high, mean, samples) in enumerate(values, offset):
                if low is None or high is None or mean is None or not samples:
                    continue
                step = MetricStep(low * factor, high * factor, mean * factor)
                if 0 <= place < self.size and all(abs(value) < TOO_LARGE for value in step):
                    own.add(place, step, samples)

    def add(self, at: float, values: Mapping[str, float | None]) -> None:
        """Take in one sample."""
        place = math.floor(at / self.step_s)
        self.version += 1
        self._reserve(place, place + 1)
        for name, value in values.items():
            if value is not None:
                self._column(name).add_one(place - self._first, value)
        if at - self.until <= CONTINUES_S:
            self.until = max(self.until, at)

    def note_known(self, since: float, until: float) -> None:
        """Note that everything between these wall times was answered; they touch what is known."""
        self.since = min(self.since or since, since)
        self.until = max(self.until, until)

    def note_unknown(self) -> None:
        """Note that what comes next does not touch what was known."""
        self.since = self.until = 0.0

    def names(self) -> Collection[str]:
        """Return the names of the metrics of which anything is known."""
        return self._columns.keys()

    def steps(self, name: str, first: int, end: int) -> list[MetricStep | None]:
        """Return the steps of a metric; None for each gap."""
        column = self._columns.get(name)
        if column is None:
            return [None] * (end - first)
        low = max(first, self._first)
        high = max(low, min(end, self._first + self.size))
        if low >= end or high <= first:
            return [None] * (end - first)
        known = column.steps(low - self._first, high - self._first)
        return [None] * (low - first) + known + [None] * (end - high)

    def _column(self, name: str) -> _Column:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _Column(self.size)
        return column

    def _reserve(self, first: int, end: int) -> None:
        """Make room for these steps, and drop what is too far from them."""
        if not self.size:
            self._first = first
        have = self._first + self.size
        low, high = min(first, self._first), max(end, have)
        if high - low > MOST_STEPS:
            low = max(low, end - MOST_STEPS) if end > have else low
            high = min(high, low + MOST_STEPS)
        if low >= have or high <= self._first:  # far from what was known
            self._columns, self._first, self.size = {}, low, high - low
            self.since = self.until = 0.0
            return
        if (low, high) == (self._first, have):
            return
        for column in self._columns.values():
            column.resize(self._first - low, high - have)
        self._first, self.size = low, high - low
        if self.since:
            self.since = max(self.since, float(low * self.step_s))
            self.until = min(self.until, float(high * self.step_s))


def column_name(name: str, *, own: bool) -> str:
    """Return the name of a metric in a table: an app may call its own one like a figure."""
    return f"own {name}" if own else name


def summary(steps: list[MetricStep | None]) -> tuple[float, float, float, int] | None:
    """Return the lowest, the mean and the highest value and the place of that; None without any."""
    known = [(place, step) for place, step in enumerate(steps) if step is not None]
    if not known:
        return None
    place, top = max(known, key=lambda one: (one[1].high, one[0]))
    low = min(step.low for _, step in known)
    return low, sum(step.mean for _, step in known) / len(known), top.high, place


def is_flat(steps: list[MetricStep | None]) -> bool:
    """Return whether several values are known and all are the same."""
    known = [step for step in steps if step is not None]
    return len(known) > 1 and all(
        step.low == known[0].low and step.high == known[0].low for step in known
    )
