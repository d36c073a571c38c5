"""The samples of a tree that is too large to be read each second."""

import asyncio
import os
import time
from collections.abc import Callable

from monit_agent.agent.restarts.memory_guard import Overrun
from monit_agent.agent.restarts.memory_watch import MemoryWatch
from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import ProcReader, make_reader
from monit_agent.agent.sampling.recent import RecentSamples
from monit_agent.agent.sampling.sample import Inside
from monit_agent.wire.messages import InstanceRecord, Sample, TreeFigures
from support.waiting import wait_until

RECORD = InstanceRecord(
    instance=0, id=0, status="online", desired="running", ready=True, pid=os.getpid()
)


class SlowReader(ProcReader):
    """Takes 0.2 s of CPU for each tree, as one of several thousand processes does."""

    def __init__(self) -> None:
        self.count = 0

    def tree(self, root: int) -> list[Proc]:
        self.count += 1
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        return super().tree(root)

    def childless(self, before: Proc) -> Proc | None:
        return None


class Seconds:
    """Samples this process, second after second, as often as the test says."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.reader = SlowReader()
        self.samples: list[Sample] = []
        self.news: list[Sample] = []
        """What is new of each sample."""
        self.recent = RecentSamples(
            loop, self.reader, lambda: {0: RECORD}, inside=lambda *_: Inside(stuck_s=1.5),
            sampled=lambda *_: None, ticked=self._ticked, tree_sampled=lambda *_: None,
        )  # fmt: skip

    def _ticked(self, _instance: int, sample: Sample, new: Sample) -> None:
        self.samples.append(sample)
        self.news.append(new)

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Let seconds pass until something is so."""

        def passed() -> bool:
            self.recent.sample_all()
            return done()

        wait_until(passed, what=what)

    def has_repeated(self) -> bool:
        """Return whether the last second read no tree."""
        return len(self.samples) > 1 and self.news[-1].tree == TreeFigures()


async def _a_tree_that_was_not_read_again() -> None:
    seconds = Seconds(asyncio.get_running_loop())
    seconds.until(seconds.has_repeated, "a second without a reading")

    before, last, new = *seconds.samples[-2:], seconds.news[-1]
    assert last.tree.rss_bytes is not None
    assert (last.at, last.tree) == (before.at, before.tree)
    assert new.at > last.at
    assert new.stuck_s == 1.5  # the probe reported again
    past = seconds.recent.since(0, 0.0)
    assert [value is not None for value in past.figures["rss_bytes"]] == [
        each.tree.rss_bytes is not None for each in seconds.news
    ]
    assert list(past.at) == [each.at for each in seconds.news]
    assert sum(each.tree.rss_bytes is not None for each in seconds.news) == seconds.reader.count


def test_a_tree_that_was_not_read_again_keeps_its_time_and_is_nothing_new() -> None:
    """Its age shows, and the past has each reading once, at its time; what probes report is new in
    each second."""
    asyncio.run(_a_tree_that_was_not_read_again())


async def _one_reading_over_the_limit() -> None:
    loop = asyncio.get_running_loop()
    overruns: list[tuple[int, Overrun]] = []
    watch = MemoryWatch(loop, make_reader(), lambda *overrun: overruns.append(overrun))
    seconds = Seconds(loop)

    seconds.until(seconds.has_repeated, "a second without a reading")
    limit = (seconds.samples[-1].tree.rss_bytes or 0) * 4 // 5

    def judged() -> None:
        for new in seconds.news:
            watch.sample_made(RECORD, new, limit)
        seconds.news.clear()

    del seconds.news[:-2]  # one reading, and a second without
    judged()
    assert overruns == []
    count = seconds.reader.count
    seconds.until(lambda: seconds.reader.count > count, "a second reading")
    judged()
    assert [(instance, overrun.kill) for instance, overrun in overruns] == [(0, False)]
    watch.remove_instance(0)


def test_one_reading_over_the_memory_limit_counts_once() -> None:
    """It may be a spike, however long it is until the next reading, which is another one."""
    asyncio.run(_one_reading_over_the_limit())
