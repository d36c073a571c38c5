"""Starts checks of workers, by URL or by command, and not too many at once."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import NamedTuple

from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.health.check_user import CheckUser
from monit_agent.agent.health.http_check import Answerer, CheckResult, HttpChecker
from monit_agent.wire.checkurl import BadUrlError, filled, read_url
from monit_agent.wire.messages import AppRecord

ReportResult = Callable[[CheckResult], None]

CHECKS_MAX, COMMANDS_MAX = 128, 16
"""Checks that may be under way in one app, and those of them that are processes."""


class CheckSubject(NamedTuple):
    """Which worker is checked, and how: by a URL, or without one by a command."""

    instance: int
    pid: int
    url: str
    command: tuple[str, ...]
    timeout_s: float
    """How long its answer may take."""

    @property
    def label(self) -> str:
        """How the check reads in a message."""
        return self.url or " ".join(self.command)


def subject_of(app: AppRecord, instance: int, pid: int, kind: str) -> CheckSubject:
    """Return the subject of a check of ``kind``, with the instance's own port in the URL."""
    checks = app.checks
    url, command = (
        (checks.ready_url, checks.ready_command)
        if kind == "ready"
        else (checks.health_url, checks.health_command)
    )
    with contextlib.suppress(BadUrlError):  # reported when the URL is read
        url = filled(url, port_of(app, instance), instance)
    return CheckSubject(instance, pid, url, command, timeout_s(app, kind))


def timeout_s(app: AppRecord, kind: str) -> float:
    """Return how long the answer to a check of ``kind``, ``ready`` or ``health``, may take.

    For readiness so short that there is a reason to report before the worker's own time is over.
    """
    answer_s = app.checks.health_timeout_s
    return min(answer_s, app.policy.listen_timeout_s / 2) if kind == "ready" else answer_s


class CheckRun:
    """One check under way. ``report`` is called once with its result, unless it is cancelled."""

    def __init__(
        self,
        subject: CheckSubject,
        started_at: float,
        task: asyncio.Task[CheckResult],
        report: ReportResult,
    ) -> None:
        self.subject = subject
        self.started_at = started_at
        self.task = task
        self.reported = False
        self._report = report
        task.add_done_callback(self._finish)

    def cancel(self) -> None:
        """Give up without a result."""
        self.reported = True
        self.task.cancel()

    def fail(self, text: str) -> None:
        """Give up; ``text`` is the reason of the failure."""
        if not self.reported:
            self.cancel()
            self._report(CheckResult(ok=False, text=text))

    def _finish(self, task: asyncio.Task[CheckResult]) -> None:
        if self.reported or task.cancelled():
            return
        self.reported = True
        error = task.exception()
        if error is not None:
            self._report(CheckResult(ok=False, text=f"the agent failed: {error!r}; see agent.log"))
        else:
            self._report(task.result())


class CheckRunner:
    """Starts the checks of one app."""

    def __init__(self, loop: asyncio.AbstractEventLoop, surroundings: Surroundings) -> None:
        self._loop = loop
        self._http = HttpChecker()
        self._runs: list[CheckRun] = []
        self._surroundings = surroundings
        self._user: CheckUser | None = None

    def has_room(self, subject: CheckSubject) -> bool:
        """Return whether one more check may start."""
        # a command that was cancelled counts until its process is gone
        self._runs = [each for each in self._runs if not each.task.done()]
        if sum(not each.reported for each in self._runs) >= CHECKS_MAX:
            return False
        commands = sum(not each.subject.url for each in self._runs)
        return bool(subject.url) or commands < COMMANDS_MAX

    def start(
        self, subject: CheckSubject, app: AppRecord, now: float, report: ReportResult
    ) -> CheckRun:
        """Start a check; ``report`` is called later."""
        run = CheckRun(subject, now, self._loop.create_task(self._check(subject, app)), report)
        self._runs.append(run)
        return run

    async def _check(self, subject: CheckSubject, app: AppRecord) -> CheckResult:
        port = port_of(app, subject.instance)
        if not subject.url:
            from monit_agent.agent.health.command_check import (  # noqa: PLC0415 (few apps have one)
                environment_of_worker,
                run_command_check,
            )

            ours, files = self._surroundings
            env = environment_of_worker(subject.pid, subject.instance, port, hidden=ours)
            names = app.worker_user, app.worker_group
            if self._user is None or self._user.names != names:
                self._user = CheckUser(names)
            return await run_command_check(subject.command, app.cwd, env, files, self._user)
        try:
            place = read_url(filled(subject.url, port, subject.instance))
        except BadUrlError as error:
            return CheckResult(ok=False, text=str(error))
        if place.socket is not None:
            place = place._replace(socket=os.path.join(app.cwd, place.socket))
        return await self._http.check(place, Answerer(subject.pid, subject.timeout_s))


def port_of(app: AppRecord, instance: int) -> int | None:
    """Return the port at which an instance is checked."""
    if app.increment is not None and app.increment.name == "PORT":
        return app.increment.start + instance
    return app.port
