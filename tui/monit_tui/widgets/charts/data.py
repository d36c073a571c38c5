"""What the charts of one row show: its instances, their metrics in steps, and marks of events."""

from collections.abc import Callable
from functools import partial

from monit_agent.client.source import Source
from monit_agent.client.text.sanitize import printable
from monit_agent.client.view import InstanceView
from monit_tui.event_history import EventHistory
from monit_tui.model.charts.app_metrics import metric_details, text_value
from monit_tui.model.charts.chart_times import ChartTimes
from monit_tui.model.charts.marks import EventMark, marks_of
from monit_tui.model.charts.series import (
    DETAILS,
    KINDS,
    ChartKind,
    chart_kinds_of,
    combined_steps,
    current_value,
    has_probe,
    listed_kinds,
    threshold,
)
from monit_tui.model.charts.steps import MetricStep, StepTable, Window
from monit_tui.model.processes.rows import RowKey, instances_of
from monit_tui.text.brief import present_text
from monit_tui.widgets.charts.history import INSTANCES, ChartHistory
from monit_tui.widgets.charts.strips import ChartState

NOT_RUNNING = "not running; the charts show the past"
NO_PROBE = "no probe in this worker; heap and event-loop lag are unknown"

PROBE_WITHIN_S = 5.0
"""A probe reports once a second; of a worker that is younger, nothing is said to be missing."""

_NAMED = {kind.name: kind for kind in KINDS}


class ChartData:
    """The metrics of one row, now and in the past."""

    def __init__(self, source: Source, events: EventHistory, changed: Callable[[], None]) -> None:
        self.key: RowKey | None = None
        self._source, self._events = source, events
        self._history = ChartHistory(source, changed)
        self._steps: dict[ChartKind, tuple[object, list[MetricStep | None]]] = {}
        """What was computed last, of the kinds that are drawn."""
        events.changed.append(lambda _app: changed())

    def wall(self) -> float:
        """Return the present wall time."""
        return self._source.wall()

    def views(self) -> list[InstanceView]:
        """Return the instances of the row."""
        if self.key is None:
            return []
        fleet = self._source.fleet
        found = [fleet.instance(one) for one in instances_of(fleet, self.key)]
        return [view for view in found if view is not None]

    def kinds(self, window: Window) -> tuple[ChartKind, ...]:
        """Return the metrics with a line of their own: those known now, or in a window."""
        views = self.views()
        if not views:
            return ()
        past = {
            name for table in self._history.tables(views, window.step_s) for name in table.names()
        }
        return listed_kinds(chart_kinds_of(views), views, past)

    def steps(self, kind: ChartKind, window: Window) -> list[MetricStep | None]:
        """Return a metric in the steps of a window."""
        tables = self._history.tables(self.views(), window.step_s)
        state = (window, self._history.is_waiting, [(id(one), one.version) for one in tables])
        cached = self._steps.get(kind)
        if cached is None or cached[0] != state:
            cached = self._steps[kind] = (state, self._combined(kind, tables, window))
        return cached[1]

    def _combined(
        self, kind: ChartKind, tables: list[StepTable], window: Window
    ) -> list[MetricStep | None]:
        each = [table.steps(kind.column, window.first, window.end) for table in tables]
        steps = combined_steps(kind, each)
        if self._history.is_waiting and len(tables) > 1:
            # the sum of those instances that have answered would be too low
            known = max(table.begin for table in tables) // window.step_s
            missing = max(0, min(len(steps), int(known) - window.first))
            return [None] * missing + steps[missing:]
        return steps

    def behind(self, kind: ChartKind) -> ChartKind | None:
        """Return the metric that is drawn behind another."""
        return _NAMED.get(kind.behind or "")

    def threshold(self, kind: ChartKind) -> tuple[float, str] | None:
        """Return the value that should not be reached, and what it is."""
        app = self._source.fleet.apps.get(self.key.app) if self.key else None
        record = app.record if app else None
        return threshold(kind, self.views(), record.policy.max_memory_bytes if record else None)

    def value(self, kind: ChartKind) -> str:
        """Return the newest value as text."""
        text = text_value(kind.own, self.views()) if kind.own else None
        value = current_value(kind, self.views())
        return present_text(kind.text, value) if text is None else text

    def details(self, kind: ChartKind) -> str:
        """Return the numbers that belong to a metric: ``p50 1.0ms  p95 3.1ms``."""
        if kind.own:
            return metric_details(kind.own, self.views())
        parts = DETAILS.get(kind.name, ())
        return "  ".join(f"{word} {self.value(_NAMED[name])}" for word, name in parts)

    def note(self) -> str:
        """Return why numbers are missing, "" when none are."""
        views = self.views()
        problem = self._history.problems.get(views[0].identity.app_id, "") if views else ""
        if len(views) > INSTANCES:
            return f"of the first {INSTANCES} of {len(views)} instances"
        if problem:
            return f"the past is not known: {printable(problem)}"
        if all(view.record.pid is None for view in views):
            return NOT_RUNNING
        began = [view.record.started_at for view in views if view.record.started_at is not None]
        is_new = bool(began) and self.wall() - min(began) < PROBE_WITHIN_S
        return "" if is_new or has_probe(views) else NO_PROBE

    def marks(self) -> list[EventMark]:
        """Return the marks of all known events of the row, oldest first."""
        if self.key is None:
            return []
        return marks_of(self._events.events(self.key.app), self.key.instance)

    def state(
        self, kinds: tuple[ChartKind, ...], chosen: ChartKind, window: Window, times: ChartTimes
    ) -> ChartState:
        """Return what the charts show."""
        return ChartState(
            kinds=tuple(kind for kind in kinds if kind.own is None or kind.own.kind != "text"),
            chosen=chosen,
            window=window,
            span_s=times.seconds,
            steps=partial(self.steps, window=window),
            now=self.value,
            behind=self.behind,
            threshold=self.threshold,
            marks=tuple(
                mark for mark in self.marks() if window.begin <= mark.event.at < window.until
            ),
            cursor=times.cursor,
        )

    def take_samples(self, window: Window) -> None:
        """Take in new samples, and request what is missing of a window."""
        views = self.views()
        if views:
            kinds = chart_kinds_of(views)
            if len(self._steps) > len(kinds):  # other metrics of another app
                self._steps.clear()
            self._history.add_samples(views, kinds, window.step_s)
            self._history.fetch(views, kinds, window)
            self._events.fetch_since(views[0].identity.app_id, window.begin)
