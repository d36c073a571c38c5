"""What the agent of a replayed app answers."""

import json

from monit_agent.replay.app import HISTORY_SAMPLES, ReplayedApp
from monit_agent.replay.commands import carry_out
from monit_agent.replay.log import ReplayedLog
from monit_agent.replay.log_search import search_log
from monit_agent.replay.past import history
from monit_agent.replay.profile import make_profile
from monit_agent.wire.messages import (
    ActionResult,
    Actions,
    ActionsPart,
    Answer,
    AppSnapshot,
    Blocked,
    BlockedPart,
    BlockedTable,
    Crashes,
    EventsPart,
    EventsRange,
    Frame,
    HistoryRange,
    InstanceRecord,
    Listing,
    LogRange,
    LogSearch,
    LogSince,
    LogTail,
    MakeProfile,
    MetricsPart,
    MetricsRange,
    Offer,
    OwnHistory,
    Refused,
    Request,
    Sample,
    Snapshot,
    Totals,
    Trigger,
    TriggerPart,
    Usage,
    UsagePart,
)
from monit_agent.wire.metric_columns import columns_of
from monit_agent.wire.metrics import drawn


def answer(app: ReplayedApp, request: Request) -> Answer:
    """Return what an agent would answer."""
    number = getattr(request, "instance", None)
    if number is not None and number not in app.instances:
        message = f"{app.record.name} has no instance {number}"
        return Refused(kind="no_such_instance", message=message)
    match request:
        case Snapshot():
            return snapshot(app)
        case LogRange() | LogTail() | LogSince() | LogSearch():
            return _read_log(app, request)
        case (
            MetricsRange() | HistoryRange() | EventsRange() | Usage() | BlockedTable()
            | Actions() | Trigger() | MakeProfile()
        ):  # fmt: skip
            return _measured(app, request)
        case Listing() | Crashes() | Totals():
            return Refused(kind="unsupported", message="a scene has no files")
        case _:
            return carry_out(app, request)


Asked = (
    MetricsRange | HistoryRange | EventsRange | Usage | BlockedTable | Actions | Trigger
    | MakeProfile
)  # fmt: skip


def _measured(app: ReplayedApp, request: Asked) -> Answer:
    match request:
        case Actions() | Trigger() | MakeProfile():
            return _by_probe(app, request)
        case MetricsRange():
            return _metrics(app, request.instance, request.seconds)
        case HistoryRange():
            return history(app, request)
        case EventsRange():
            end = app.wall() if request.until is None else request.until
            events = (event for event in app.events if request.since <= event.at < end)
            return EventsPart(events=tuple(events)[-request.limit :])
        case Usage():
            return _usage(app, request.instance)
        case BlockedTable():
            return _blocked(app, request.instance)


def _by_probe(app: ReplayedApp, request: Actions | Trigger | MakeProfile) -> Answer:
    if isinstance(request, MakeProfile):
        return make_profile(app, request)
    return _own_actions(app, request)


OFFERED = (
    ("clear", "Forget the price list and read it again."),
    ("gc", "Collect garbage."),
    ("stacks", "Show what every thread is doing."),
)
"""What can be triggered in an app with a probe."""


def _own_actions(app: ReplayedApp, request: Actions | Trigger) -> Answer:
    numbers = [
        number
        for number in ([request.instance] if request.instance is not None else app.instances)
        if app.sample(number, app.wall()).heap is not None
    ]
    offers = tuple(
        Offer(name=name, help=text, processes=len(numbers)) for name, text in OFFERED if numbers
    )
    if isinstance(request, Actions):
        return ActionsPart(offers=offers)
    if request.action not in [offer.name for offer in offers]:
        return TriggerPart(offers=offers)
    results = (_result(app.instances[number], request) for number in numbers)
    return TriggerPart(results=tuple(results))


def _result(record: InstanceRecord, request: Trigger) -> ActionResult:
    """Return what one process answers: the second one's price list is locked."""
    pid, number = record.pid or 0, record.instance
    if request.action == "clear" and number == 1:
        error = "BlockingIOError: prices.json is locked by pid 812"
        return ActionResult(instance=number, pid=pid, ok=False, value=error)
    values: dict[str, object] = {
        "clear": {"forgotten": 214 + number, "words": list(request.args)},
        "gc": {"collected": 1203, "uncollectable": 0, "ms": 8.4},
        "stacks": [{"thread": "MainThread", "stack": [
            {"file": "app/orders.py", "line": 41, "function": "checkout"},
            {"file": "app/main.py", "line": 12, "function": "main"},
        ]}],
    }  # fmt: skip
    value = json.dumps(values[request.action])
    return ActionResult(instance=number, pid=pid, ok=True, value=value)


def snapshot(app: ReplayedApp) -> AppSnapshot:
    """Return everything at this moment."""
    return AppSnapshot(
        epoch=app.epoch,
        event_seq=app.event_seq,
        agent_pid=(app.record.keeper_pid or 0) + 1,
        agent_version="0.1.0",
        app=app.record,
        rollout=app.rollout,
        instances=tuple(app.instances[number] for number in sorted(app.instances)),
        samples={number: app.sample(number, app.wall()) for number in app.instances},
        logs=tuple(log.log_end() for log in app.logs.values()),
        events=app.events,
        keeper_alive=app.keeper_alive,
    )


def _usage(app: ReplayedApp, number: int) -> UsagePart:
    rss = app.sample(number, app.wall()).tree.rss_bytes
    return UsagePart(instance=number, uss_bytes=None if rss is None else rss * 4 // 5)


def _blocked(app: ReplayedApp, number: int) -> BlockedPart:
    """Return a table of an app with a probe: one place, worse the longer its worker runs."""
    sample, record = app.sample(number, app.wall()), app.instances[number]
    if sample.loop is None or record.started_at is None:
        return BlockedPart(instance=number)
    times = int((app.wall() - record.started_at) // 600)
    stack = (
        Frame(file="app/pricing.py", line=88, function="Cart.total"),
        Frame(file="app/orders.py", line=41, function="checkout"),
    )
    block = Blocked(
        kind="callback", stack=stack, count=times, total_ms=131.0 * times, max_ms=212.0,
        first_at=record.started_at, last_at=app.wall(),
    )  # fmt: skip
    return BlockedPart(instance=number, blocks=(block,) if times else (), probes=1)


def _metrics(app: ReplayedApp, number: int, seconds: int) -> MetricsPart:
    """Return the samples of the last ``seconds``: what was played, and before it the past."""
    played = list(app.samples.get(number, ()))[-seconds:]
    missing = min(seconds, HISTORY_SAMPLES) - len(played)
    first = app.begun_at - missing
    past = [app.sample(number, first + second) for second in range(missing)]
    known = tuple(one for one in past if one.at >= app.record.created_at)
    samples = known + tuple(played)
    return MetricsPart(
        instance=number,
        at=tuple(one.at for one in samples),
        figures=columns_of(samples),
        own=_own_history(samples),
    )


def _own_history(samples: tuple[Sample, ...]) -> dict[str, OwnHistory]:
    newest = samples[-1].metrics if samples else {}
    return {
        name: OwnHistory(
            kind=metric.kind,
            unit=metric.unit,
            values=tuple(
                drawn(one.metrics[name]) if name in one.metrics else None for one in samples
            ),
        )
        for name, metric in newest.items()
    }


def _read_log(app: ReplayedApp, request: LogRange | LogTail | LogSince | LogSearch) -> Answer:
    key = (request.instance, request.stream)
    log = app.logs.get(key) or ReplayedLog(*key)
    if isinstance(request, LogRange):
        return log.part(request.start, request.max_bytes)
    if isinstance(request, LogTail):
        return log.tail(request.lines, request.before)
    if isinstance(request, LogSearch):
        return search_log(log, request)
    return log.since(round(request.at * 1e9))
