"""The processes below a worker: which are named, what they use, what their probes say."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest

from monit_agent.agent.probes.figures import ReportWindow
from monit_agent.agent.probes.reports import Report, read_report
from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import TreeReader, make_reader
from monit_agent.agent.sampling.psutil_tree import PsutilReader
from monit_agent.agent.sampling.ring import Ring
from monit_agent.agent.sampling.sample import Inside, build_sample
from monit_agent.agent.sampling.sampler import SampledTree, TreeSampler, largest
from monit_agent.wire import codec
from monit_agent.wire.limits import PROCESSES
from monit_agent.wire.messages import Process, Sample, TreeFigures
from monit_agent.wire.metrics import figure
from support.waiting import wait_until


def _proc(pid: int, rss: int = 10, ppid: int = 1) -> Proc:
    return Proc(pid, ppid, 1.0, 0.0, 0.0, rss, 1, 0, "p")


def test_of_many_the_busy_and_the_big_are_named() -> None:
    """Of 300 small idle children those that work or hold the memory come first."""
    tree = [_proc(1), *(_proc(pid) for pid in range(2, 302))]
    tree[250] = tree[250]._replace(rss_bytes=5000)
    percents = dict.fromkeys(range(1, 302), 0.0) | {300: 80.0}

    named = largest(tree, percents)

    assert len(named) == PROCESSES
    assert {named[0].pid, named[1].pid} == {300, tree[250].pid}
    assert all(process.pid != 1 for process in named)


def _window(lag_s: float, used: int) -> ReportWindow:
    loop = {"id": 1, "type": "asyncio", "busy": lag_s, "wall": 2.0, "idle": 2.0 - lag_s,
            "lag": [], "max": lag_s, "now": lag_s}  # fmt: skip
    heap = {"size": 2 * used, "used": used, "src": "malloc"}
    inside = ReportWindow()
    inside.add(_report(1, loops=[], heap=heap), 0.0)
    inside.add(_report(2, loops=[loop], heap=heap), 1.0)
    return inside


def _report(seq: int, **fields: object) -> Report:
    return read_report(
        msgspec.json.encode({"v": 2, "rt": "python", "started": 7, "seq": seq, **fields})
    )


def test_each_process_has_what_its_own_probe_says() -> None:
    """Heaps add up to the instance's, and its worst loop is named by its process."""
    figures = {
        pid: inside.figures(1.0)
        for pid, inside in {1: _window(0.1, 100), 2: _window(0.5, 300)}.items()
    }
    known = {pid: each for pid, each in figures.items() if each is not None}
    processes = tuple(Process(pid=pid, ppid=1, name="w") for pid in (2, 3))

    tree = SampledTree(0, TreeFigures(), processes)
    sample = build_sample(1.0, 1, tree, Inside(known))

    assert figure(sample, "heap_used_bytes") == 400
    assert [(each.probe, each.heap_used_bytes) for each in sample.processes] == [
        (True, 300), (False, None),
    ]  # fmt: skip
    assert sample.loop
    assert sample.loop.pid == 2
    assert sample.loop.lag_p95_ms == sample.processes[0].loop_lag_p95_ms
    assert sample.processes[1].loop_lag_p95_ms is None


def test_a_full_tree_stays_small_on_the_wire_and_out_of_the_history() -> None:
    """64 processes take less than 6 kB a second, and the hour of samples has none of them."""
    each = [
        Process(pid=40_000 + n, ppid=40_000, name="gunicorn: worker [shop:app]", rss_bytes=2**28,
                started_at=time.time(), cpu_percent=12.34, threads=4, fds=20, probe=True,
                heap_used_bytes=2**27, loop_lag_p95_ms=1.234, loop_utilization=0.123)
        for n in range(PROCESSES)
    ]  # fmt: skip
    sample = Sample(at=1.0, processes=tuple(each))
    ring = Ring(10)
    ring.append(sample)

    encoded = codec.encode(sample)
    assert len(encoded) < 6000
    assert msgspec.msgpack.decode(encoded, type=Sample) == sample
    assert ring.since(0.0) == ((1.0,), {}, {})


@pytest.fixture(name="brood")
def _brood() -> Iterator[int]:
    """A program with 300 children of which one is busy."""
    code = (
        "import os, time, sys\n"
        "for n in range(300):\n"
        "    if os.fork() == 0:\n"
        "        while n == 200: pass\n"
        "        time.sleep(600)\n"
        "        os._exit(0)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-I", "-c", code], start_new_session=True)
    yield process.pid
    os.killpg(process.pid, 9)
    process.wait()


def test_a_tree_of_300_children_stays_bounded(brood: int) -> None:
    """All are counted and summed, the largest are named, the busy one is the first of them."""
    sampler = TreeSampler(make_reader())

    def seen() -> SampledTree | None:
        sample = sampler.sample(0, brood, time.monotonic())
        if sample is None or sample.figures.children != 300:
            return None
        return sample if (sample.processes[0].cpu_percent or 0.0) > 5.0 else None

    sample = wait_until(seen, what="300 children and the busy one in front")
    assert sample is not None
    assert len(sample.processes) == PROCESSES
    assert sample.figures.threads == 301
    assert {each.ppid for each in sample.processes} == {brood}


@pytest.mark.parametrize("make", [make_reader, PsutilReader])
def test_both_readers_return_names_and_starts(make: type[TreeReader]) -> None:
    """A child's name and the time of its start are the same by either way of looking."""
    code = "import subprocess; subprocess.run(['sleep', '600'])"
    process = subprocess.Popen([sys.executable, "-I", "-c", code], start_new_session=True)
    sampler = TreeSampler(make())

    def named() -> tuple[Process, ...]:
        sample = sampler.sample(0, process.pid, time.monotonic())
        below = sample.processes if sample else ()
        return tuple(each for each in below if each.name == "sleep")

    try:
        (child,) = wait_until(named, what="the child is called sleep")
        assert child.ppid == process.pid
        assert abs((child.started_at or 0.0) - time.time()) < 60
        assert child.threads == 1
    finally:
        os.killpg(process.pid, 9)
        process.wait()
