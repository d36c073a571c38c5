"""Decide when a command is done, from what the client knows of the app. Pure.

An answer says only that the keeper accepted a command. The command is done when the workers are
in the requested state. Only workers that were started after the command count: an older worker
that is online proves nothing.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.client.commands.replacement import Steps, steps_of
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.ids import AppId
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    CancelReload,
    Delete,
    EventRecord,
    Exit,
    Refused,
    Reload,
    Request,
    Restart,
    RestartPolicy,
    Scale,
    Start,
    Stop,
)

FAILED_STARTS_LIMIT = 3
"""Failed starts in a row after which more waiting is pointless. As many exits of workers that had
come online are no success either."""

MARGIN_S = 10.0
"""Added to the app's own timeouts, for a busy machine."""


CommandOutput = tuple[tuple[int, tuple[str, ...]], ...]
"""`CommandProgress.output`."""

ReloadProgress = tuple[Steps, tuple[tuple[int, float], ...], CommandOutput]
"""`CommandProgress.steps`, `CommandProgress.failed_replacements` and `CommandProgress.output`."""


class CommandProgress(NamedTuple):
    """How far a command is in one app."""

    app: AppId
    waiting: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()
    """Instances that did not reach the requested state, each with the reason."""
    error: str | None = None
    """Why the whole command failed: it was refused, not answered, or timed out."""
    answered: bool = False
    steps: tuple[tuple[int, str], ...] = ()
    """Instances that are being replaced, each with its current step."""
    failed_replacements: tuple[tuple[int, float], ...] = ()
    """Instances whose new worker failed, each with the wall second of its start."""
    output: CommandOutput = ()
    """The last lines of reload commands that failed, by instance."""
    skipped: tuple[int, ...] = ()
    """Instances that a reload skips because they are stopped."""

    @property
    def finished(self) -> bool:
        """Whether the command is over, successful or not."""
        return self.error is not None or (self.answered and not self.waiting)

    @property
    def ok(self) -> bool:
        """Whether the command is over and did what was requested."""
        return self.finished and self.error is None and not self.failed


class Operation:
    """One command to one app, from before it is sent until it is done or failed."""

    def __init__(
        self,
        name: AppId,
        app: AppView | None,
        request: Request,
        sent_at: float,
        policy: RestartPolicy | None = None,
    ) -> None:
        """``policy`` is the one that the app gets with this command, if it is another one."""
        self.name = name
        self.request = request
        self._sent_at = sent_at
        """Wall clock, comparable to the start times of workers: they run on the same machine."""
        self._before = frozenset(app.instances) if app else frozenset[int]()
        self._pids_before = {n: view.record.pid for n, view in app.instances.items()} if app else {}
        own = app.record.policy if app and app.record else RestartPolicy()
        self._policy = policy or own
        self._instances: tuple[int, ...] = ()
        self._skipped: tuple[int, ...] = ()
        self._spawned_at: dict[int, float] = {}
        self._answered = False
        self._error: str | None = None
        self._failed_starts: dict[int, int] = {}
        self._exits: dict[int, int] = {}
        """How many workers that were started since the command exited, by instance."""
        self._errored: dict[int, str] = {}
        self._unready: dict[int, str] = {}
        self._ready_by: dict[int, str] = {}
        """The last event of an instance by which it is up: ``ready`` or ``reloaded``."""
        self._last_event = (sent_at, 0)
        """Time and number of the last event; earlier ones were handled already."""
        self._most_done = 0
        self._moved_at = 0.0
        """When an instance was done last."""

    def timeout_s(self) -> float:
        """Return how long the command may take until the next instance is done, from the app's own
        timeouts."""
        policy = self._policy
        one_s = policy.kill_timeout_s + policy.listen_timeout_s + policy.min_uptime_s
        rounds = 1
        if isinstance(self.request, Reload):
            rounds = max(1, math.ceil(len(self._instances) / self.request.parallel))
        return one_s * rounds + MARGIN_S

    def handle_answer(self, answer: Answer) -> None:
        """Handle the agent's answer to the command."""
        self._answered = True
        if isinstance(answer, Refused):
            self._error = answer.message
        elif not isinstance(answer, Accepted):
            self._error = f"{self.name}: its agent sent an unexpected answer"
        elif isinstance(self.request, Scale):
            self._instances = tuple(sorted(self._before ^ set(range(self.request.count))))
        elif isinstance(self.request, Start | Stop | Restart | Reload | CancelReload | Delete):
            self._instances = answer.instances
        if isinstance(self.request, Delete) and not self._instances and not self._error:
            self._instances = tuple(sorted(self._before))  # it was gone before its answer came
        if isinstance(self.request, Reload) and not self._error:
            named = self._before if self.request.instances is None else self.request.instances
            self._skipped = tuple(sorted(set(named) - set(self._instances)))

    def clock_changed(self, delta_s: float) -> None:
        """Compare with times of the clock as it was set meanwhile."""
        at, seq = self._last_event
        self._sent_at += delta_s
        self._last_event = (at + delta_s, seq)

    def wait_for_instances(self, instances: Iterable[int]) -> None:
        """Wait for these instances without a command: their keeper was just started."""
        self._answered = True
        self._instances = tuple(instances)

    def handle_event(self, event: EventRecord) -> None:
        """Handle an event: it tells of exits that the current state no longer shows."""
        number = event.instance
        if (event.at, event.seq) <= self._last_event:
            return
        self._last_event = (event.at, event.seq)
        if event.kind == "reload_failed" and isinstance(self.request, Reload):
            self._error = f"{self.name}: the reload {_how_failed(event.text)}"
        if number is None:
            return
        if event.kind == "spawned":
            self._spawned_at.setdefault(number, event.at)
        if event.kind == "exited" and number in self._spawned_at:
            self._exits[number] = self._exits.get(number, 0) + 1
        if event.kind == "errored":
            self._errored[number] = event.text or "it is not restarted any more"
        elif event.kind in ("ready", "reloaded"):
            self._ready_by[number] = event.kind
            self._failed_starts[number] = 0
            self._errored.pop(number, None)
            self._unready.pop(number, None)
        elif event.kind == "unready":
            self._unready[number] = event.text
        elif event.kind == "backoff":
            self._failed_starts[number] = self._failed_starts.get(number, 0) + 1

    def end_if_overdue(
        self, progress: CommandProgress, began: float, now: float, most_s: float | None = None
    ) -> bool:
        """Fail the command when no further instance was done for as long as it may take, or when
        it took longer than ``most_s`` in all. Return whether it failed. Times are monotonic."""
        done, count = len(progress.done) + len(progress.failed), len(self._instances)
        if done > self._most_done:
            self._most_done, self._moved_at = done, now
        allowed_s = self.timeout_s() if most_s is None else most_s
        moved = began if most_s is not None else max(began, self._moved_at)
        if progress.finished or now - moved <= allowed_s:
            return False
        what = f"not done within {allowed_s:.0f} s"
        if moved > began:
            what = f"{done} of {count} are done, and no further one for {allowed_s:.0f} s"
        self._error = f"{self.name}: {what}; it may still complete, see `monit list {self.name}`"
        return True

    def progress(self, app: AppView | None) -> CommandProgress:
        """Return the progress, given the app as it is now (None: it is gone)."""
        waiting: list[int] = []
        done: list[int] = []
        failed: list[tuple[int, str]] = []
        for number in self._instances:
            view = app.instances.get(number) if app else None
            if view is not None and (reason := self._exit_loop(view)):
                failed.append((number, reason))  # also while one of its workers is just online
            elif self._is_done(app, view, number):
                done.append(number)
            elif reason := self._why_failed(app, view, number):
                failed.append((number, reason))
            else:
                waiting.append(number)
        if not self._instances and _waits_for_app(self.request, app):
            waiting.append(-1)
        error = self._error
        if app and app.link == "gone" and waiting:
            error = app.problem or f"{self.name}: its keeper and agent are not running"
        return CommandProgress(
            self.name, tuple(waiting), tuple(done), tuple(failed), error, self._answered,
            *self._reload_progress(app), self._skipped,
        )  # fmt: skip

    def _reload_progress(self, app: AppView | None) -> ReloadProgress:
        if app is None or app.rollout is None or not isinstance(self.request, Reload):
            return (), (), ()
        if self._error is None:
            return steps_of(app), (), ()
        failed = tuple(
            (n, self._spawned_at[n]) for n, _ in app.rollout.failures if n in self._spawned_at
        )
        return (), failed, app.rollout.output

    def _is_done(self, app: AppView | None, view: InstanceView | None, number: int) -> bool:
        match self.request:
            case Delete():
                return app is None
            case Stop():
                return view is None or (view.record.status == "stopped" and not view.record.pid)
            case Scale() if number in self._before:
                return view is None
            case CancelReload():
                over = app is None or app.rollout is None or not app.rollout.under_way
                return over and (view is None or view.record.replacement is None)
            case Reload() if app is not None and (
                view is None or self._ready_by.get(number) == "reloaded"
            ):
                return True  # removed by a scale, or it reloaded itself: nothing is replaced
            case _:
                return (
                    app is not None
                    and view is not None
                    and (self._is_up(app, view) or self._is_finished(view))
                )

    def _is_up(self, app: AppView, view: InstanceView) -> bool:
        """Return whether a worker that was started after the command is online."""
        record = view.record
        same = record.pid == self._pids_before.get(record.instance)
        new = not same and record.started_at is not None and record.started_at >= self._sent_at
        rollout = app.rollout if isinstance(self.request, Reload) else None
        replaced = rollout is None or (
            record.instance not in rollout.current and record.instance not in rollout.waiting
        )
        return new and replaced and record.status == "online" and record.ready

    def _is_finished(self, view: InstanceView) -> bool:
        """Return whether it ran after the command and exited well: a job, not a service."""
        last = self._last_exit(view)
        good = (0, *self._policy.stop_exit_codes)
        well = last is not None and not last.requested and last.code in good
        return well and view.record.reason is None

    def _last_exit(self, view: InstanceView) -> Exit | None:
        """Return the exit after the command that left the slot stopped; None without one."""
        exits = view.record.exits
        if view.record.status != "stopped" or not exits or exits[-1].at < self._sent_at:
            return None
        # a slot that is stopped to be started again never has the status "stopped"
        return exits[-1]

    def _why_failed(
        self, app: AppView | None, view: InstanceView | None, number: int
    ) -> str | None:
        if isinstance(self.request, Stop | Delete | CancelReload):
            return None
        if app is None:
            return "it was deleted in the meantime"
        if view is None and number not in self._before:
            return None
        if view is None:
            return "it was removed by `monit scale` in the meantime"
        return self._errored.get(number) or _stopped_text(view, self._last_exit(view))

    def _exit_loop(self, view: InstanceView) -> str | None:
        if isinstance(self.request, Stop | Delete | CancelReload):
            return None
        number = view.identity.instance
        if self._failed_starts.get(number, 0) >= FAILED_STARTS_LIMIT:
            if unready := self._unready.get(number):
                return f"stopped {FAILED_STARTS_LIMIT} times because it was {unready}"
            how = _last_exit_text(view)
            return f"exited {FAILED_STARTS_LIMIT} times before becoming online{how}"
        exits = self._exits.get(number, 0)
        # a reload ends by itself at the first worker that fails
        if exits < FAILED_STARTS_LIMIT or isinstance(self.request, Reload):
            return None
        return f"exited {exits} times soon after its start{_last_exit_text(view)}"


def _last_exit_text(view: InstanceView) -> str:
    last = view.record.exits[-1:]
    how = f" (last: {exit_text(last[0])})" if last else ""
    details = (view.record.reason or "").partition(": ")[2]
    return f"{how}: {details}" if details else how


def exit_text(exited: Exit) -> str:
    """Return how a worker exited: ``exit code 3 after 0.1 s``, ``signal 9 after 4.0 s``."""
    if exited.signal is not None:
        how = f"signal {exited.signal}"
    else:
        how = f"exit code {'unknown' if exited.code is None else exited.code}"
    return f"{how} after {exited.ran_s:.1f} s"


def _stopped_text(view: InstanceView, last: Exit | None) -> str | None:
    if last is None:
        return None
    if last.requested:
        return "it was stopped in the meantime"
    return f"its worker exited: {view.record.reason or exit_text(last)}"


def _waits_for_app(request: Request, app: AppView | None) -> bool:
    """Return whether a command without instances is still to be done to the app."""
    if app is None:
        return False
    if isinstance(request, CancelReload):  # replacements that cannot be undone finish first
        return app.rollout is not None and app.rollout.under_way
    return isinstance(request, Delete)  # the app is known until its agent announces the deletion


def _how_failed(text: str) -> str:
    return f"was {text}" if text.startswith("cancelled") else f"failed: {text}"
