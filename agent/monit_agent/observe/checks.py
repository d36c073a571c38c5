"""Are the workers ready and healthy? This file asks, tells and has them replaced.

Judging is pure (`HealthGuard`); the keeper decides what becomes of a worker that is
ready or must go. Nothing is remembered that an agent's death could cost an app: the next agent
sees from the keeper's records whom to ask, and counts failures anew.
"""

import time
from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from monit_agent.observe.asking import Asker, Asking, Subject, subject_of
from monit_agent.observe.healthguard import HealthGuard, Verdict
from monit_agent.observe.known import Known
from monit_agent.observe.loop import Loop, Timer
from monit_agent.observe.stuckwatch import Tools, ignore, tell
from monit_agent.wire.messages import AppRecord, Checks, InstanceRecord, Sample

LOOK_S = 0.25
"""How often is looked at what is due; a starting worker is asked this often."""

TOLD_AGAIN_S = 1.0
"""A reason that changes is told the keeper at most this often."""


class _Starting:
    """What is remembered of a worker that is not ready yet."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.next_at = 0.0
        self.told: str | None = None
        self.told_at = float("-inf")


class Checking:
    """Checks one app's workers."""

    def __init__(self, loop: Loop, tools: Tools) -> None:
        self._loop = loop
        self._tools = tools
        self._known = tools.known
        self._asker = Asker(loop)
        self._health = HealthGuard()
        self._starting: dict[int, _Starting] = {}
        self._asking: dict[tuple[str, int], Asking] = {}
        self._timer: Timer | None = None
        self._soon = False

    # ------------------------------------------------------------ what the agent calls

    def changed(self) -> None:
        """The app or an instance is not what it was: begin or end to look, and look now."""
        known = self._known()
        if known is None:
            return
        checks = known.app.checks
        wanted = has_ready(checks) or has_health(checks)
        if wanted and self._timer is None:
            self._timer = self._loop.every(LOOK_S, self._look)
        elif not wanted and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wanted and not self._soon:
            self._soon = True  # many instances change together: one look for all
            self._loop.after(0.0, self._look)

    def put_into(self, instance: int, sample: Sample) -> Sample:
        """Give the sample with the instance's health."""
        known = self._known()
        if known is None or sample.pid is None or not has_health(known.app.checks):
            return sample
        return replace(sample, health=self._health.health(instance, sample.pid))

    def forget(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._health.forget(instance)
        self._starting.pop(instance, None)
        for kind in ("ready", "health"):
            self._cancel((kind, instance))

    # ------------------------------------------------------------ looking

    def _look(self) -> None:
        self._soon = False
        known = self._known()
        now = self._tools.awake.now()
        if known is None:
            return
        for (kind, _), asking in list(self._asking.items()):
            patience = _patience_s(kind, known.app)
            if now - asking.begun >= patience:
                asking.time_over(f"no answer within {patience:g} s")
        checks = known.app.checks
        for record in list(known.instances.values()):
            if has_ready(checks):
                self._look_whether_ready(record, known, now)
            if has_health(checks):
                self._look_after_health(record, known, now)

    def _look_whether_ready(self, record: InstanceRecord, known: Known, now: float) -> None:
        instance, key = record.instance, ("ready", record.instance)
        pid = _heir_pid(record) or (record.pid if record.status == "starting" else None)
        self._cancel_other(key, pid)
        if pid is None:
            self._starting.pop(instance, None)
            return
        starting = self._starting.get(instance)
        if starting is None or starting.pid != pid:
            starting = self._starting[instance] = _Starting(pid)
        checks = known.app.checks
        subject = subject_of(known.app, instance, pid, checks.ready_url, checks.ready_command)
        if key in self._asking or now < starting.next_at or not self._asker.has_room(subject):
            return
        starting.next_at = now + LOOK_S * 0.9
        self._begin(key, subject, known.app, now, partial(self._readiness, subject))

    def _look_after_health(self, record: InstanceRecord, known: Known, now: float) -> None:
        instance, key = record.instance, ("health", record.instance)
        settled = record.status == "online" and _heir_pid(record) is None
        pid = record.pid if settled else None
        self._cancel_other(key, pid)
        checks = known.app.checks
        if pid is None or not self._health.due(instance, pid, checks, now) or key in self._asking:
            return
        subject = subject_of(known.app, instance, pid, checks.health_url, checks.health_command)
        if self._asker.has_room(subject):
            self._health.begun(instance, checks, now)
            self._begin(key, subject, known.app, now, partial(self._judge_health, subject))

    def _begin(
        self,
        key: tuple[str, int],
        subject: Subject,
        app: AppRecord,
        now: float,
        judge: Callable[[bool, str], None],
    ) -> None:
        def done(ok: bool, text: str) -> None:
            self._asking.pop(key, None)
            judge(ok, text)

        asking = self._asker.ask(subject, app, now, done)
        if not asking.over:
            self._asking[key] = asking

    def _cancel_other(self, key: tuple[str, int], pid: int | None) -> None:
        """Give up a check of a worker that is not to be asked any more."""
        asking = self._asking.get(key)
        if asking is not None and asking.subject.pid != pid:
            self._cancel(key)

    def _cancel(self, key: tuple[str, int]) -> None:
        asking = self._asking.pop(key, None)
        if asking is not None:
            asking.cancel()

    # ------------------------------------------------------------ verdicts

    def _readiness(self, subject: Subject, ok: bool, text: str) -> None:
        starting = self._starting.get(subject.instance)
        now = self._tools.awake.now()
        if starting is None or starting.pid != subject.pid:
            return
        why = None if ok else f"{subject.what}: {text}"
        if why is not None and (why == starting.told or now - starting.told_at < TOLD_AGAIN_S):
            return
        starting.told, starting.told_at = why, now
        fields = {"instance": subject.instance, "pid": subject.pid, "why": why}
        # a refusal means that it has ended or is ready: the next record says which
        self._tools.ask("ready", ignore, **fields)

    def _judge_health(self, subject: Subject, ok: bool, text: str) -> None:
        known = self._known()
        if known is None:
            return
        instance, now, wall = subject.instance, self._tools.awake.now(), time.time()
        checks = known.app.checks
        if ok:
            verdict = self._health.passed(instance, text, now, wall)
        else:
            verdict = self._health.failed(instance, text, checks, wall)
        self._obey(instance, verdict, checks)

    def _obey(self, instance: int, verdict: Verdict, checks: Checks) -> None:
        if verdict.tell is not None:
            tell(self._tools.ask, instance, *verdict.tell)
        if verdict.replace is not None:
            refused = partial(self._health.refused, instance, checks)
            self._tools.replace((instance,), verdict.replace, refused)


def has_ready(checks: Checks) -> bool:
    """Say whether it is asked if workers are ready."""
    return bool(checks.ready_url or checks.ready_command)


def has_health(checks: Checks) -> bool:
    """Say whether it is asked if workers are healthy."""
    return bool(checks.health_url or checks.health_command)


def _patience_s(kind: str, app: AppRecord) -> float:
    """Give how long an answer may take: for readiness so short that there is a reason to tell
    before the worker's own time is over."""
    answer_s = app.checks.health_timeout_s
    return min(answer_s, app.limits.listen_timeout_s / 2) if kind == "ready" else answer_s


def _heir_pid(record: InstanceRecord) -> int | None:
    """Give the worker that starts beside the one that counts, as long as it is not ready."""
    second = record.second
    return second.pid if second and second.role == "heir" and not second.ready else None
