"""Asking and waiting for commands that have nothing else to do meanwhile."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from monit_agent.client.operation import Operation, Progress
from monit_agent.client.source import Changes, Source
from monit_agent.wire.messages import Answer, Refused, Request, Snapshot, Start

TICK_S = 0.25
"""How long one poll waits at most; what arrives ends it at once."""

APPEARS_S = 15.0
"""How long an app whose keeper was started may take to have an agent that answers."""

T = TypeVar("T")


def wait(source: Source, predicate: Callable[[], T], timeout_s: float) -> T | None:
    """Poll until ``predicate`` gives something true and give that; None when time is over."""
    until = source.monotonic() + timeout_s
    while True:
        value = predicate()
        if value:
            return value
        left = until - source.monotonic()
        if left <= 0:
            return None
        source.poll(min(left, TICK_S))


def ask_now(source: Source, app: str, request: Request, timeout_s: float = 5.0) -> Answer:
    """Ask and wait for the answer, which is a `Refused` when none comes in time."""
    answers: list[Answer] = []
    source.ask(app, request, answers.append, timeout_s)
    while not answers:
        source.poll(TICK_S)
    return answers[0]


def operate(
    source: Source, requests: Mapping[str, Request], timeout_s: float | None = None
) -> Iterator[Progress]:
    """Send each app its command at once; give the progress whenever it changes.

    The last `Progress` of each app is ``finished``. Without ``timeout_s`` an app gets as long
    as its own limits allow. Leaving the loop leaves the commands running.
    """
    running: dict[str, Operation] = {}
    for name, request in requests.items():
        operation = Operation(name, source.fleet.apps.get(name), request, source.wall())
        running[name] = operation
        source.ask(name, request, operation.answer)
    yield from _follow(source, running, timeout_s)


def attend(
    source: Source, apps: Iterable[str], since: float, timeout_s: float | None = None
) -> Iterator[Progress]:
    """Wait until apps whose keepers were started at ``since`` (wall clock) are online.

    Gives the same as `operate`. An app may appear later than this is called.
    """
    running = {name: Operation(name, None, Start(), since) for name in apps}
    for name, operation in running.items():
        # also makes the source look for it now
        source.ask(name, Snapshot(), lambda _: None)
        if not wait(source, lambda name=name: _known(source, name), APPEARS_S):
            operation.answer(Refused(kind="keeper_gone", message=_absent(source, name)))
            continue
        app = source.fleet.apps[name]
        operation.concern(app.instances)
        for happening in list(app.happenings):
            operation.happened(happening)
    yield from _follow(source, running, timeout_s)


def _known(source: Source, name: str) -> bool:
    app = source.fleet.apps.get(name)
    return app is not None and app.epoch is not None


def _absent(source: Source, name: str) -> str:
    app = source.fleet.apps.get(name)
    problem = app.problem if app else None
    return problem or f"{name}: its agent does not answer; agent.log and keeper.log may say why"


def _follow(
    source: Source, running: dict[str, Operation], timeout_s: float | None
) -> Iterator[Progress]:
    begun = source.monotonic()
    shown: dict[str, Progress] = {}
    changes = Changes()
    while running:
        _tell(running, changes)
        for name, operation in list(running.items()):
            patience_s = operation.patience_s() if timeout_s is None else timeout_s
            progress = operation.progress(source.fleet.apps.get(name))
            if not progress.finished and source.monotonic() - begun > patience_s:
                operation.time_over(patience_s)
                progress = operation.progress(source.fleet.apps.get(name))
            if progress.finished:
                del running[name]
            if progress != shown.get(name):
                shown[name] = progress
                yield progress
        if running:
            changes = source.poll(TICK_S)


def _tell(running: Mapping[str, Operation], changes: Changes) -> None:
    for app, happening in changes.happened:
        if app in running:
            running[app].happened(happening)
