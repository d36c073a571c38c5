"""Commands to several apps at once, each of one or more steps, for a caller that waits for them.

`Work` is one step. What a step needs besides a source, such as starting a keeper, is given by who
makes it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from monit_agent.client.commands.blocking import APPEARS_S, CLOCK_JUMP_S, TICK_S, started_instances
from monit_agent.client.commands.operation import CommandProgress, Operation
from monit_agent.client.source import Source
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import (
    Accepted,
    EventRecord,
    Refused,
    Reload,
    Request,
    Reset,
    Restart,
    RestartPolicy,
    Snapshot,
    Start,
)

ProgressOf = Mapping[AppId, CommandProgress | None]

WHOLE_APP = (-1,)
"""`CommandProgress.waiting` for an app as a whole."""


class Work:
    """One step of one app, from its begin to its end."""

    def __init__(self, app: AppId) -> None:
        self.app = app
        self.operation: Operation | None = None
        self._began_at = 0.0

    def begin(self, source: Source) -> None:
        """Request what is to be done."""
        self._began_at = source.monotonic()

    def progress(self, source: Source) -> CommandProgress:
        """Return how far it is."""
        operation, app = self.operation, source.fleet.apps.get(self.app)
        if operation is None:
            return CommandProgress(self.app)
        progress = operation.progress(app)
        if operation.end_if_overdue(progress, self._began_at, source.monotonic()):
            progress = operation.progress(app)
        return progress


class RequestWork(Work):
    """A request to the app's agent."""

    def __init__(self, app: AppId, request: Request) -> None:
        super().__init__(app)
        self._request = request

    def begin(self, source: Source) -> None:
        """Send the request."""
        super().begin(source)
        app = source.fleet.apps.get(self.app)
        self.operation = Operation(self.app, app, self._request, source.wall())
        source.send_request(self.app, self._request, self.operation.handle_answer)


class ChangeWork(Work):
    """Another spec for the app, which ``request`` sends to its keeper: it returns the instances
    that are replaced, or why the keeper refuses."""

    def __init__(
        self,
        app: AppId,
        how: str,
        policy: RestartPolicy,
        request: Callable[[], tuple[int, ...] | str],
    ) -> None:
        super().__init__(app)
        self._how = how
        self._policy = policy
        self._request = request

    def begin(self, source: Source) -> None:
        """Send the spec."""
        super().begin(source)
        commands: dict[str, Request] = {"reload": Reload(), "restart": Restart()}
        command = commands.get(self._how, Reset())
        app = source.fleet.apps.get(self.app)
        operation = Operation(self.app, app, command, source.wall(), self._policy)
        self.operation = operation
        answer = self._request()
        if isinstance(answer, str):
            operation.handle_answer(Refused(kind="refused", message=answer))
        else:
            operation.handle_answer(Accepted(instances=answer))


class LaunchWork(Work):
    """A new keeper. ``launch`` begins to start it and returns what to ask for the outcome: None
    while it is not known, "" when it runs, or why it does not. With ``only_started`` the app may
    also have instances that the keeper adopted, or that stay stopped."""

    def __init__(
        self,
        app: AppId,
        launch: Callable[[], Callable[[], str | None]],
        *,
        only_started: bool = False,
    ) -> None:
        super().__init__(app)
        self._launch = launch
        self._only_started = only_started
        self._outcome: Callable[[], str | None] | None = None
        self._wall = 0.0
        self._launched_at: float | None = None

    def begin(self, source: Source) -> None:
        """Begin to start the keeper."""
        super().begin(source)
        self._wall = source.wall()
        self._outcome = self._launch()

    def progress(self, source: Source) -> CommandProgress:
        """Return how far the start is."""
        if self.operation is None:
            problem = self._look(source)
            if problem is not None:
                return CommandProgress(self.app, error=problem, answered=True)
        return super().progress(source)

    def _look(self, source: Source) -> str | None:
        """Wait for the instances of the app as soon as it is known; return why it will not be."""
        outcome = self._outcome() if self._outcome is not None else None
        if outcome is None or outcome:
            return outcome
        if self._launched_at is None:
            self._launched_at = source.monotonic()
            # also makes the source look for the app now
            source.send_request(self.app, Snapshot(), lambda _: None)
        app = source.fleet.apps.get(self.app)
        if app is not None and app.epoch is not None and app.link == "live":
            self._began_at = source.monotonic()
            self.operation = Operation(self.app, None, Start(), self._wall)
            only = self._only_started
            begun = started_instances(app, self._wall) if only else app.instances
            self.operation.wait_for_instances(sorted(begun))
            for event in list(app.events):
                self.operation.handle_event(event)
        elif source.monotonic() - self._launched_at > APPEARS_S:
            problem = app.problem if app else None
            return problem or f"{self.app}: its agent does not answer; see agent.log and keeper.log"
        return None


class Verdict(NamedTuple):
    """Whether the steps of an app may begin."""

    kind: Literal["begin", "wait", "fail"]
    text: str = ""
    """What is waited for, or why the steps never begin."""


BEGIN = Verdict("begin")


class Order:
    """When the steps of an app may begin: at once."""

    def verdict(self, source: Source, app: AppId, known: ProgressOf) -> Verdict:
        """Return whether the steps of the app may begin. ``known`` has the progress of each app
        with steps, None before it is known."""
        del source, app, known
        return BEGIN


AT_ONCE = Order()


class RunningWorks:
    """The steps of each app one after another, all apps at once as far as ``order`` lets them. A
    failure ends the app's steps. The caller polls the source."""

    def __init__(
        self, source: Source, works: Mapping[AppId, Sequence[Work]], order: Order = AT_ONCE
    ) -> None:
        self._source = source
        self._order = order
        self._queues = {app: list(steps) for app, steps in works.items() if steps}
        self._known: dict[AppId, CommandProgress | None] = dict.fromkeys(self._queues)
        self._waiting = set(self._queues)
        self._offset = source.wall() - source.monotonic()

    @property
    def is_over(self) -> bool:
        """Return whether the last step of every app has ended."""
        return not self._queues

    def advance(self, events: Iterable[tuple[AppId, EventRecord]] = ()) -> list[CommandProgress]:
        """Handle these events, begin what may begin, and return the progress that has changed. The
        last `CommandProgress` of each app is ``finished``."""
        source, queues = self._source, self._queues
        self._offset = _note_clock(source, self._offset, [steps[0] for steps in queues.values()])
        for app, event in events:
            operation = queues[app][0].operation if app in queues else None
            if operation is not None:
                operation.handle_event(event)
        changed: list[CommandProgress] = []
        for app in list(queues):
            is_waiting = app in self._waiting
            verdict = self._order.verdict(source, app, self._known) if is_waiting else BEGIN
            if is_waiting and verdict is BEGIN:
                self._waiting.discard(app)
                queues[app][0].begin(source)
            progress = _advance(source, app, queues, verdict)
            if progress != self._known[app]:
                self._known[app] = progress
                changed.append(progress)
        return changed


def run_works(
    source: Source, works: Mapping[AppId, Sequence[Work]], order: Order = AT_ONCE
) -> Iterator[CommandProgress]:
    """Do the steps of all apps as `RunningWorks` does; yield the progress whenever it changes."""
    running = RunningWorks(source, works, order)
    source.poll(0.0)  # finds the apps that others come after
    yield from running.advance()
    while not running.is_over:
        yield from running.advance(source.poll(TICK_S).events)


def _advance(
    source: Source, app: AppId, queues: dict[AppId, list[Work]], verdict: Verdict
) -> CommandProgress:
    """Return the progress of the app's step, if it may begin; begin the next one when that has
    succeeded."""
    if verdict.kind == "wait":
        return CommandProgress(app, waiting=WHOLE_APP, steps=((-1, verdict.text),))
    if verdict.kind == "fail":
        del queues[app]
        return CommandProgress(app, error=verdict.text, answered=True)
    steps = queues[app]
    progress = steps[0].progress(source)
    if not progress.finished:
        return progress
    if progress.ok and len(steps) > 1:
        del steps[0]
        steps[0].begin(source)
        return steps[0].progress(source)
    del queues[app]
    return progress


def _note_clock(source: Source, offset: float, active: Iterable[Work]) -> float:
    """Let operations compare with times of the clock as it was set; return its new offset."""
    delta_s = source.wall() - source.monotonic() - offset
    if delta_s >= -CLOCK_JUMP_S:
        return offset
    for work in active:
        if work.operation is not None:
            work.operation.clock_changed(delta_s)
    return offset + delta_s
