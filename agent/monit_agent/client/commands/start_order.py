"""The order of commands to several apps: each starts after what it depends on, and stops before."""

from collections.abc import Iterable

from monit_agent.client.commands.operation import MARGIN_S, CommandProgress
from monit_agent.client.commands.works import BEGIN, Order, ProgressOf, Verdict
from monit_agent.client.source import Source
from monit_agent.client.view import AppView
from monit_agent.wire.ids import THIS_HOST, AppId, local_app
from monit_agent.wire.messages import InstanceRecord
from monit_agent.wire.order import (
    NOT_RUNNING,
    After,
    Dependency,
    InstanceState,
    dependents,
    read_dependencies,
    unmet,
)

DONE_S = 3600.0
"""How long the work of another app is waited for: a migration may take long, and must not keep a
command for ever."""


class StartOrder(Order):
    """Lets an app begin when what it comes after is as far as it must be."""

    def __init__(self, after: After, began_at: float) -> None:
        """``began_at`` is the wall time of the command."""
        self._after = after
        self._began_at = began_at
        self.failed: dict[AppId, None] = {}
        """Apps that failed after their own steps, so that others were not begun."""
        self._since: dict[tuple[AppId, Dependency], float] = {}

    def verdict(self, source: Source, app: AppId, known: ProgressOf) -> Verdict:
        """Return whether all dependencies are there, or one never will be."""
        waits: list[str] = []
        for dependency in self._after.get(app.app, ()):
            problem = self._problem(source, app, dependency, known)
            if problem:
                text = f"{app}: nothing was done: it comes after {dependency.app}, {problem}"
                return Verdict("fail", text)
            if problem is None:
                waits.append(dependency.app)
        return Verdict("wait", f"waits for {', '.join(waits)}") if waits else BEGIN

    def _problem(
        self, source: Source, app: AppId, dependency: Dependency, known: ProgressOf
    ) -> str | None:
        """Return "" when the dependency is met, why it will not be, or None."""
        other = local_app(dependency.app)
        view, progress = source.fleet.apps.get(other), known.get(other)
        if other in known and (progress is None or not progress.finished):
            # a worker that is there may be one that is replaced
            early = view is not None and dependency.state == "started"
            return "" if view and early and self._was_started(view) else None
        if progress is not None and not progress.ok:
            return f"which failed: {progress.failed[0][1]}" if progress.failed else "which failed"
        if view is None:
            return "which does not exist"
        problem = state_problem(view, dependency.state)
        if problem:
            self.failed[other] = None
        since = self._since.setdefault((app, dependency), source.monotonic())
        limit_s = _limit_s(view, dependency.state)
        if problem is None and source.monotonic() - since > limit_s:
            return f"which was not {dependency.state} within {limit_s:.0f} s"
        return problem

    def _was_started(self, view: AppView) -> bool:
        """Return whether all instances of the app have a worker that started after the command."""
        records = [each.record for each in view.instances.values()]
        since = self._began_at
        return bool(records) and all((each.started_at or 0.0) >= since for each in records)


class StopOrder(Order):
    """Lets an app begin when all apps that come after it have ended."""

    def __init__(self, after: After) -> None:
        self._before = {
            local_app(name): {local_app(each) for each in others}
            for name, others in dependents(after).items()
        }

    def verdict(self, source: Source, app: AppId, known: ProgressOf) -> Verdict:
        """Return whether nothing that comes after the app is waited for any more."""
        del source
        before = self._before.get(app, ())
        left = [each for each in before if each in known and _goes_on(known[each])]
        return Verdict("wait", f"waits for {', '.join(map(str, left))}") if left else BEGIN


def _goes_on(progress: CommandProgress | None) -> bool:
    return progress is None or not progress.finished


def state_problem(view: AppView, state: str) -> str | None:
    """Return "" when an app is as far as another one needs it, why it will not be, or None."""
    if view.link == "gone":
        return NOT_RUNNING
    if view.epoch is None:
        return None
    return unmet((_state(each.record) for each in view.instances.values()), state)


def _state(record: InstanceRecord) -> InstanceState:
    return InstanceState(
        status=record.status,
        desired=record.desired,
        has_worker=record.pid is not None,
        ready=record.ready,
        done=record.done,
        reason=record.reason,
    )


def _limit_s(view: AppView, state: str) -> float:
    policy = view.record.policy if view.record else None
    if state == "done" or policy is None:
        return DONE_S
    return policy.listen_timeout_s + policy.min_uptime_s + policy.kill_timeout_s + MARGIN_S


def known_order(apps: Iterable[AppView]) -> After:
    """Return what the apps of this machine come after, as far as that is known."""
    return {
        view.id.app: read_dependencies(view.record.after)
        for view in apps
        if view.id.host == THIS_HOST and view.record and view.record.after
    }
