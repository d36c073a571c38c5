"""Requests of programs that change something: sent to the agents, answered when they are done."""

from collections.abc import Mapping

from monit_agent.client.commands.keeper_exits import EXIT_TIMEOUT_S, KeeperExits
from monit_agent.client.commands.operation import CommandProgress
from monit_agent.client.commands.start_order import StopOrder, known_order
from monit_agent.client.commands.works import AT_ONCE, RequestWork, RunningWorks
from monit_agent.client.public.api_requests import (
    CancelReloads,
    CommandRequest,
    DeleteApps,
    FlushLogs,
    ReloadInstances,
    ResetInstances,
    RestartInstances,
    ScaleApp,
    SignalInstances,
    StartInstances,
    StopInstances,
)
from monit_agent.client.public.jobs import (
    NOTHING,
    Chosen,
    Job,
    Receiver,
    Reply,
    RequestFailedError,
)
from monit_agent.client.public.records import CommandReport, InstanceFailure
from monit_agent.client.source import Changes, Source
from monit_agent.client.targets import PartOfAppError, names_many, refuse_parts
from monit_agent.client.view import AppView
from monit_agent.wire.ids import THIS_HOST, AppId
from monit_agent.wire.messages import (
    CancelReload,
    Delete,
    Flush,
    Reload,
    Request,
    Reset,
    Restart,
    Scale,
    SendSignal,
    Start,
    Stop,
)


class CommandJob(Job):
    """One command to all apps that its targets mean."""

    def __init__(self, source: Source, receiver: Receiver, request: CommandRequest) -> None:
        super().__init__(source, receiver)
        self._request = request
        self._groups: list[dict[AppId, Request]] | None = None
        self._running: RunningWorks | None = None
        self._reports: dict[AppId, CommandReport] = {}
        self._skipped: dict[AppId, tuple[int, ...]] = {}
        self._keepers: KeeperExits | None = None
        """Of the apps of this machine that are deleted."""
        self._deleted_at: float | None = None
        """When all of them were, while their keepers are waited for."""

    @property
    def looks_again(self) -> bool:
        """Return whether it waits for agents to answer, or for keepers to exit."""
        return self._deleted_at is not None or super().looks_again

    def step(self, changes: Changes) -> None:
        """Send what may be sent, and answer when all is done."""
        if self._groups is None:
            if not self.is_settled():
                return
            self._groups = self._make_groups()
        if self._running is not None:
            self._report(self._running.advance(changes.events))
        while self._running is None or self._running.is_over:
            if not self._groups or self._failures():
                if self._failures() or not self._waits_for_keepers():
                    self._answer()
                return
            self._begin(self._groups.pop(0))

    def _waits_for_keepers(self) -> bool:
        if self._keepers is None or self._keepers.have_exited():
            return False
        now = self.source.monotonic()
        self._deleted_at = now if self._deleted_at is None else self._deleted_at
        return now < self._deleted_at + EXIT_TIMEOUT_S

    def cancel(self) -> None:
        """End it."""
        self._close()
        super().cancel()

    def _close(self) -> None:
        if self._keepers is not None:
            self._keepers.close()

    def _begin(self, requests: Mapping[AppId, Request]) -> None:
        apps = self.source.fleet.apps
        works = {name: [RequestWork(name, request)] for name, request in requests.items()}
        after = known_order(apps[name] for name in requests)
        stops = isinstance(self._request, StopInstances | DeleteApps) and bool(after)
        if isinstance(self._request, DeleteApps):
            local = (apps[name] for name in requests if name.host == THIS_HOST)
            self._keepers = KeeperExits(local)
        self._running = RunningWorks(self.source, works, StopOrder(after) if stops else AT_ONCE)
        self._report(self._running.advance())

    def _report(self, steps: list[CommandProgress]) -> None:
        for step in steps:
            before = self._reports.get(step.app)
            report = self._reports[step.app] = CommandReport(
                host=step.app.host,
                app=step.app.app,
                waiting=step.waiting,
                done=step.done,
                failed=tuple(InstanceFailure(instance=n, why=why) for n, why in step.failed),
                skipped=(*step.skipped, *self._skipped.get(step.app, ())),
                error=step.error,
            )
            if report != before:
                self.receiver.emit(report)

    def _failures(self) -> list[str]:
        """Return what went wrong, in words."""
        texts: list[str] = []
        for name, report in self._reports.items():
            texts += [f"{name}/{each.instance}: {each.why}" for each in report.failed]
            if report.error is not None:
                has_name = report.error.startswith(str(name))
                texts.append(report.error if has_name else f"{name}: {report.error}")
        return texts

    def _answer(self) -> None:
        self._close()
        reports = tuple(self._reports.values())
        failures = self._failures()
        left = [str(name) for group in self._groups or () for name in group]
        if left:
            failures.append(f"left as it is: {', '.join(left)}")
        if failures:
            self.fail(RequestFailedError("failed", "; ".join(failures), reports))
        else:
            self.reply = Reply(apps=reports)

    # ------------------------------------------------------------ what is requested

    def _make_groups(self) -> list[dict[AppId, Request]]:
        """Return the requests; those of one group are sent at once."""
        request = self._request
        chosen = self.chosen(request.targets)
        if isinstance(request, ScaleApp):
            if len(chosen.apps) != 1 or len(request.targets) != 1 or "/" in request.targets[0]:
                text = f"{' '.join(request.targets)!r}: scale needs the name of one app"
                raise RequestFailedError("bad_request", text)
            return [{chosen.apps[0]: Scale(count=request.count)}]
        if isinstance(request, DeleteApps):
            self._refuse_parts(request.targets)
        if isinstance(request, RestartInstances):
            chosen = self._without_stopped(chosen, request.targets)
        requests: dict[AppId, Request] = {}
        for name in chosen.apps:
            app = self.source.fleet.apps[name]
            requests[name] = _request_to(request, app, chosen.numbers(app))
        if not isinstance(request, ReloadInstances):
            return [requests]
        hosts = sorted({name.host for name in requests})
        return [{n: each for n, each in requests.items() if n.host == host} for host in hosts]

    def _refuse_parts(self, targets: tuple[str, ...]) -> None:
        try:
            refuse_parts(self.source.fleet, targets)
        except PartOfAppError as error:
            raise RequestFailedError("bad_request", str(error)) from error

    def _without_stopped(self, chosen: Chosen, targets: tuple[str, ...]) -> Chosen:
        """Return what is to be restarted: what is stopped only where it is named."""
        named = [target for target in targets if not names_many(target)]
        named_ones = self.chosen(named).instances if named else NOTHING.instances
        apps = self.source.fleet.apps
        stopped = {
            each
            for each in chosen.instances - named_ones
            if _is_stopped(apps[each.app_id], each.instance)
        }
        for each in sorted(stopped):
            self._skipped[each.app_id] = (*self._skipped.get(each.app_id, ()), each.instance)
        left = chosen.instances - stopped
        # of an app without known instances nothing is known to be stopped: its agent answers
        names = [
            name
            for name in chosen.apps
            if not apps[name].instances or any(each.app_id == name for each in left)
        ]
        return Chosen(names, left)


def _is_stopped(app: AppView, number: int) -> bool:
    """Return whether an instance stays stopped. Of an app without a keeper that is what was to be
    stopped: its dead workers are shown as stopped too."""
    record = app.instances[number].record
    return record.status == "stopped" and (record.desired == "stopped" or app.link != "gone")


def _request_to(  # noqa: PLR0911 (a table)
    request: CommandRequest, app: AppView, numbers: tuple[int, ...] | None
) -> Request:
    match request:
        case StartInstances():
            return Start(instances=numbers)
        case StopInstances():
            return Stop(instances=numbers)
        case RestartInstances():
            return Restart(instances=numbers)
        case ReloadInstances():
            return Reload(instances=numbers, parallel=request.parallel)
        case SignalInstances():
            return SendSignal(instances=numbers, signal=request.signal, group=request.group)
        case ResetInstances():
            return Reset(instances=numbers)
        case FlushLogs():
            return Flush(instances=numbers)
        case DeleteApps():
            return Delete()
        case CancelReloads() if numbers is None:
            return CancelReload()
        case _:
            text = f"{app.name}: only the reload of a whole app can be cancelled"
            raise RequestFailedError("bad_request", text)
