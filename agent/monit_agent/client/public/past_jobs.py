"""Requests of programs for the past: events, metrics, crash reports. Agents have it on disk."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import get_args

from monit_agent.client.public.agent_answers import AgentRequest, AnswersJob
from monit_agent.client.public.api_requests import ReadCrashes, ReadEvents, ReadHistory
from monit_agent.client.public.jobs import (
    Chosen,
    Receiver,
    Reply,
    RequestFailedError,
    event_of,
)
from monit_agent.client.public.records import (
    AppEvent,
    CrashOutput,
    CrashRecord,
    HistoryPoint,
    HistorySeries,
    Item,
)
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.limits import EVENTS_READ
from monit_agent.wire.messages import (
    Answer,
    Crashes,
    CrashesPart,
    CrashReport,
    EventKind,
    EventsPart,
    EventsRange,
    HistoryColumn,
    HistoryPart,
    HistoryRange,
)

HISTORY_S = 3600.0
"""How far back a history goes that does not say when it begins."""

ANSWER_S = 15.0
"""How long an agent may take: a month of metrics is read from disk."""

KINDS: tuple[str, ...] = get_args(EventKind)


class EventsJob(AnswersJob):
    """Answers with the newest events of all targets, by time."""

    def __init__(self, source: Source, receiver: Receiver, request: ReadEvents) -> None:
        super().__init__(source, receiver, request.targets)
        self._request = request
        self._numbers: dict[AppId, tuple[int, ...] | None] = {}
        self._found: list[AppEvent] = []

    def requests(self, chosen: Chosen) -> list[AgentRequest]:
        """Ask each app; for all that it has, where only some of it is meant."""
        request = self._request
        for kind in request.kinds:
            if kind not in KINDS:
                near = get_close_matches(kind, KINDS, n=1)
                guess = f"did you mean {near[0]}?" if near else f"kinds: {', '.join(KINDS)}"
                text = f"{kind!r} is not a kind of event; {guess}"
                raise RequestFailedError("bad_request", text)
        apps = self.source.fleet.apps
        self._numbers = {app: chosen.numbers(apps[app]) for app in chosen.apps}
        is_sorted_here = request.kinds or any(each is not None for each in self._numbers.values())
        asked = EventsRange(
            since=request.since or 0.0,
            until=request.until,
            limit=EVENTS_READ if is_sorted_here else request.limit,
        )
        return [AgentRequest(app, asked, ANSWER_S) for app in chosen.apps]

    def items_of(self, app: AppId, answer: Answer) -> Iterable[Item]:
        """Keep the newest events; they are in the reply."""
        if isinstance(answer, EventsPart):
            numbers = self._numbers[app]
            self._found += [
                event_of(app, event)
                for event in answer.events
                if (numbers is None or event.instance is None or event.instance in numbers)
                and (not self._request.kinds or event.kind in self._request.kinds)
            ]
            self._found.sort(key=lambda each: (each.at, each.host, each.app, each.seq))
            del self._found[: -self._request.limit]
        return ()

    def finish(self) -> None:
        """Reply with what was found."""
        self.reply = Reply(events=tuple(self._found))


class HistoryJob(AnswersJob):
    """Sends series of points."""

    def __init__(self, source: Source, receiver: Receiver, request: ReadHistory) -> None:
        super().__init__(source, receiver, request.targets)
        self._request = request

    def requests(self, chosen: Chosen) -> list[AgentRequest]:
        """Ask for each instance, and for each app as a whole that has several."""
        since = self._request.since
        since = self.source.wall() - HISTORY_S if since is None else since
        found: list[AgentRequest] = []
        for app in chosen.apps:
            view = self.source.fleet.apps[app]
            numbers = chosen.numbers(view)
            if numbers is None and len(view.instances) > 1:
                whole = self._range(None, since)
                found.append(AgentRequest(app, whole, ANSWER_S, may_be_refused=True))
            some = sorted(view.instances) if numbers is None else numbers
            found += [AgentRequest(app, self._range(each, since), ANSWER_S) for each in some]
        return found

    def _range(self, instance: int | None, since: float) -> HistoryRange:
        request = self._request
        return HistoryRange(
            instance=instance,
            since=since,
            until=request.until,
            step_s=request.step_s,
            names=request.metrics,
        )

    def items_of(self, app: AppId, answer: Answer) -> Iterator[Item]:
        """Return a series for each metric."""
        if isinstance(answer, HistoryPart):
            for column in answer.columns:
                yield _series(app, answer, column)

    def finish(self) -> None:
        """Reply: all was sent."""
        self.reply = Reply()


def _series(app: AppId, part: HistoryPart, column: HistoryColumn) -> HistorySeries:
    steps = zip(column.low, column.high, column.mean, column.samples, strict=True)
    return HistorySeries(
        host=app.host,
        app=app.app,
        instance=part.instance,
        metric=column.name,
        own=column.own,
        kind=column.kind,
        unit=column.unit,
        step_s=part.step_s,
        points=tuple(
            HistoryPoint(
                at=part.begin + number * part.step_s, low=low, high=high, mean=mean, samples=samples
            )
            for number, (low, high, mean, samples) in enumerate(steps)
            if low is not None and high is not None and mean is not None
        ),
    )


class CrashesJob(AnswersJob):
    """Sends crash reports."""

    def __init__(self, source: Source, receiver: Receiver, request: ReadCrashes) -> None:
        super().__init__(source, receiver, request.targets)
        self._request = request

    def requests(self, chosen: Chosen) -> list[AgentRequest]:
        """Ask for each instance, because the limit is one of each."""
        limit = self._request.limit
        return [
            AgentRequest(each.app_id, Crashes(instance=each.instance, limit=limit), ANSWER_S)
            for each in sorted(chosen.instances)
        ]

    def items_of(self, app: AppId, answer: Answer) -> Iterator[Item]:
        """Return a record for each report."""
        if isinstance(answer, CrashesPart):
            for report in answer.reports:
                yield _crash(app, report)

    def finish(self) -> None:
        """Reply: all was sent."""
        self.reply = Reply()


def _crash(app: AppId, report: CrashReport) -> CrashRecord:
    return CrashRecord(
        host=app.host,
        app=app.app,
        instance=report.instance,
        exit=report.exit,
        pid=report.pid,
        reason=report.reason,
        hint=report.hint,
        lines=tuple(
            CrashOutput(
                stream=line.stream,
                offset=line.offset,
                at=line.at_ns / 1e9 if line.at_ns else None,
                line=line.text,
            )
            for line in report.lines
        ),
        at=report.at,
        figures=report.figures,
        before=tuple(event_of(app, event) for event in report.before),
    )
