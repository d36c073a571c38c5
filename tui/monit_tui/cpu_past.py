"""Fetches the CPU of the minutes before the screen was opened, for the small plots in rows."""

from collections.abc import Callable, Iterable, Mapping

from monit_agent.client.source import Source
from monit_agent.client.view import InstanceView
from monit_agent.wire.ids import InstanceId
from monit_agent.wire.messages import Answer, HistoryPart, HistoryRange
from monit_tui.model.charts.spark import STEP_S, STEPS

FIGURE = "cpu_percent"

AFTER_S = 1.0
"""The first frame goes first."""

IN_FLIGHT = 8
"""Most requests that wait for an answer."""

CpuByStep = Mapping[int, float]
"""Highest CPU by step of the clock."""

NOTHING: CpuByStep = {}


class CpuPast:
    """The CPU of instances in steps, as their agents remember it; each is requested once."""

    def __init__(self, source: Source, changed: Callable[[], None]) -> None:
        self._source, self._changed = source, changed
        self._steps: dict[InstanceId, CpuByStep] = {}
        self._opened_at = source.monotonic()
        self._flying = 0

    def steps(self, identity: InstanceId) -> CpuByStep:
        """Return what was fetched of an instance."""
        return self._steps.get(identity, NOTHING)

    def request(self, views: Iterable[InstanceView]) -> None:
        """Request what is missing for these instances."""
        if self._source.monotonic() - self._opened_at < AFTER_S:
            return
        for view in views:
            if self._flying >= IN_FLIGHT:
                return
            app = self._source.fleet.apps.get(view.identity.app_id)
            if view.identity in self._steps or app is None or app.link != "live":
                continue
            self._ask(view.identity)

    def forget_gone(self) -> None:
        """Forget instances that no longer exist."""
        fleet = self._source.fleet
        for identity in [one for one in self._steps if fleet.instance(one) is None]:
            del self._steps[identity]

    def _ask(self, identity: InstanceId) -> None:
        self._flying += 1
        self._steps[identity] = NOTHING
        since = self._source.wall() - STEPS * STEP_S
        request = HistoryRange(
            instance=identity.instance, since=since, step_s=int(STEP_S), names=(FIGURE,)
        )

        def then(answer: Answer) -> None:
            self._flying -= 1
            steps = _steps_of(answer)
            if steps and identity in self._steps:
                self._steps[identity] = steps
                self._changed()

        self._source.send_request(identity.app_id, request, then)


def _steps_of(answer: Answer) -> CpuByStep:
    if not isinstance(answer, HistoryPart) or answer.step_s != STEP_S:
        return NOTHING
    first = round(answer.begin / STEP_S)
    found = (column for column in answer.columns if column.name == FIGURE and not column.own)
    return {
        first + place: value
        for column in found
        for place, value in enumerate(column.high)
        if value is not None
    }
