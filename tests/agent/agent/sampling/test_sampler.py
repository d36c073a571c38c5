"""CPU, memory and counts of real process trees."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import ProcReader, TreeReader, make_reader
from monit_agent.agent.sampling.psutil_tree import PsutilReader
from monit_agent.agent.sampling.sample import build_sample
from monit_agent.agent.sampling.sampler import (
    CHILDREN_S,
    SampledTree,
    TreeSampler,
    cpu_between,
)
from monit_agent.wire.messages import TreeFigures
from support.waiting import wait_until

Spawn = Callable[[str], int]


@pytest.fixture(name="spawn")
def _spawn() -> Iterator[Spawn]:
    """Start Python code in a group of its own; all of it is killed afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(code: str) -> int:
        command = [sys.executable, "-I", "-c", code]
        started.append(subprocess.Popen(command, start_new_session=True))
        return started[-1].pid

    yield spawn
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(name="reader", params=[make_reader, PsutilReader])
def _reader(request: pytest.FixtureRequest) -> TreeReader:
    """Both ways of looking must say the same."""
    return request.param()


def _look(sampler: TreeSampler, pid: int | None) -> SampledTree | None:
    return sampler.sample(0, pid, time.monotonic())


def _cpu(sampler: TreeSampler, pid: int) -> float | None:
    tree = _look(sampler, pid)
    return tree.figures.cpu_percent if tree else None


FAMILY = (
    "import subprocess, sys, time\n"
    "children = [subprocess.Popen([sys.executable, '-I', '-c', 'import time; time.sleep(600)'])"
    " for _ in range(2)]\n"
    "time.sleep(600)"
)


def test_a_tree_is_summed(reader: TreeReader, spawn: Spawn) -> None:
    """Memory, threads and descriptors are those of a worker and all its children."""
    pid = spawn(FAMILY)
    sampler = TreeSampler(reader)

    sample = wait_until(
        lambda: s if (s := _look(sampler, pid)) and s.figures.children == 2 else None,
        what="two children",
    )

    assert sample.ppid == os.getpid()
    assert sample.figures.threads == 3
    assert (sample.figures.rss_bytes or 0) > 3 * 2_000_000
    assert (sample.figures.fds or 0) >= 9
    uss = reader.uss_bytes(pid)
    assert uss is None or 0 < uss < (sample.figures.rss_bytes or 0) * 2


BUSY = """
import time
with open({path!r}, "w", buffering=1) as diary:
    while True:
        print(time.monotonic(), time.process_time(), file=diary)
        until = time.process_time() + 0.01
        while time.process_time() < until:
            pass
"""


def test_a_busy_worker_reads_what_it_used(spawn: Spawn, tmp_path: Path) -> None:
    """The CPU read of a worker that computes all the time is what it says itself, to 20 %: a
    whole core, or what other programs left it of one."""
    diary = tmp_path / "diary"
    pid = spawn(BUSY.format(path=str(diary)))
    wait_until(lambda: diary.exists() and diary.stat().st_size, what="the worker works")
    sampler = TreeSampler(make_reader(), min_interval_s=1.0)

    began = time.monotonic()
    _look(sampler, pid)
    percent = wait_until(lambda: _cpu(sampler, pid), what="a second look")
    ended = time.monotonic()

    def used_until(moment: float) -> float | None:
        lines = [line.split() for line in diary.read_text().split("\n")[:-1]]
        later = (float(cpu) for at, cpu in lines if float(at) >= moment)
        return next(later, None)

    used = wait_until(lambda: used_until(ended)) - (used_until(began) or 0.0)
    expected = 100 * used / (ended - began)
    assert expected * 0.8 <= percent <= expected * 1.2
    assert 0 < percent <= 120


def test_children_that_came_and_went_are_counted(spawn: Spawn) -> None:
    """CPU that children which exit soon used between two looks belongs to the worker."""
    burn = "import time\\nend = time.process_time() + 0.05\\nwhile time.process_time() < end: pass"
    pid = spawn(
        "import subprocess, sys\n"
        f"while True: subprocess.run([sys.executable, '-I', '-S', '-c', '{burn}'])"
    )
    sampler = TreeSampler(make_reader())
    readings: list[float] = []

    def looked() -> bool:
        percent = _cpu(sampler, pid)
        if percent is not None:
            readings.append(percent)
        return sum(readings) > 0 and readings[-1] > 20

    wait_until(looked, what="the children's CPU time shows")
    assert min(readings) >= 0


BROOD = (
    "import os, time\n"
    "for _ in range(1200):\n"
    "    if not os.fork():\n"
    "        time.sleep(600)\n"
    "time.sleep(600)"
)


def test_more_children_than_one_read_returns_are_all_counted(spawn: Spawn) -> None:
    """The kernel returns the pids of some 680 children at a time."""
    pid, reader = spawn(BROOD), make_reader()
    wait_until(lambda: len(reader.tree(pid)) == 1201, what="all children")


class SlowReader(ProcReader):
    """Takes 0.2 s of CPU for each tree, as one of several thousand processes does."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def tree(self, root: int) -> list[Proc]:
        self.read.append(root)
        until = time.thread_time() + 0.2
        while time.thread_time() < until:
            pass
        return super().tree(root)


def test_trees_that_are_slow_to_read_are_read_less_often(spawn: Spawn) -> None:
    """The agent has other things to do; a new worker and one that is gone are seen at once."""
    reader, first, second = SlowReader(), spawn(FAMILY), spawn(FAMILY)
    sampler = TreeSampler(reader)

    samples = [sampler.sample(0, first, float(second)) for second in range(2)]
    assert samples[0] is not None
    assert samples[1] == samples[0]
    assert reader.read == [first]
    assert sampler.sample(0, second, 1.0) is not None
    assert reader.read == [first, second]
    assert sampler.sample(0, None, 1.1) is None
    assert sampler.sample(0, second, 1000.0) is not None
    assert sampler.sample(0, second, 1001.0) is not None
    assert sampler.sample(0, second, 2000.0) is not None
    assert reader.read == [first, second, second, second]


class BlindReader(ProcReader):
    """Sees no child of a process before ``sees_children``; a child by vfork leaves no trace."""

    def __init__(self) -> None:
        self.sees_children = False

    def tree(self, root: int) -> list[Proc]:
        found = super().tree(root)
        return found if self.sees_children else found[:1]

    def childless(self, before: Proc) -> Proc | None:
        return super().tree(before.pid)[0]


def test_a_child_that_left_no_trace_is_seen_within_seconds(spawn: Spawn) -> None:
    """Children of a process that seems to have none are looked for every few seconds."""
    pid, reader = spawn(FAMILY), BlindReader()
    wait_until(lambda: len(make_reader().tree(pid)) == 3, what="both children")
    sampler = TreeSampler(reader)
    first = sampler.sample(0, pid, 1000.0)
    reader.sees_children = True
    early = sampler.sample(0, pid, 1000.0 + CHILDREN_S - 1.0)
    late = sampler.sample(0, pid, 1000.0 + CHILDREN_S)

    assert [each.figures.children for each in (first, early, late) if each] == [0, 0, 2]


def test_no_worker_reads_as_unknown() -> None:
    """Without a worker, or when it is gone, numbers are None, never 0."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    sampler = TreeSampler(make_reader())

    for pid in (None, gone.pid):
        sample = build_sample(1.0, pid, _look(sampler, pid), None)
        assert sample.tree == TreeFigures()


def test_a_new_worker_begins_without_a_past(spawn: Spawn) -> None:
    """When the worker was replaced, its CPU is not compared with its predecessor's."""
    sampler = TreeSampler(AgedReader(60.0))
    first, second = spawn("while True: pass"), spawn("while True: pass")
    wait_until(lambda: _cpu(sampler, first) is not None)

    assert _cpu(sampler, second) is None


class AgedReader(ProcReader):
    """Says of each process that it was started so many seconds ago."""

    def __init__(self, age_s: float) -> None:
        self.age_s = age_s

    def started_at(self, process: Proc) -> float:
        return time.time() - self.age_s


@pytest.mark.parametrize(("age_s", "is_known"), [(0.01, False), (0.5, True), (60.0, False)])
def test_the_cpu_of_a_young_worker_is_known_at_once(
    spawn: Spawn, age_s: float, is_known: bool
) -> None:
    """What it has used since its start is its CPU. An older one has to be read twice: nobody knows
    when it used what."""
    pid, reader = spawn("while True: pass"), AgedReader(age_s)
    wait_until(lambda: sum(each.cpu_s for each in reader.tree(pid)) > 0.05, what="it computes")

    percent = _cpu(TreeSampler(reader), pid)

    assert (percent is not None) == is_known
    assert percent is None or percent >= 10


def _proc(pid: int, ppid: int, cpu_s: float, reaped_cpu_s: float = 0.0) -> Proc:
    return Proc(pid, ppid, float(pid), cpu_s, reaped_cpu_s, 0, 1, 0)


def test_time_seen_in_a_child_is_not_counted_again_when_it_ends() -> None:
    """A child's time that was already counted is taken off its parent's account."""
    before = {1: _proc(1, 0, 1.0), 2: _proc(2, 1, 5.0), 3: _proc(3, 2, 2.0)}
    after = {1: _proc(1, 0, 1.5, reaped_cpu_s=7.25)}

    assert cpu_between(before, after) == pytest.approx(0.5 + 0.25)


PROCS = st.dictionaries(
    st.integers(1, 8),
    st.tuples(st.integers(0, 8), st.floats(0, 9), st.floats(0, 9), st.sampled_from([1.0, 2.0])),
)


@given(PROCS, PROCS)
def test_cpu_is_never_negative(
    old: dict[int, tuple[int, float, float, float]], new: dict[int, tuple[int, float, float, float]]
) -> None:
    """Whatever two looks saw, even impossible things, the difference is at least 0."""
    looks = [
        {
            pid: Proc(pid, ppid if ppid < pid else 0, started, cpu, reaped, 0, 1, None)
            for pid, (ppid, cpu, reaped, started) in seen.items()
        }
        for seen in (old, new)
    ]

    assert cpu_between(*looks) >= 0
