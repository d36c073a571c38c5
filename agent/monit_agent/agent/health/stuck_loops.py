"""For how long event loops have been blocked at this moment, and what follows from it.

A Python process reports it itself, from its probe's thread. A Node process cannot report while its
loop is blocked, and no process can while it is halted (SIGSTOP): then silence counts. Times called
``now`` are seconds of `AwakeClock`, so that a pause of the agent does not count as silence.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from monit_agent.agent.health.keeper_requests import KeeperRequests, record_event
from monit_agent.agent.health.replacement_backoff import ReplacementBackoff
from monit_agent.agent.keeper.state import AppState
from monit_agent.wire.messages import Sample

SILENT_S = 2.5
"""So long without a report, of which one comes each second, is silence: one may be lost."""

LONG_S = 1.0
"""A loop that had been busy for this long when it last reported is taken to be busy still; a
shorter time means only that it was busy."""

STUCK_S = 5.0
"""From here on it is an event."""

REQUEST_AGAIN_S = 5.0


class LastReport(NamedTuple):
    """What a process reported last. ``busy_s`` is None when it has no event loop that runs."""

    at: float
    busy_s: float | None
    program: str


class ProcessLook(NamedTuple):
    """A living process as the kernel shows it: the letter of its state, and what it runs."""

    state: str
    program: str


class StuckTracker:
    """Knows how long each process of the app's instances has been blocked. Pure.

    ``inspect`` returns None for a process that has exited.
    """

    def __init__(self, inspect: Callable[[int], ProcessLook | None]) -> None:
        self._inspect = inspect
        self._reports: dict[int, dict[int, LastReport]] = {}
        self._presumed: dict[int, tuple[int, float]] = {}

    def report_received(self, instance: int, pid: int, busy_s: float | None, now: float) -> None:
        """Note a report of a process of the instance."""
        reports = self._reports.setdefault(instance, {})
        before = reports.get(pid)
        program = before.program if before else getattr(self._inspect(pid), "program", "")
        reports[pid] = LastReport(now, busy_s, program)
        if instance in self._presumed and self._presumed[instance][0] == pid:
            del self._presumed[instance]

    def presume_stuck(self, instance: int, pid: int, since: float) -> None:
        """Note that an earlier agent saw the worker stuck; believed until the worker reports."""
        self._presumed[instance] = (pid, since)

    def remove_process(self, instance: int, pid: int) -> None:
        """Note that a process announced its exit, or closed its connection."""
        self._reports.get(instance, {}).pop(pid, None)

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of an instance: it is gone, or has another worker."""
        self._reports.pop(instance, None)
        self._presumed.pop(instance, None)

    def blocked_s(self, instance: int, worker: int, now: float) -> float | None:
        """Return for how long the worst loop has been blocked; None without any loop."""
        reports = self._reports.get(instance, {})
        each = [self._process_blocked_s(reports, pid, now) for pid in list(reports)]
        each.append(self._presumed_blocked_s(instance, worker, now))
        return max((seconds for seconds in each if seconds is not None), default=None)

    def _process_blocked_s(
        self, reports: dict[int, LastReport], pid: int, now: float
    ) -> float | None:
        last = reports[pid]
        silence = now - last.at
        if silence < SILENT_S:
            if last.busy_s is None:
                return None
            return last.busy_s + (silence if last.busy_s >= LONG_S else 0.0)
        process = self._inspect(pid)
        if process is None or process.program != last.program:
            del reports[pid]  # it has exited, or became a program that does not report
            return None
        if last.busy_s is None and process.state not in ("T", "t"):
            return None  # without a loop nothing is blocked by what takes long
        return silence + (last.busy_s or 0.0)

    def _presumed_blocked_s(self, instance: int, worker: int, now: float) -> float | None:
        if instance not in self._presumed:
            return None
        pid, since = self._presumed[instance]
        if pid != worker or self._inspect(pid) is None:
            del self._presumed[instance]
            return None
        return now - since


class _StuckSlot:
    def __init__(self, backoff: ReplacementBackoff) -> None:
        self.backoff = backoff
        self.longest = 0.0
        self.reported = False
        self.request_at = 0.0


class StuckJudge:
    """Decides when an instance is stuck, when it is not any more, and when to replace it. Pure."""

    def __init__(self) -> None:
        self._slots: dict[int, _StuckSlot] = {}

    def presume_reported(self, instance: int, pid: int) -> None:
        """Note that an earlier agent reported this worker as stuck."""
        self._slot(instance, pid).reported = True

    def judge(self, instance: int, pid: int, seconds: float, now: float) -> tuple[str, str] | None:
        """Return kind and text of an event when it begins or ends; called once a second."""
        slot = self._slot(instance, pid)
        if seconds >= STUCK_S:
            slot.backoff.note_ill()
            begins, slot.reported = not slot.reported, True
            slot.longest = seconds
            return ("stuck", f"event loop blocked for {seconds:.0f} s so far") if begins else None
        slot.backoff.note_well(now)
        slot.request_at = 0.0
        if not slot.reported:
            return None
        slot.reported = False
        return "unstuck", f"event loop runs again after {max(slot.longest, STUCK_S):.0f} s"

    def replace_reason(
        self, instance: int, pid: int, seconds: float, limit: float | None
    ) -> str | None:
        """Return the reason to replace the worker now, or None."""
        slot = self._slot(instance, pid)
        if limit is None or seconds < max(limit * slot.backoff.factor, slot.request_at):
            return None
        slot.backoff.replacement_requested()
        return f"stuck: event loop blocked for {seconds:.0f} s"

    def replacement_refused(self, instance: int, seconds: float) -> None:
        """Request it again a little later."""
        slot = self._slots.get(instance)
        if slot is not None:
            slot.backoff.replacement_refused()
            slot.request_at = seconds + REQUEST_AGAIN_S

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._slots.pop(instance, None)

    def _slot(self, instance: int, pid: int) -> _StuckSlot:
        slot = self._slots.get(instance)
        if slot is None or slot.backoff.pid != pid:
            backoff = slot.backoff.for_next_worker(pid) if slot else ReplacementBackoff(pid)
            slot = self._slots[instance] = _StuckSlot(backoff)
        return slot


class StuckWatch:
    """Reports stuck event loops, and has their workers replaced where the user wants that.

    ``blocked_at`` is where an instance's loop is blocked now.
    """

    def __init__(
        self, keeper: KeeperRequests, tracker: StuckTracker, blocked_at: Callable[[int], str]
    ) -> None:
        self._keeper = keeper
        self._tracker = tracker
        self._blocked_at = blocked_at
        self._judge = StuckJudge()

    def sample_made(self, instance: int, sample: Sample) -> None:
        """Judge the sample of this second."""
        now, state = self._keeper.clock.now(), self._keeper.state()
        if state is None or sample.pid is None or instance not in state.instances:
            return
        seconds = sample.stuck_s or 0.0
        event = self._judge.judge(instance, sample.pid, seconds, now)
        if event is not None:
            kind, text = event
            text += self._blocked_at(instance) if kind == "stuck" else ""
            record_event(self._keeper, instance, kind, text)
        if state.instances[instance].status != "online":
            return
        limit = state.app.checks.restart_stuck_s
        why = self._judge.replace_reason(instance, sample.pid, seconds, limit)
        if why is not None:
            why += self._blocked_at(instance)
            refused = partial(self._judge.replacement_refused, instance, seconds)
            self._keeper.replace((instance,), why, refused)

    def restore(self, state: AppState) -> None:
        """Take over from the event log what an agent before this one saw.

        A Node worker that is stuck cannot connect, and so not report it again.
        """
        now, wall = self._keeper.clock.now(), time.time()
        last = {
            event.instance: event
            for event in state.events
            if event.kind in ("stuck", "unstuck", "exited", "ready")
        }
        for instance, event in last.items():
            record = state.instances.get(instance) if instance is not None else None
            if event.kind == "stuck" and record is not None and record.pid is not None:
                since = now - max(0.0, wall - event.at) - STUCK_S
                self._tracker.presume_stuck(record.instance, record.pid, since)
                self._judge.presume_reported(record.instance, record.pid)

    def remove_instance(self, instance: int) -> None:
        """Drop what is remembered of a slot that is gone."""
        self._judge.remove_instance(instance)
