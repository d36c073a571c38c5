"""Fetches the past of metrics from the agents, in steps, and keeps what was fetched.

Agents answer from their files while the screen goes on; an answer is merged when it comes, and
until then the chart shows what is known. Everything is bounded: instances of one chart, requests
that wait for an answer, tables that are kept.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import NamedTuple

from monit_agent.client.source import Source
from monit_agent.client.view import InstanceView
from monit_agent.wire.ids import AppId, InstanceId
from monit_agent.wire.limits import HISTORY_NAMES
from monit_agent.wire.messages import Answer, HistoryPart, HistoryRange, Refused, Sample
from monit_tui.model.charts.series import FACTORS, ChartKind
from monit_tui.model.charts.steps import StepTable, Window

INSTANCES = 32
"""Most instances of one app that a chart combines; of more, the first ones."""

TABLES = 64
"""Tables that are kept, least recently used last: 20 metrics in 400 steps take 250 kB."""

IN_FLIGHT = 4
"""Most requests that wait for an answer, so that many instances do not keep an agent busy."""

AGAIN_S = 10.0
"""How long a refused request is not sent again."""

BEHIND_S = 6.0
"""How far live samples may be behind before what is missing is requested."""

LIVE_S = 600
"""Most samples, over all instances, that a new table takes from what was received already, so
that a chart has values at once: more would take longer than a key may."""


class _Key(NamedTuple):
    identity: InstanceId
    created_at: float
    """Of the app: one that was deleted and started again has another past."""
    step_s: int


class ChartHistory:
    """Tables of steps by instance and length of step."""

    def __init__(self, source: Source, changed: Callable[[], None]) -> None:
        self.problems: dict[AppId, str] = {}
        """By app: why its past is not available."""
        self._source, self._changed = source, changed
        self._tables: OrderedDict[_Key, StepTable] = OrderedDict()
        self._waiting: set[_Key] = set()
        self._refused: dict[_Key, float] = {}
        self._seen: dict[_Key, float] = {}

    @property
    def is_waiting(self) -> bool:
        """Return whether an answer is expected."""
        return bool(self._waiting)

    def tables(self, views: Sequence[InstanceView], step_s: int) -> list[StepTable]:
        """Return the tables of these instances."""
        return [self._table(self._key(view, step_s)) for view in views[:INSTANCES]]

    def add_samples(
        self, views: Sequence[InstanceView], kinds: Sequence[ChartKind], step_s: int
    ) -> None:
        """Add the samples that are new since the last call."""
        for key in [key for key in self._tables if not self._exists(key)]:
            self._forget(key)
        most = LIVE_S // max(1, min(len(views), INSTANCES))
        for view in views[:INSTANCES]:
            key = self._key(view, step_s)
            table = self._table(key)
            seen = self._seen.get(key, 0.0)
            if not view.history:
                continue
            newest = view.history[-1].at
            if newest < seen:  # the clock was set back
                self._forget(key)
                table, seen = self._table(key), 0.0
            since = max(seen, newest - most)
            for sample in _later(view, since):
                values = {kind.column: kind.past(view, sample) for kind in kinds}
                table.add(sample.at, values)
            self._seen[key] = newest

    def fetch(
        self, views: Sequence[InstanceView], kinds: Sequence[ChartKind], window: Window
    ) -> None:
        """Request what is not known of a window."""
        figures = [kind.figure for kind in kinds if kind.own is None]
        own = [kind.figure for kind in kinds if kind.own is not None]
        names = tuple([*figures, *own][:HISTORY_NAMES])
        for view in views[:INSTANCES]:
            if len(self._waiting) >= IN_FLIGHT:
                return
            key = self._key(view, window.step_s)
            if key not in self._waiting and not self._is_refused(key):
                self._fetch(key, names, window)

    def _fetch(self, key: _Key, names: tuple[str, ...], window: Window) -> None:
        app = self._source.fleet.apps.get(key.identity.app_id)
        if app is None or app.link != "live":
            return
        now = self._source.wall()
        missing = _missing(self._table(key), window, now)
        if missing is None:
            return
        since, until = missing
        self._waiting.add(key)
        request = HistoryRange(
            instance=key.identity.instance,
            since=since,
            until=until if until < now else None,
            step_s=window.step_s,
            names=names,
        )
        self._source.send_request(
            key.identity.app_id, request, lambda answer: self._take(key, (since, until), answer)
        )

    def _take(self, key: _Key, asked: tuple[float, float], answer: Answer) -> None:
        self._waiting.discard(key)
        if isinstance(answer, HistoryPart):
            table = self._table(key)
            table.merge(answer, FACTORS)
            table.note_known(*asked)
            self.problems.pop(key.identity.app_id, None)
        else:
            self._refused[key] = self._source.monotonic()
            if isinstance(answer, Refused):
                self.problems[key.identity.app_id] = answer.message
        self._changed()

    def _is_refused(self, key: _Key) -> bool:
        since = self._refused.get(key)
        if since is not None and self._source.monotonic() - since >= AGAIN_S:
            del self._refused[key]
            return False
        return since is not None

    def _exists(self, key: _Key) -> bool:
        return self._source.fleet.instance(key.identity) is not None

    def _key(self, view: InstanceView, step_s: int) -> _Key:
        app = self._source.fleet.apps.get(view.identity.app_id)
        created = app.record.created_at if app is not None and app.record is not None else 0.0
        return _Key(view.identity, created, step_s)

    def _table(self, key: _Key) -> StepTable:
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = StepTable(key.step_s)
            while len(self._tables) > TABLES:
                self._forget(next(iter(self._tables)))
        self._tables.move_to_end(key)
        return table

    def _forget(self, key: _Key) -> None:
        for known in (self._tables, self._seen, self._refused):
            known.pop(key, None)


def _later(view: InstanceView, since: float) -> list[Sample]:
    """Return the samples after a wall time, oldest first."""
    fresh = list(takewhile(lambda sample: sample.at > since, reversed(view.history)))
    return fresh[::-1]


def _missing(table: StepTable, window: Window, now: float) -> tuple[float, float] | None:
    """Return the wall times between which a window is not known; None when it is."""
    begin, until = window.begin, min(window.until, now)
    if begin >= until:
        return None
    if not table.since or begin > table.until or until < table.since:
        table.note_unknown()
        return begin, until
    if begin < table.since:
        return begin, table.since
    return (table.until, until) if until - table.until > BEHIND_S else None
