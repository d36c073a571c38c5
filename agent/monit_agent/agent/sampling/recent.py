"""Samples once a second: the newest of each instance, and an hour of their figures."""

import asyncio
import time
from collections.abc import Callable, Mapping

from monit_agent.agent.sampling.proctree import TreeReader
from monit_agent.agent.sampling.ring import MetricColumns, Ring, RoomForMetrics
from monit_agent.agent.sampling.sample import LookInside, build_sample, without_tree
from monit_agent.agent.sampling.sampler import SampledTree, TreeSampler
from monit_agent.wire.messages import InstanceRecord, Sample

FIRST_S = 0.2
"""A new worker is sampled at once and this much later, so that its CPU is known within a second
of its start, also if it was too young for it at once."""

TOGETHER, STEPS, STEP_S = 64, 40, 0.02
"""Instances that are sampled in one step, and the number and distance of the steps of one second.
All of 1,000 at once would make a command wait for 50 ms and fill the publisher's queue."""


class RecentSamples:
    """Samples the instances that ``instances`` returns; passes each sample to ``sampled``, and
    those of the regular seconds to ``ticked`` too, each with what of it is new: without the tree
    where that was read in an earlier second. ``tree_sampled`` gets each instance, worker and tree.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        reader: TreeReader,
        instances: Callable[[], Mapping[int, InstanceRecord]],
        *,
        inside: LookInside,
        sampled: Callable[[int, Sample], None],
        ticked: Callable[[int, Sample, Sample], None],
        tree_sampled: Callable[[int, int, SampledTree], None],
    ) -> None:
        self.reader = reader
        self.newest: dict[int, Sample] = {}
        """The last sample by instance."""
        self._loop = loop
        self._instances = instances
        self._inside = inside
        self._sampled = sampled
        self._ticked = ticked
        self._tree_sampled = tree_sampled
        self._sampler = TreeSampler(reader)
        self._rings: dict[int, Ring] = {}
        self._room = RoomForMetrics()
        self._pids: dict[int, int | None] = {}
        self._ticked_at: dict[int, float] = {}
        """Time of the last regular sample by instance."""

    def changed(self, record: InstanceRecord) -> None:
        """Sample a new worker in this slot now and shortly after."""
        if record.pid == self._pids.get(record.instance):
            return
        self._pids[record.instance] = record.pid
        self._sample(record)
        if record.pid is not None:
            self._loop.call_later(FIRST_S, lambda: self._sample_again(record))

    def remove(self, instance: int) -> None:
        """Drop what is known of a slot that is gone."""
        self._sampler.remove(instance)
        if instance in self._rings:
            self._rings[instance].clear()
        for by_instance in (self.newest, self._rings, self._pids, self._ticked_at):
            by_instance.pop(instance, None)

    def since(self, instance: int, at: float) -> MetricColumns:
        """Return the instance's past from ``at`` (wall seconds) on."""
        ring = self._rings.get(instance)
        return ring.since(at) if ring else MetricColumns((), {}, {})

    def sample_all(self) -> None:
        """Sample all instances; to be called every second."""
        numbers = list(self._instances())
        self._sample_some(numbers, max(TOGETHER, -(-len(numbers) // STEPS)))

    def _sample_some(self, numbers: list[int], count: int) -> None:
        """Sample the first ``count`` of these instances now and the others a little later."""
        if numbers[count:]:
            self._loop.call_later(STEP_S, lambda: self._sample_some(numbers[count:], count))
        for number in numbers[:count]:
            record = self._instances().get(number)  # it may be gone by now
            if record is not None:
                self._sample_regularly(record)

    def _sample_regularly(self, record: InstanceRecord) -> None:
        self._sample(record)
        instance = record.instance
        sample = new = self.newest[instance]
        if sample.at == self._ticked_at.get(instance):  # the tree is read less often
            new = without_tree(time.time(), sample)
        self._ticked_at[instance] = sample.at
        self._ring(instance).append(new)
        self._ticked(instance, sample, new)

    def _ring(self, instance: int) -> Ring:
        if instance not in self._rings:
            self._rings[instance] = Ring(room=self._room)
        return self._rings[instance]

    def _sample_again(self, record: InstanceRecord) -> None:
        if self._pids.get(record.instance) == record.pid:
            self._sample(record)

    def _sample(self, record: InstanceRecord) -> None:
        instance, pid = record.instance, record.pid
        tree = self._sampler.sample(instance, pid, time.monotonic())
        if tree is not None and pid is not None:
            self._tree_sampled(instance, pid, tree)
        inside = None if pid is None else self._inside(instance, pid)
        sample = build_sample(time.time(), pid, tree, inside)
        self.newest[instance] = sample
        self._sampled(instance, sample)
