"""Asking and waiting for commands that have nothing else to do meanwhile."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from monit_agent.client.operation import Operation, Progress
from monit_agent.client.source import Changes, Source
from monit_agent.wire.messages import Answer, Request

TICK_S = 0.25
"""How long one poll waits at most; what arrives ends it at once."""

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
    begun = source.monotonic()
    running: dict[str, Operation] = {}
    for name, request in requests.items():
        operation = Operation(name, source.fleet.apps.get(name), request, source.wall())
        running[name] = operation
        source.ask(name, request, operation.answer)
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
