"""When is a command done? Pure: what is known of the app goes in, a verdict comes out.

Answers say only that a keeper took a command. It is done when the workers are as asked, and
the workers that count are those that were started after it: a worker is told from another by
(pid, start), and one that crashed and came back by itself meanwhile is not what was asked for.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from monit_agent.client.replacing import Steps, steps_of
from monit_agent.client.view import AppView, InstanceView
from monit_agent.wire.messages import (
    Accepted,
    Answer,
    CancelReload,
    Delete,
    Exit,
    Happening,
    Limits,
    Refused,
    Reload,
    Request,
    Restart,
    Scale,
    Start,
    Stop,
)

GIVE_UP_DEATHS = 3
"""Deaths before being online, in a row, after which waiting on makes no sense."""

MARGIN_S = 10.0
"""Added to what the app's own limits allow: a busy machine is no failure."""


Replaced = tuple[Steps, tuple[tuple[int, float], ...]]
"""`Progress.steps` and `Progress.broken`."""


class Progress(NamedTuple):
    """How far a command is in one app."""

    app: str
    waiting: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    failed: tuple[tuple[int, str], ...] = ()
    """Instances that will not get there, each with why."""
    trouble: str | None = None
    """Why the whole command failed: refused, no answer, time over."""
    answered: bool = False
    steps: tuple[tuple[int, str], ...] = ()
    """Instances that are being replaced, each with what goes on."""
    broken: tuple[tuple[int, float], ...] = ()
    """Instances whose new worker did not come up, each with the wall second of its start."""
    left: tuple[int, ...] = ()
    """Instances that a reload does not concern because they are stopped."""

    @property
    def finished(self) -> bool:
        """True when nothing more will come of it."""
        return self.trouble is not None or (self.answered and not self.waiting)

    @property
    def ok(self) -> bool:
        """True when it is finished as asked."""
        return self.finished and self.trouble is None and not self.failed


class Operation:
    """One command to one app, from before it is sent until it is done or has failed."""

    def __init__(self, name: str, app: AppView | None, request: Request, sent_at: float) -> None:
        self.name = name
        self.request = request
        self._sent_at = sent_at
        """Wall clock; workers and keeper are on the same machine."""
        self._before = frozenset(app.instances) if app else frozenset[int]()
        self._limits = app.record.limits if app and app.record else Limits()
        self._concerned: tuple[int, ...] = ()
        self._left: tuple[int, ...] = ()
        self._began: dict[int, float] = {}
        self._answered = False
        self._trouble: str | None = None
        self._deaths: dict[int, int] = {}
        self._given_up: dict[int, str] = {}
        self._unready: dict[int, str] = {}
        self._heard = (sent_at, 0)
        """Time and number of the last happening; what is not later is known already."""

    def patience_s(self) -> float:
        """Give how long it may take by the app's own limits."""
        limits = self._limits
        one = limits.kill_timeout_s + limits.listen_timeout_s + limits.min_uptime_s
        rounds = 1
        if isinstance(self.request, Reload):
            rounds = max(1, math.ceil(len(self._concerned) / self.request.parallel))
        return one * rounds + MARGIN_S

    def answer(self, answer: Answer) -> None:
        """Take in what the agent says to the command."""
        self._answered = True
        if isinstance(answer, Refused):
            self._trouble = answer.message
        elif not isinstance(answer, Accepted):
            self._trouble = f"{self.name}: its agent answered something else than was asked"
        elif isinstance(self.request, Scale):
            self._concerned = tuple(sorted(self._before ^ set(range(self.request.count))))
        elif isinstance(self.request, Start | Stop | Restart | Reload | CancelReload | Delete):
            self._concerned = answer.instances
        if isinstance(self.request, Reload) and not self._trouble:
            asked = self._before if self.request.instances is None else self.request.instances
            self._left = tuple(sorted(set(asked) - set(self._concerned)))

    def concern(self, instances: Iterable[int]) -> None:
        """Wait for these instances without having asked for them: their keeper was started."""
        self._answered = True
        self._concerned = tuple(instances)

    def happened(self, happening: Happening) -> None:
        """Take in what happened: it tells of an end that a state does not show any more."""
        number = happening.instance
        if (happening.at, happening.seq) <= self._heard:
            return
        self._heard = (happening.at, happening.seq)
        if happening.kind == "reload_failed" and isinstance(self.request, Reload):
            self._trouble = f"{self.name}: the reload {_how_failed(happening.text)}"
        if number is None:
            return
        if happening.kind == "spawned":
            self._began.setdefault(number, happening.at)
        if happening.kind == "errored":
            self._given_up[number] = happening.text or "gave up"
        elif happening.kind == "ready":
            self._deaths[number] = 0
            self._given_up.pop(number, None)
            self._unready.pop(number, None)
        elif happening.kind == "unready":
            self._unready[number] = happening.text
        elif happening.kind == "backoff":
            self._deaths[number] = self._deaths.get(number, 0) + 1

    def time_over(self, patience_s: float) -> None:
        """Give it up after ``patience_s`` seconds."""
        self._trouble = (
            f"{self.name}: not done within {patience_s:.0f} s; "
            f"it may still come, see `monit list {self.name}`"
        )

    def progress(self, app: AppView | None) -> Progress:
        """Judge by what is known of the app now (None: it is no longer there)."""
        waiting: list[int] = []
        done: list[int] = []
        failed: list[tuple[int, str]] = []
        for number in self._concerned:
            view = app.instances.get(number) if app else None
            if self._is_done(app, view, number):
                done.append(number)
            elif reason := self._why_failed(app, view, number):
                failed.append((number, reason))
            else:
                waiting.append(number)
        if not self._concerned and _is_app_awaited(self.request, app):
            waiting.append(-1)
        trouble = self._trouble
        if app and app.link == "gone" and waiting:
            trouble = app.problem or f"{self.name}: keeper and agent are gone"
        return Progress(
            self.name, tuple(waiting), tuple(done), tuple(failed), trouble, self._answered,
            *self._replaced(app), self._left,
        )  # fmt: skip

    def _replaced(self, app: AppView | None) -> Replaced:
        if app is None or app.roll is None or not isinstance(self.request, Reload):
            return (), ()
        if self._trouble is None:
            return steps_of(app), ()
        return (), tuple((n, self._began[n]) for n, _ in app.roll.broken if n in self._began)

    def _is_done(self, app: AppView | None, view: InstanceView | None, number: int) -> bool:
        match self.request:
            case Delete():
                return app is None
            case Stop():
                return view is None or (view.record.status == "stopped" and not view.record.pid)
            case Scale() if number in self._before:
                return view is None
            case CancelReload():
                over = app is None or app.roll is None or not app.roll.under_way
                return over and (view is None or view.record.second is None)
            case Reload() if app is not None and view is None:
                return True  # scaled away meanwhile: nothing to replace
            case _:
                return (
                    app is not None
                    and view is not None
                    and (self._is_up(app, view) or self._is_finished(view))
                )

    def _is_up(self, app: AppView, view: InstanceView) -> bool:
        """Say whether a worker that was started after the command is online."""
        record = view.record
        new = record.started_at is not None and record.started_at >= self._sent_at
        roll = app.roll if isinstance(self.request, Reload) else None
        behind = roll is None or (
            record.instance not in roll.current and record.instance not in roll.waiting
        )
        return new and behind and record.status == "online" and record.ready

    def _is_finished(self, view: InstanceView) -> bool:
        """Say whether it ran after the command and ended well: a job, not a service."""
        end = self._end(view)
        good = (0, *self._limits.stop_exit_codes)
        return end is not None and not end.asked and end.code in good

    def _end(self, view: InstanceView) -> Exit | None:
        """Give how a slot that stays stopped ended after the command; None if it did not."""
        ends = view.record.exits
        if view.record.status != "stopped" or not ends or ends[-1].at < self._sent_at:
            return None
        # what is stopped in order to be started again never shows as stopped
        return ends[-1]

    def _why_failed(
        self, app: AppView | None, view: InstanceView | None, number: int
    ) -> str | None:
        if isinstance(self.request, Stop | Delete | CancelReload):
            return None
        if app is None:
            return "it was deleted meanwhile"
        if view is None:
            return "it was scaled away meanwhile" if number in self._before else None
        return self._given_up.get(number) or self._looping(view) or self._ended(view)

    def _looping(self, view: InstanceView) -> str | None:
        if self._deaths.get(view.identity.instance, 0) < GIVE_UP_DEATHS:
            return None
        last = view.record.exits[-1:]
        unready = self._unready.get(view.identity.instance)
        if unready:
            return f"stopped {GIVE_UP_DEATHS} times, because it was {unready}"
        how = f", last {ending(last[0])}" if last else ""
        return f"died {GIVE_UP_DEATHS} times before it was online{how}"

    def _ended(self, view: InstanceView) -> str | None:
        end = self._end(view)
        if end is None:
            return None
        return "somebody stopped it meanwhile" if end.asked else f"ended {ending(end)}"


def ending(end: Exit) -> str:
    """Say how a worker ended, in words."""
    if end.signal is not None:
        how = f"by signal {end.signal}"
    else:
        how = f"with code {'?' if end.code is None else end.code}"
    return f"{how} after {end.ran_s:.1f} s"


def _is_app_awaited(request: Request, app: AppView | None) -> bool:
    """Tell whether a command that concerns no instance has yet to be done to the app."""
    if app is None:
        return False
    if isinstance(request, CancelReload):  # what cannot be undone is finished first
        return app.roll is not None and app.roll.under_way
    return isinstance(request, Delete)  # it is there until it says good-bye


def _how_failed(text: str) -> str:
    return f"was {text}" if text.startswith("cancelled") else f"failed: {text}"
