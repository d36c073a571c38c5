"""Samples every second, the newest of each instance and an hour of them all."""

import time
from collections.abc import Callable, Mapping

from monit_agent.observe.loop import Loop
from monit_agent.observe.proctree import TreeReader
from monit_agent.observe.ring import Ring, Room
from monit_agent.observe.sample import Sampler
from monit_agent.wire.limits import BEAT_S
from monit_agent.wire.messages import InstanceRecord, OwnHistory, Sample

FIRST_S = 0.2
"""A new worker is looked at at once and this much later, so that its CPU is known within a
second of its start."""

TOGETHER, STEPS, STEP_S = 64, 40, 0.02
"""Instances that are sampled in one go, and the number and distance of the goes of one second.
All of 1,000 at once would keep a command waiting for 50 ms and fill the publisher's queue."""


class History:
    """Samples the instances that ``instances`` gives; hands each sample to ``sampled``,
    and those of the regular seconds to ``ticked`` too. ``inside`` adds to a sample what can
    only be seen from inside the worker."""

    def __init__(
        self,
        loop: Loop,
        reader: TreeReader,
        instances: Callable[[], Mapping[int, InstanceRecord]],
        sampled: Callable[[int, Sample], None],
        ticked: Callable[[int, Sample], None],
        *,
        inside: Callable[[int, Sample], Sample] = lambda _instance, sample: sample,
    ) -> None:
        self.reader = reader
        self.newest: dict[int, Sample] = {}
        """The last sample by instance."""
        self._loop = loop
        self._instances = instances
        self._sampled = sampled
        self._ticked = ticked
        self._inside = inside
        self._sampler = Sampler(reader)
        self._rings: dict[int, Ring] = {}
        self._room = Room()
        self._pids: dict[int, int | None] = {}
        loop.every(BEAT_S, self._tick)

    def changed(self, record: InstanceRecord) -> None:
        """Note that a slot changed; a new worker in it is looked at now and shortly after."""
        if record.pid == self._pids.get(record.instance):
            return
        self._pids[record.instance] = record.pid
        self._take(record)
        if record.pid is not None:
            self._loop.after(FIRST_S, lambda: self._again(record))

    def forget(self, instance: int) -> None:
        """Drop what is known of a slot that is gone."""
        self._sampler.forget(instance)
        if instance in self._rings:
            self._rings[instance].clear()
        for by_instance in (self.newest, self._rings, self._pids):
            by_instance.pop(instance, None)

    def since(self, instance: int, at: float) -> tuple[Sample, ...]:
        """Give the instance's samples taken at or after ``at`` (wall seconds), oldest first."""
        ring = self._rings.get(instance)
        return ring.since(at) if ring else ()

    def own_since(self, instance: int, at: float) -> dict[str, OwnHistory]:
        """Give the past of the app's own metrics, a value for each of those samples."""
        ring = self._rings.get(instance)
        return ring.own_since(at) if ring else {}

    def _tick(self) -> None:
        numbers = list(self._instances())
        self._some(numbers, max(TOGETHER, -(-len(numbers) // STEPS)))

    def _some(self, numbers: list[int], count: int) -> None:
        """Sample the first ``count`` of these instances now and the others a little later."""
        if numbers[count:]:
            self._loop.after(STEP_S, lambda: self._some(numbers[count:], count))
        for number in numbers[:count]:
            record = self._instances().get(number)  # it may be gone by now
            if record is not None:
                self._regular(record)

    def _regular(self, record: InstanceRecord) -> None:
        self._take(record)
        sample = self.newest[record.instance]
        self._ring(record.instance).append(sample)
        self._ticked(record.instance, sample)

    def _ring(self, instance: int) -> Ring:
        if instance not in self._rings:
            self._rings[instance] = Ring(room=self._room)
        return self._rings[instance]

    def _again(self, record: InstanceRecord) -> None:
        if self._pids.get(record.instance) == record.pid:
            self._take(record)

    def _take(self, record: InstanceRecord) -> None:
        sample = self._sampler.sample(record.instance, record.pid, time.time(), time.monotonic())
        sample = self._inside(record.instance, sample)
        self.newest[record.instance] = sample
        self._sampled(record.instance, sample)
