"""The loop around `decide`: feed an event, publish what changed, carry out the actions.

The keeper runs it over real processes, the replay over simulated ones. So both send the same
updates in the same order.
"""

from collections import deque
from enum import Enum

from monit_agent.supervise import actions as a
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise import records
from monit_agent.supervise.appstate import App
from monit_agent.supervise.clock_change import clock_change_text, with_shifted_times
from monit_agent.supervise.event_log import EventLog
from monit_agent.supervise.requests import AcceptedRequest
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.state import Slot, Status, awaits_worker
from monit_agent.typed import Any


class Save(Enum):
    """When a change must be saved."""

    NOT = "not"
    """Nothing changed."""
    SOON = "soon"
    EARLY = "early"
    """A worker was told to exit, or another one starts in its place: the next supervisor must not
    take the exit for a crash, nor start a third one."""
    AT_ONCE = "at once"
    """Slots came or went, and one that is not saved must have no worker; or somebody wants others
    to run, which a reboot in the next moment must not undo."""


_NEED_NONE = (
    e.StartRequested,
    e.StopRequested,
    e.RestartRequested,
    e.ResetRequested,
    e.ScaleRequested,
    e.DeleteRequested,
    e.ShutdownRequested,
)
"""Events that a slot can decide about whose worker is still to be started."""


class Effects:
    """What a supervisor cannot do itself; the keeper and the replay implement it."""

    def spawn(self, instance: int) -> e.AppEvent:
        """Start a worker and return `Spawned` or `SpawnFailed` of its slot."""
        raise NotImplementedError

    def may_spawn(self) -> bool:
        """Return whether another worker may start now; if not, it is *postponed*."""
        return True

    def signal(self, pid: int, number: int) -> None:
        """Send a worker its stop signal, or kill what is left of it (SIGKILL)."""
        raise NotImplementedError

    def drain(self, pid: int) -> None:
        """Let a worker accept no new connections; `Drained` follows when it has finished."""
        raise NotImplementedError

    def reload_in_place(self, instance: int, pid: int) -> e.AppEvent | None:
        """Run the reload command of a worker, or send it the reload signal. Return
        `ReloadedInPlace` if that fails at once."""
        raise NotImplementedError

    def end_reload(self, instance: int) -> None:
        """Kill the reload command that runs for an instance, if one does."""
        raise NotImplementedError

    def log_error(self, text: str) -> None:
        """Write a line to the supervisor's own log."""
        raise NotImplementedError

    def remove_instance(self, instance: int) -> None:
        """Release what belongs to a slot that was scaled away."""
        raise NotImplementedError

    def shut_down(self, *, delete: bool) -> None:
        """End, because no worker is left; ``delete`` says that the app was deleted."""
        raise NotImplementedError

    def broadcast(self, update: dict[str, Any]) -> None:
        """Send an update to all that follow the app."""
        raise NotImplementedError

    def before_publish(self) -> None:
        """Prepare what those who read the next updates may rely on."""

    def after_publish(self, save: Save) -> None:
        """Save the state, and set the alarm for `next_deadline`."""
        raise NotImplementedError

    def environment(self) -> dict[str, Any] | None:
        """Return the wire's `EnvironmentRecord`; None where nothing is known of it."""
        return None

    def problems(self) -> tuple[str, ...]:
        """Return what cannot be done at present, and why."""
        return ()

    def wall(self) -> float:
        """Return the wall time, in seconds since 1970."""
        raise NotImplementedError


class Supervisor:
    """One app: its state, its spec and its event log."""

    def __init__(
        self,
        spec: AppSpec,
        effects: Effects,
        events: EventLog,
        *,
        pid: int,
        version: str | None = None,
    ) -> None:
        self.spec = spec
        self.replaced_spec: AppSpec | None = None
        """The one before ``spec``, while it is not known whether that works."""
        self.app = App()
        self.events = events
        self._effects = effects
        self._pid = pid
        self._version = version
        self._queue: deque[e.AppEvent] = deque()
        self.postponed: deque[int] = deque()
        """Slots whose worker is still to be started: they are ``starting`` and have none."""
        self._feeding = False

    @property
    def saved_spec(self) -> AppSpec:
        """Return the spec that counts after the death of the supervisor."""
        return self.spec if self.replaced_spec is None else self.replaced_spec

    def feed(self, event: e.AppEvent) -> None:
        """Decide about ``event``, and carry out everything that follows from it."""
        self._queue.append(event)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._queue:
                self._step(self._queue.popleft())
        finally:
            self._feeding = False

    def start_postponed(self, *, all_of_them: bool = False) -> None:
        """Start workers that were postponed, as long as they may start, or all of them."""
        while self.postponed and (all_of_them or self._effects.may_spawn()):
            answer = self._effects.spawn(self.postponed[0])
            self.postponed.popleft()
            self.feed(answer)

    def carry_out(self, accepted: AcceptedRequest) -> None:
        """Record who requested what, and feed its event."""
        self.record_event("requested", None, accepted.text, accepted.by)
        self.feed(accepted.event)

    def record_event(
        self, kind: str, instance: int | None, text: str, by: str | None = None
    ) -> None:
        """Add an entry to the event log and publish it."""
        record = self.events.add(self._effects.wall(), kind, instance, text, by)
        self._effects.broadcast({"type": "event_added", "event": record})

    def clock_changed(self, delta_s: float) -> None:
        """Shift all wall times by as much as the clock was set, and publish them."""
        before = self.app
        self.app = with_shifted_times(before, delta_s)
        self.record_event("clock_changed", None, clock_change_text(delta_s))
        self._publish(before)

    def retry_starts(self, mono: float) -> None:
        """Let those that wait for room, or for an answer, be due at monotonic second ``mono``."""
        self.app = apps.with_starts_due(self.app, mono)
        self._effects.after_publish(Save.NOT)

    def publish_app(self) -> None:
        """Publish the app's record."""
        self._effects.broadcast({"type": "app_changed", **self._app_fields()})

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a client needs when it connects, apart from logs."""
        return {
            **self._app_fields(),
            "instances": [records.instance_record(slot) for slot in self.app.slots],
            "events": self.events.all(),
        }

    def _app_fields(self) -> dict[str, Any]:
        return {
            "app": {
                **records.app_record(self.app, self.spec, self._pid),
                "environment": self._effects.environment(),
                "problems": self._effects.problems(),
                "keeper_version": self._version,
            },
            "rollout": records.rollout_record(self.app.rollout),
        }

    def _step(self, event: e.AppEvent) -> None:
        first = self._to_start_first(event)
        if first is not None:
            answer = self._effects.spawn(first)
            self.postponed.remove(first)
            self._queue.extendleft((event, answer))
            return
        before = self.app
        self.app, actions = apps.decide(before, event, self.spec)
        if self.app is not before:
            self._effects.before_publish()
            self._publish(before)
        if self.postponed:  # a slot that was stopped, or removed, meanwhile gets no worker
            awaiting = {slot.instance for slot in self.app.slots if awaits_worker(slot)}
            self.postponed = deque(each for each in self.postponed if each in awaiting)
        answers: list[e.AppEvent] = []
        for action in actions:
            if isinstance(action, a.Spawn) and self._effects.may_spawn():
                answers.append(self._effects.spawn(action.instance))
            elif isinstance(action, a.Spawn):
                self.postponed.append(action.instance)
            elif isinstance(action, a.ReloadInPlace):
                failed = self._effects.reload_in_place(action.instance, action.pid)
                answers += [] if failed is None else [failed]
            else:
                self._perform(action)
        self._queue.extendleft(reversed(answers))

    def _to_start_first(self, event: e.AppEvent) -> int | None:
        """Return a postponed slot whose worker must start before ``event`` is decided; None if
        there is no further one. A stop, or another start, needs no worker."""
        each = event.instances if isinstance(event, e.EachSlot) else None
        needs_none = isinstance(event.event if isinstance(event, e.EachSlot) else event, _NEED_NONE)
        for instance in self.postponed:
            if each is None or instance in each:
                slot = apps.find_slot(self.app, instance)
                if slot is not None and not (needs_none and slot.replacement is None):
                    return instance
        return None

    def _perform(self, action: a.Action) -> None:
        if isinstance(action, a.Signal):
            pid = action.pid or _worker_pid(self.app, action.instance)
            if pid is not None:
                self._effects.signal(pid, action.signal)
        elif isinstance(action, a.Drain):
            self._effects.drain(action.pid)
        elif isinstance(action, a.EndReload):
            self._effects.end_reload(action.instance)
        elif isinstance(action, a.RecordEvent):
            self.record_event(action.kind, action.instance, action.text)
        elif isinstance(action, a.LogError):
            self._effects.log_error(action.text)
        elif isinstance(action, a.RemoveInstance):
            self._effects.remove_instance(action.instance)
            self._effects.broadcast({"type": "instance_removed", "instance": action.instance})
        elif isinstance(action, a.ShutDown):
            self._effects.shut_down(delete=action.delete)

    def _publish(self, before: App) -> None:
        """Publish the difference to ``before``."""
        old = {slot.instance: slot for slot in before.slots}
        changed = False
        for slot in self.app.slots:
            if slot is not old.get(slot.instance):
                changed = True
                record = records.instance_record(slot)
                self._effects.broadcast({"type": "instance_changed", "instance": record})
        resized = [slot.instance for slot in self.app.slots] != list(old)
        size_changed = apps.instance_count(self.app) != apps.instance_count(before)
        mode_changed = records.effective_mode(self.app, self.spec) != records.effective_mode(
            before, self.spec
        )
        if resized or size_changed or mode_changed or self.app.rollout != before.rollout:
            changed = True
            self.publish_app()
        save = Save.SOON if changed else Save.NOT
        if any(_replaces(slot) != _replaces(old.get(slot.instance)) for slot in self.app.slots):
            save = Save.EARLY
        desired = {slot.instance: slot.desired for slot in before.slots}
        if resized or any(s.desired != desired.get(s.instance) for s in self.app.slots):
            save = Save.AT_ONCE
        self._effects.after_publish(save)


def _replaces(slot: Slot | None) -> object:
    """Return what is different after a worker was told to exit, or another one was started for
    it."""
    if slot is None:
        return None
    return slot.status in (Status.DRAINING, Status.STOPPING), slot.replacement


def _worker_pid(app: App, instance: int) -> int | None:
    slot = apps.find_slot(app, instance)
    return slot.worker.pid if slot and slot.worker else None
