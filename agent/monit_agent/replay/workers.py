"""Simulated workers: what each does after its start, without a process."""

from collections.abc import Callable
from typing import NamedTuple

from monit_agent.replay.timeline import Timeline
from monit_agent.supervise import events as e
from monit_agent.supervise.state import Now, Worker
from monit_agent.wire.messages import Stream

SIGKILL = 9
DEATH_S = 0.01
"""From SIGKILL to the exit."""
JITTER = 0.0
"""Backoff is the same every time."""


class WorkerPlan(NamedTuple):
    """What a worker does, in seconds after its start; None: never."""

    listens_after_s: float | None = None
    """Accepts connections on a port that the supervisor holds."""
    ready_after_s: float | None = None
    """Reports that it is ready, where the app waits for that."""
    exits_after_s: float | None = None
    code: int | None = 1
    signal: int | None = None
    last_words: tuple[tuple[Stream, bytes], ...] = ()
    """Printed just before it exits."""
    cannot_start: str | None = None
    """Why not even a process can be started; then nothing else counts."""


Plan = Callable[[int, int], WorkerPlan]
"""(instance, number of the start, from 0) to what that worker does."""


class SimulatedWorkers:
    """The workers of one app."""

    def __init__(
        self,
        plan: Plan,
        feed: Callable[[e.AppEvent], None],
        print_bytes: Callable[[int, Stream, bytes], None],
        *,
        first_pid: int,
    ) -> None:
        self.timeline = Timeline(0.0)
        self.stops_after_s = 0.3
        """From the stop signal to the exit."""
        self.drains_after_s = 0.3
        """From the order to drain to its end."""
        self.reloads_after_s = 0.5
        """From the start of a reload command to its exit."""
        self.plan = plan
        self._feed = feed
        self._print = print_bytes
        self.next_pid = first_pid
        self._starts: dict[int, int] = {}
        self._alive: dict[int, int] = {}

    def moment(self) -> Now:
        """Return the present on both clocks, which are one here."""
        return Now(self.timeline.now, self.timeline.now)

    def start(self, instance: int) -> e.AppEvent:
        """Start a worker as its plan says."""
        launch = self._starts.get(instance, 0)
        self._starts[instance] = launch + 1
        plan = self.plan(instance, launch)
        if plan.cannot_start is not None:
            failed = e.SpawnFailed(self.moment(), plan.cannot_start, permanent=True, jitter=JITTER)
            return e.EachSlot((instance,), failed)
        pid = self.next_pid
        self.next_pid += 1
        self._alive[pid] = instance
        if plan.listens_after_s is not None:
            self._later(plan.listens_after_s, lambda: self._report(pid, e.StartedListening))
        if plan.ready_after_s is not None:
            self._later(plan.ready_after_s, lambda: self._report(pid, e.BecameReady))
        if plan.exits_after_s is not None:
            self._later(plan.exits_after_s, lambda: self._exit_as_planned(pid, plan))
        return e.EachSlot((instance,), e.Spawned(self.moment(), Worker(pid, pid, self.moment())))

    def adopt(self, instance: int, pid: int) -> None:
        """Take over a worker that runs already, and never exits by itself."""
        self._alive[pid] = instance

    def signal(self, pid: int, number: int) -> None:
        """Send a signal: SIGKILL ends at once, any other one after `stops_after_s`."""
        if number == SIGKILL:
            self._later(DEATH_S, lambda: self.exit(pid, None, SIGKILL))
        else:
            self._later(self.stops_after_s, lambda: self.exit(pid, 0, None))

    def drain(self, pid: int) -> None:
        """Finish what the worker has in hand."""
        self._later(self.drains_after_s, lambda: self._report(pid, e.Drained))

    def reload(self, pid: int) -> None:
        """Run a reload command, which exits with 0."""
        self._later(self.reloads_after_s, lambda: self._reloaded(pid))

    def _reloaded(self, pid: int) -> None:
        instance = self._alive.get(pid)
        if instance is not None:
            self._feed(e.EachSlot((instance,), e.ReloadedInPlace(self.moment())))

    def exit(self, pid: int, code: int | None, signal: int | None) -> None:
        """Let a worker exit now; nothing happens if it is gone."""
        instance = self._alive.pop(pid, None)
        if instance is not None:
            exited = e.Exited(self.moment(), code, signal, 0, JITTER, pid)
            self._feed(e.EachSlot((instance,), exited))

    def _exit_as_planned(self, pid: int, plan: WorkerPlan) -> None:
        instance = self._alive.get(pid)
        if instance is not None:
            for stream, data in plan.last_words:
                self._print(instance, stream, data)
            self.exit(pid, plan.code if plan.signal is None else None, plan.signal)

    def _report(
        self, pid: int, kind: type[e.StartedListening] | type[e.BecameReady] | type[e.Drained]
    ) -> None:
        instance = self._alive.get(pid)
        if instance is not None:
            self._feed(e.EachSlot((instance,), kind(self.moment(), pid)))

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timeline.call_at(self.timeline.now + seconds, call)
