"""Are the workers ready and healthy? This file schedules the checks and reports their results.

Judging is pure (`HealthJudge`); the keeper decides what becomes of a worker that is ready or must
be replaced. No state is kept that a kill of the agent could lose: the next agent sees
from the keeper's records whom to check, and counts failures from zero.
"""

import asyncio
import time
from functools import partial

from monit_agent.agent.agent_order import Surroundings
from monit_agent.agent.event_loop import RepeatedCall
from monit_agent.agent.health.check_runner import (
    CheckRun,
    CheckRunner,
    CheckSubject,
    ReportResult,
    subject_of,
)
from monit_agent.agent.health.health_judge import HealthJudge, HealthVerdict
from monit_agent.agent.health.http_check import CheckResult, NoResult
from monit_agent.agent.health.keeper_requests import (
    KeeperRequests,
    ignore_answer,
    record_event,
)
from monit_agent.agent.keeper.state import AppState
from monit_agent.wire.messages import AppRecord, Checks, Health, InstanceRecord

ROUND_S = 0.25
"""How often the workers are gone through; a starting one is checked this often."""

REASON_INTERVAL_S = 1.0
"""A reason that changes is sent to the keeper at most this often."""


class _StartingWorker:
    """What is remembered of a worker that is not ready yet."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.next_at = 0.0
        self.reported: str | None = None
        self.reported_at = float("-inf")


class CheckScheduler:
    """Checks one app's workers."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, keeper: KeeperRequests, surroundings: Surroundings
    ) -> None:
        self._loop = loop
        self._keeper = keeper
        self._state = keeper.state
        self._runner = CheckRunner(loop, surroundings)
        self._health = HealthJudge()
        self._starting: dict[int, _StartingWorker] = {}
        self._runs: dict[tuple[str, int], CheckRun] = {}
        self._rounds: RepeatedCall | None = None
        self._round_is_due = False

    # ------------------------------------------------------------ what the agent calls

    def app_changed(self) -> None:
        """Start or stop going through the workers, and do it now: something has changed."""
        state = self._state()
        if state is None:
            return
        checks = state.app.checks
        needed = checks_readiness(checks) or checks_health(checks)
        if needed and self._rounds is None:
            self._rounds = RepeatedCall(self._loop, ROUND_S, self._go_round)
        elif not needed and self._rounds is not None:
            self._rounds.cancel()
            self._rounds = None
        if needed and not self._round_is_due:
            self._round_is_due = True  # many instances change together: one round for all
            self._loop.call_soon(self._go_round)

    def health(self, instance: int, worker: int) -> Health | None:
        """Return the health of an instance's worker; None without a health check."""
        state = self._state()
        if state is None or not checks_health(state.app.checks):
            return None
        return self._health.health(instance, worker)

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._health.remove_instance(instance)
        self._starting.pop(instance, None)
        for kind in ("ready", "health"):
            self._cancel((kind, instance))

    # ------------------------------------------------------------ starting checks

    def _go_round(self) -> None:
        self._round_is_due = False
        state = self._state()
        now = self._keeper.clock.now()
        if state is None:
            return
        for run in list(self._runs.values()):
            timeout_s = run.subject.timeout_s
            if now - run.started_at >= timeout_s:
                run.fail(f"no answer within {timeout_s:g} s")
        checks = state.app.checks
        for record in list(state.instances.values()):
            if checks_readiness(checks):
                self._check_readiness(record, state, now)
            if checks_health(checks):
                self._check_health(record, state, now)

    def _check_readiness(self, record: InstanceRecord, state: AppState, now: float) -> None:
        instance, key = record.instance, ("ready", record.instance)
        pid = _incoming_pid(record) or (record.pid if record.status == "starting" else None)
        self._cancel_unless_of(key, pid)
        if pid is None:
            self._starting.pop(instance, None)
            return
        starting = self._starting.get(instance)
        if starting is None or starting.pid != pid:
            starting = self._starting[instance] = _StartingWorker(pid)
        subject = subject_of(state.app, instance, pid, "ready")
        if key in self._runs or now < starting.next_at or not self._runner.has_room(subject):
            return
        starting.next_at = now + ROUND_S * 0.9
        self._start(key, subject, state.app, now, partial(self._report_readiness, subject))

    def _check_health(self, record: InstanceRecord, state: AppState, now: float) -> None:
        instance, key = record.instance, ("health", record.instance)
        settled = record.status == "online" and _incoming_pid(record) is None
        pid = record.pid if settled else None
        self._cancel_unless_of(key, pid)
        checks = state.app.checks
        if pid is None or not self._health.is_due(instance, pid, checks, now) or key in self._runs:
            return
        subject = subject_of(state.app, instance, pid, "health")
        if self._runner.has_room(subject):
            self._health.check_started(instance, checks, now)
            self._start(key, subject, state.app, now, partial(self._judge_health, subject))

    def _start(
        self,
        key: tuple[str, int],
        subject: CheckSubject,
        app: AppRecord,
        now: float,
        judge: ReportResult,
    ) -> None:
        def report(result: CheckResult) -> None:
            self._runs.pop(key, None)
            judge(result)

        self._runs[key] = self._runner.start(subject, app, now, report)

    def _cancel_unless_of(self, key: tuple[str, int], pid: int | None) -> None:
        """Give up a check of a worker that is not to be checked any more."""
        run = self._runs.get(key)
        if run is not None and run.subject.pid != pid:
            self._cancel(key)

    def _cancel(self, key: tuple[str, int]) -> None:
        run = self._runs.pop(key, None)
        if run is not None:
            run.cancel()

    # ------------------------------------------------------------ results

    def _report_readiness(self, subject: CheckSubject, result: CheckResult) -> None:
        starting = self._starting.get(subject.instance)
        now = self._keeper.clock.now()
        if starting is None or starting.pid != subject.pid:
            return
        why = None if result.ok else f"{subject.label}: {result.text}"
        recent = now - starting.reported_at < REASON_INTERVAL_S
        if why is not None and (why == starting.reported or recent):
            return
        starting.reported, starting.reported_at = why, now
        fields = {"instance": subject.instance, "pid": subject.pid, "why": why}
        # a refusal means that it has exited or is ready: the next record shows which
        self._keeper.request("ready", ignore_answer, **fields)

    def _judge_health(self, subject: CheckSubject, result: CheckResult) -> None:
        state = self._state()
        if state is None or isinstance(result, NoResult):
            return
        instance, wall = subject.instance, time.time()
        checks = state.app.checks
        if result.ok:
            now = self._keeper.clock.now()
            verdict = self._health.check_passed(instance, result.text, now, wall)
        else:
            verdict = self._health.check_failed(instance, result.text, checks, wall)
        self._act_on(instance, verdict, checks)

    def _act_on(self, instance: int, verdict: HealthVerdict, checks: Checks) -> None:
        if verdict.event is not None:
            record_event(self._keeper, instance, *verdict.event)
        if verdict.replace_reason is not None:
            refused = partial(self._health.replacement_refused, instance, checks)
            self._keeper.replace((instance,), verdict.replace_reason, refused)


def checks_readiness(checks: Checks) -> bool:
    """Return whether the app has a check of readiness."""
    return bool(checks.ready_url or checks.ready_command)


def checks_health(checks: Checks) -> bool:
    """Return whether the app has a check of health."""
    return bool(checks.health_url or checks.health_command)


def _incoming_pid(record: InstanceRecord) -> int | None:
    """Return the worker that is to replace the one that counts, as long as it is not ready."""
    replacement = record.replacement
    return (
        replacement.pid
        if replacement and replacement.role == "incoming" and not replacement.ready
        else None
    )
