"""One replayed app: what its keeper and agent would hold and publish, without processes."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from monit_agent.client.replay_log import ReplayedLog
from monit_agent.wire.messages import (
    AppChanged,
    AppRecord,
    Bye,
    Event,
    Exit,
    Happened,
    Happening,
    HappeningKind,
    InstanceChanged,
    InstanceGone,
    InstanceRecord,
    Roll,
    Sample,
    Stream,
)

Play = Iterator[float]
"""A part of a scene: does a step, gives the seconds to wait before the next one."""

Vitals = Callable[[InstanceRecord, float], Sample]
"""The sample of an instance with a worker at a wall time; always the same for the same."""

RING = 3600


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


Publish = Callable[["ReplayedApp", "Event | Sample | Printed | None", int], None]
"""(app, what, instance of a sample or sequence number of an event); None is the beat."""


def _nobody_listens(_app: "ReplayedApp", _what: object, _number: int) -> None:
    """Take what an app says before it is on stage: its past."""


class ReplayedApp:
    """Slots, logs, samples and happenings of one app, changed by plays."""

    def __init__(
        self,
        record: AppRecord,
        instances: list[InstanceRecord],
        vitals: Vitals,
        *,
        stop_takes_s: float = 0.3,
        first_pid: int = 5200,
    ) -> None:
        self.record = record
        self.instances = {one.instance: one for one in instances}
        self.vitals = vitals
        self.stop_takes_s = stop_takes_s
        self.roll: Roll | None = None
        self.silent = False
        """Its agent hangs: nothing is published, nothing answered."""
        self.left = False
        """It was deleted."""
        self.keeper_alive = True
        self.epoch = 1
        self.event_seq = 0
        self.happenings: deque[Happening] = deque(maxlen=300)
        self.logs: dict[tuple[int, Stream], ReplayedLog] = {}
        self.turns: dict[int, int] = {}
        """Who may move a slot: a newer command takes the turn from an older one."""
        self.ring: dict[int, deque[Sample]] = {}
        self.wall: Callable[[], float] = lambda: record.created_at
        self.publish: Publish = _nobody_listens
        self._next_pid = first_pid
        self.begun_at = record.created_at

    def enter(self, wall: Callable[[], float], publish: Publish) -> None:
        """Go on stage: from now on time passes and what happens is published."""
        self.wall = wall
        self.publish = publish
        self.begun_at = wall()

    # ------------------------------------------------------------ what is published

    def change(self, number: int, **fields: Any) -> InstanceRecord:
        """Change fields of a slot and publish it."""
        record = replace(self.instances[number], **fields)
        self.instances[number] = record
        self._event(InstanceChanged(instance=record))
        return record

    def add(self, record: InstanceRecord) -> None:
        """Give the app one more slot."""
        self.instances[record.instance] = record
        self._event(InstanceChanged(instance=record))

    def remove(self, number: int) -> None:
        """Scale a slot away."""
        self.instances.pop(number, None)
        for stream in ("out", "err"):
            self.logs.pop((number, stream), None)
        self._event(InstanceGone(instance=number))

    def change_app(self, *, roll: Roll | None = None, **fields: Any) -> None:
        """Change fields of the app, or how far its reload is."""
        self.record = replace(self.record, **fields)
        self.roll = roll
        self._event(AppChanged(app=self.record, roll=roll))

    def happened(
        self, kind: HappeningKind, number: int | None = None, text: str = "", by: str | None = None
    ) -> None:
        """Write one line into the Events pane."""
        seq = self.happenings[-1].seq + 1 if self.happenings else 1
        at = self.wall()
        happening = Happening(seq=seq, at=at, kind=kind, instance=number, text=text, by=by)
        self.happenings.append(happening)
        self._event(Happened(happening=happening))

    def leave(self) -> None:
        """The app was deleted."""
        self.left = True
        self._event(Bye())

    def print(self, number: int, stream: Stream, data: bytes, at: float | None = None) -> None:
        """Let a worker print ``data`` now, or at a wall time before the scene."""
        if number not in self.instances:
            return
        log = self.logs.setdefault((number, stream), ReplayedLog(number, stream))
        offset = log.end
        time = log.append(data, round((self.wall() if at is None else at) * 1e9))
        self.publish(self, Printed(number, stream, offset, data, time), number)

    def pulse(self) -> None:
        """Publish the beat and one sample of every slot, as an agent does each second."""
        self.publish(self, None, 0)
        for number in self.instances:
            sample = self.sample(number, self.wall())
            self.ring.setdefault(number, deque(maxlen=RING)).append(sample)
            self.publish(self, sample, number)

    def _event(self, event: Event) -> None:
        self.event_seq += 1
        self.publish(self, event, self.event_seq)

    # ------------------------------------------------------------ what is asked

    def sample(self, number: int, at: float) -> Sample:
        """Give a slot's sample; without a worker nothing but the time is known."""
        record = self.instances[number]
        return Sample(at=at) if record.pid is None else self.vitals(record, at)

    # ------------------------------------------------------------ for plays

    def new_pid(self) -> int:
        """Give a process id that no worker had."""
        self._next_pid += 7
        return self._next_pid

    def take_turn(self, number: int) -> int:
        """Let a new command move this slot; older plays see that their turn is over."""
        self.turns[number] = self.turns.get(number, 0) + 1
        return self.turns[number]

    def exited(self, number: int, end: Exit) -> None:
        """Note how a slot's worker ended; the slot has none from now on."""
        record = self.instances[number]
        times = record.restart_times if end.asked else (*record.restart_times, end.at)[-200:]
        self.change(
            number, pid=None, started_at=None, ready=False, restart_times=times,
            exits=(*record.exits, end)[-10:],
        )  # fmt: skip
        how = f"signal {end.signal}" if end.signal is not None else f"code {end.code}"
        self.happened("exited", number, f"{how} after {end.ran_s:.1f} s")
