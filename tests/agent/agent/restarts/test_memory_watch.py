"""How often a worker that grows towards its memory limit is measured."""

import asyncio
import os
import time

from monit_agent.agent.restarts.memory_watch import LOOK_S, LOOK_SHARE, MemoryWatch
from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import ProcReader
from monit_agent.wire.messages import InstanceRecord, Sample, TreeFigures

READING_S = 0.05


class SlowReader(ProcReader):
    """Takes as long as a tree of several thousand processes does."""

    def __init__(self) -> None:
        self.looks: list[float] = []
        """When each reading ended, in monotonic seconds."""
        self.enough = asyncio.Event()
        """One reading with a sample, and two after it."""

    def tree(self, root: int) -> list[Proc]:
        until = time.monotonic() + READING_S
        while time.monotonic() < until:
            pass
        self.looks.append(time.monotonic())
        if len(self.looks) == 3:
            self.enough.set()
        return super().tree(root)


def test_a_tree_that_is_slow_to_read_is_measured_less_often() -> None:
    """The agent has other things to do between two looks."""
    reader = SlowReader()
    record = InstanceRecord(
        instance=0, id=0, status="online", desired="running", ready=True, pid=os.getpid()
    )

    async def grow() -> None:
        watch = MemoryWatch(asyncio.get_running_loop(), reader, lambda _instance, _overrun: None)
        for used in (10, 90_000_000):
            sample = Sample(at=0.0, pid=os.getpid(), tree=TreeFigures(rss_bytes=used))
            watch.sample_made(record, sample, 100_000_000)
        await reader.enough.wait()
        watch.remove_instance(0)

    asyncio.run(grow())
    _, first, second = reader.looks
    assert LOOK_S < LOOK_SHARE * READING_S <= second - first
