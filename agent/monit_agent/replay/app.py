"""One replayed app: the real decisions over simulated workers, and what its agent publishes."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from monit_agent.replay.log import ReplayedLog
from monit_agent.replay.timeline import Timeline
from monit_agent.replay.workers import Plan, SimulatedWorkers, WorkerPlan
from monit_agent.supervise import app as apps
from monit_agent.supervise import events as e
from monit_agent.supervise.appstate import App
from monit_agent.supervise.event_log import EventLog
from monit_agent.supervise.spec import AppSpec
from monit_agent.supervise.supervisor import Effects, Save, Supervisor
from monit_agent.wire.limits import EVENTS_KEPT
from monit_agent.wire.messages import (
    AppChanged,
    AppRecord,
    EventRecord,
    InstanceChanged,
    InstanceRecord,
    InstanceRemoved,
    Rollout,
    Sample,
    Stream,
    Update,
)

Play = Iterator[float]
"""A part of a scene: does a step, yields the seconds to wait before the next one."""

Vitals = Callable[[InstanceRecord, float], Sample]
"""The sample of an instance with a worker at a wall time; always the same for the same."""

HISTORY_SAMPLES = 3600


class Printed:
    """Log bytes that are published."""

    def __init__(
        self, instance: int, stream: Stream, offset: int, data: bytes, time: tuple[int, int]
    ) -> None:
        self.instance = instance
        self.stream: Stream = stream
        self.offset = offset
        self.data = data
        self.time = time


Publish = Callable[["ReplayedApp", "Update | Sample | Printed | None", int], None]
"""(app, what, instance of a sample or sequence number of an update); None is the beat."""


def keep_running(_instance: int, _launch: int) -> WorkerPlan:
    """Return the plan of a worker that never exits by itself."""
    return WorkerPlan()


class ReplayedApp(Effects):
    """What keeper and agent of one app hold and publish.

    The app begins at ``spec.created_at``, or with what is ``running``, and plays its past alone;
    `enter` puts it on stage. Workers that start on stage have pids from ``later_pid`` on.
    """

    def __init__(
        self,
        spec: AppSpec,
        vitals: Vitals,
        plan: Plan = keep_running,
        *,
        first_id: int = 0,
        keeper_pid: int = 4000,
        later_pid: int = 5207,
        running: App | None = None,
    ) -> None:
        self.vitals = vitals
        self.silent = False
        """Its agent hangs: nothing is published, nothing answered."""
        self.deleted = False
        """It was deleted."""
        self.keeper_alive = True
        self.epoch = 1
        self.event_seq = 0
        self.logs: dict[tuple[int, Stream], ReplayedLog] = {}
        self.samples: dict[int, deque[Sample]] = {}
        self.instances: dict[int, InstanceRecord] = {}
        self.begun_at = spec.created_at
        self.rollout: Rollout | None = None
        """The rolling reload under way."""
        self.supervisor = Supervisor(spec, self, EventLog(EVENTS_KEPT), pid=keeper_pid)
        self.workers = SimulatedWorkers(
            plan, self.supervisor.feed, self.print, first_pid=keeper_pid + 3
        )
        self.workers.timeline = Timeline(spec.created_at)
        self.record: AppRecord = _as_message(self.supervisor.snapshot()["app"], AppRecord)
        """The app as the wire describes it."""
        self._publish: Publish | None = None
        self._later_pid = later_pid
        self._played: App | None = None
        self._ids = first_id
        self._alarm: float | None = None
        self.supervisor.record_event("keeper_started", None, f"pid {keeper_pid}")
        if running is None:
            ids = self.take_ids(spec.instances)
            self.supervisor.feed(e.ScaleRequested(self.workers.moment(), spec.instances, ids))
        else:
            self._restore(running)

    # ------------------------------------------------------------ what is known

    @property
    def spec(self) -> AppSpec:
        """What the app runs."""
        return self.supervisor.spec

    @property
    def events(self) -> tuple[EventRecord, ...]:
        """The event log, oldest first."""
        return _as_message(self.supervisor.events.all(), tuple[EventRecord, ...])

    def wall(self) -> float:
        """Return the simulated wall time."""
        return self.workers.timeline.now

    def sample(self, number: int, at: float) -> Sample:
        """Return an instance's sample; without a worker only the time is known."""
        record = self.instances[number]
        return Sample(at=at) if record.pid is None else self.vitals(record, at)

    def take_ids(self, count: int) -> tuple[int, ...]:
        """Return ids for ``count`` new instances."""
        first, self._ids = self._ids, self._ids + count
        return tuple(range(first, first + count))

    # ------------------------------------------------------------ on stage

    def play_past(self, until: float) -> None:
        """Play what happened to the app before ``until``; nothing of it is published."""
        self.workers.timeline.run_until(until)
        self.begun_at = until
        if self._played is self.supervisor.app:
            return
        self._played = self.supervisor.app
        plain = self.supervisor.snapshot()
        self.record = _as_message(plain["app"], AppRecord)
        self.rollout = _as_message(plain["rollout"], Rollout | None)
        records = _as_message(plain["instances"], tuple[InstanceRecord, ...])
        self.instances = {record.instance: record for record in records}

    def enter(self, timeline: Timeline, publish: Publish) -> None:
        """From now on ``timeline`` moves the app, and what happens is published."""
        self.play_past(timeline.now)
        self.workers.timeline.move_calls_to(timeline)
        self.workers.timeline = timeline
        self.workers.next_pid = self._later_pid
        self._publish = publish

    def print(self, number: int, stream: Stream, data: bytes, at: float | None = None) -> None:
        """Let a worker print ``data`` now, or at a wall time before the scene."""
        if apps.find_slot(self.supervisor.app, number) is None:
            return
        log = self.logs.setdefault((number, stream), ReplayedLog(number, stream))
        offset = log.end
        time = log.append(data, round((self.wall() if at is None else at) * 1e9))
        self._send(Printed(number, stream, offset, data, time), number)

    def crash(self, number: int, code: int = 1) -> None:
        """Let the worker of an instance exit now."""
        pid = self.instances[number].pid
        if pid is not None:
            self.workers.exit(pid, code, None)

    def publish_samples(self) -> None:
        """Publish the beat and one sample of every instance, as an agent does each second."""
        self._send(None, 0)
        for number in self.instances:
            sample = self.sample(number, self.wall())
            self.samples.setdefault(number, deque(maxlen=HISTORY_SAMPLES)).append(sample)
            self._send(sample, number)

    # ------------------------------------------------------------ effects of decisions

    def spawn(self, instance: int) -> e.AppEvent:
        """Start a simulated worker."""
        return self.workers.start(instance)

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a simulated worker."""
        self.workers.signal(pid, number)

    def drain(self, pid: int) -> None:
        """Let a simulated worker drain."""
        self.workers.drain(pid)

    def reload_in_place(self, instance: int, pid: int) -> e.AppEvent | None:
        """Let a simulated worker reload itself."""
        _ = instance
        if self.spec.policy.reload_command:
            self.workers.reload(pid)

    def end_reload(self, instance: int) -> None:
        """End a simulated reload: nothing runs that could be killed."""

    def log_error(self, text: str) -> None:
        """Fail: a scene must not make an impossible event."""
        raise AssertionError(text)

    def remove_instance(self, instance: int) -> None:
        """Drop the logs of an instance that was scaled away."""
        for stream in ("out", "err"):
            self.logs.pop((instance, stream), None)

    def shut_down(self, *, delete: bool) -> None:
        """Leave the stage."""
        self.deleted = True
        if delete:
            self.broadcast({"type": "app_deleted"})

    def broadcast(self, update: dict[str, Any]) -> None:
        """Publish an update."""
        self.event_seq += 1
        if self._publish is None:
            return  # `play_past` reads at its end what has become of all
        message = _as_message(update, Update)
        if isinstance(message, InstanceChanged):
            self.instances[message.instance.instance] = message.instance
        elif isinstance(message, InstanceRemoved):
            self.instances.pop(message.instance, None)
        elif isinstance(message, AppChanged):
            self.record, self.rollout = message.app, message.rollout
        self._send(message, self.event_seq)

    def after_publish(self, save: Save) -> None:
        """Set the alarm for the next deadline; a replay saves nothing."""
        _ = save
        wake = apps.next_deadline(self.supervisor.app)
        if wake is not None and wake != self._alarm:
            self.workers.timeline.call_at(wake, self._pass_deadline)
        self._alarm = wake

    def _pass_deadline(self) -> None:
        self._alarm = None
        moment = self.workers.moment()
        due = apps.overdue_instances(self.supervisor.app, moment.mono)
        if due:
            self.supervisor.feed(e.EachSlot(due, e.DeadlinePassed(moment)))
        self.after_publish(Save.NOT)

    def _restore(self, app: App) -> None:
        self.supervisor.app = app
        for slot in app.slots:
            if slot.worker is not None:
                self.workers.adopt(slot.instance, slot.worker.pid)

    def _send(self, what: "Update | Sample | Printed | None", number: int) -> None:
        if self._publish is not None:
            self._publish(self, what, number)


def _as_message(plain: Any, kind: Any) -> Any:
    return msgspec.convert(plain, kind)
