"""Requests and commands for callers that wait for them and do nothing else meanwhile."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from monit_agent.client.commands.operation import CommandProgress, Operation
from monit_agent.client.source import Changes, Source
from monit_agent.client.view import AppView
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import Answer, Refused, Request, Snapshot, Start

TICK_S = 0.25
"""Longest wait of one poll; a message ends it at once."""

APPEARS_S = 15.0
"""Time for an app whose keeper was just started to have an agent that answers."""

CLOCK_JUMP_S = 0.5
"""A wall clock that went back by more was set: NTP slews it by less. (That it went forward, as it
does while the machine sleeps, leaves every new worker newer than the command.)"""

_START_EVENTS = ("spawned", "errored", "backoff")

T = TypeVar("T")


def poll_until(source: Source, predicate: Callable[[], T], timeout_s: float) -> T | None:
    """Poll until ``predicate`` returns something true and return that; None after a timeout."""
    until = source.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        remaining_s = until - source.monotonic()
        if remaining_s <= 0:
            return None
        source.poll(min(remaining_s, TICK_S))


def request_and_wait(
    source: Source, app: AppId, request: Request, timeout_s: float = 5.0
) -> Answer:
    """Send a request and return its answer, which is a `Refused` when none comes in time."""
    answers: list[Answer] = []
    source.send_request(app, request, answers.append, timeout_s)
    while not answers:
        source.poll(TICK_S)
    return answers[0]


def run_commands(
    source: Source, requests: Mapping[AppId, Request], timeout_s: float | None = None
) -> Iterator[CommandProgress]:
    """Send each app its command at once; yield the progress whenever it changes.

    The last `CommandProgress` of each app is ``finished``. Without ``timeout_s`` the time allowed
    follows from the app's own timeouts. Leaving the loop does not stop the commands.
    """
    running: dict[AppId, Operation] = {}
    for name, request in requests.items():
        operation = Operation(name, source.fleet.apps.get(name), request, source.wall())
        running[name] = operation
        source.send_request(name, request, operation.handle_answer)
    yield from _follow_progress(source, running, timeout_s)


def wait_until_online(
    source: Source, apps: Iterable[AppId], since: float, *, only_started: bool = False
) -> Iterator[CommandProgress]:
    """Wait until apps whose keepers were started at ``since`` (wall clock) are online.

    Yields the same as `run_commands`. The apps need not exist yet. With ``only_started`` an app may
    also have instances that its new keeper adopted, or that stay stopped.
    """
    running = {name: Operation(name, None, Start(), since) for name in apps}
    for name, operation in running.items():
        # also makes the source look for the app now
        source.send_request(name, Snapshot(), lambda _: None)
        if not poll_until(source, lambda name=name: _has_snapshot(source, name), APPEARS_S):
            message = _why_no_snapshot(source, name)
            operation.handle_answer(Refused(kind="keeper_gone", message=message))
            continue
        app = source.fleet.apps[name]
        started = started_instances(app, since) if only_started else {*app.instances}
        operation.wait_for_instances(sorted(started))
        for event in list(app.events):
            operation.handle_event(event)
    yield from _follow_progress(source, running, None)


def started_instances(app: AppView, since: float) -> set[int]:
    """Return the instances that a keeper started, or tried to, after ``since``."""
    tried = {
        event.instance
        for event in app.events
        if event.instance is not None and event.at >= since and event.kind in _START_EVENTS
    }
    running = {
        number
        for number, view in app.instances.items()
        if view.record.status in ("starting", "backoff") or (view.record.started_at or 0.0) >= since
    }
    return (tried & app.instances.keys()) | running


def _has_snapshot(source: Source, name: AppId) -> bool:
    app = source.fleet.apps.get(name)
    return app is not None and app.epoch is not None


def _why_no_snapshot(source: Source, name: AppId) -> str:
    app = source.fleet.apps.get(name)
    problem = app.problem if app else None
    return problem or f"{name}: its agent does not answer; see agent.log and keeper.log"


def _follow_progress(
    source: Source, running: dict[AppId, Operation], timeout_s: float | None
) -> Iterator[CommandProgress]:
    started = source.monotonic()
    offset = source.wall() - started
    yielded: dict[AppId, CommandProgress] = {}
    changes = Changes()
    while running:
        delta_s = source.wall() - source.monotonic() - offset
        if delta_s < -CLOCK_JUMP_S:
            offset += delta_s
            for operation in running.values():
                operation.clock_changed(delta_s)
        _handle_events(running, changes)
        for name, operation in list(running.items()):
            progress = operation.progress(source.fleet.apps.get(name))
            if operation.end_if_overdue(progress, started, source.monotonic(), timeout_s):
                progress = operation.progress(source.fleet.apps.get(name))
            if progress.finished:
                del running[name]
            if progress != yielded.get(name):
                yielded[name] = progress
                yield progress
        if running:
            changes = source.poll(TICK_S)


def _handle_events(running: Mapping[AppId, Operation], changes: Changes) -> None:
    for app, event in changes.events:
        if app in running:
            running[app].handle_event(event)
