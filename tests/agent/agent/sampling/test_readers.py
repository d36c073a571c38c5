"""The reader for Linux and the portable one, on the same processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import ProcReader
from monit_agent.agent.sampling.psutil_tree import PsutilReader
from monit_agent.system.procfs import process_stat
from support.waiting import wait_until

TREE = """
import os, threading, time
held = b"1" * (8 << 20)
for generation in range(2):
    if os.fork():
        break
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
while time.process_time() < 0.3:
    pass
print("worked", flush=True)
time.sleep(600)
"""


@pytest.fixture(name="root")
def _root() -> Iterator[int]:
    """A process with a child and a grandchild, which have worked and are stopped now."""
    command = [sys.executable, "-I", "-c", TREE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(3)] == [b"worked\n"] * 3
            os.killpg(process.pid, signal.SIGSTOP)
            wait_until(lambda: _all_stopped(process.pid), what="nothing changes any more")
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _all_stopped(root: int) -> bool:
    stats = [process_stat(each.pid) for each in ProcReader().tree(root)]
    return [stat.state for stat in stats if stat] == ["T"] * 3


def test_both_readers_see_the_same_processes(root: int) -> None:
    """Pids, parents, names, users, threads and descriptors of a tree at rest are equal."""

    def figures(tree: list[Proc]) -> list[Proc]:
        # each system has its own unit of the start; CPU time and memory are compared below
        plain = [
            each._replace(started=0, cpu_s=0, reaped_cpu_s=0, rss_bytes=0, faults=0)
            for each in tree
        ]
        return sorted(plain)

    assert len(ProcReader().tree(root)) == 3
    assert figures(ProcReader().tree(root)) == figures(PsutilReader().tree(root))


def test_both_readers_count_the_same_cpu_time(root: int) -> None:
    """Each process has the same CPU seconds, as exactly as the coarser reader can count them."""
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    portable = {each.pid: each.cpu_s for each in PsutilReader().tree(root)}
    for each in ProcReader().tree(root):
        assert each.cpu_s >= 0.3
        # user and system time are cut to whole ticks, each by itself
        assert portable[each.pid] == pytest.approx(each.cpu_s, abs=2 * tick_s)


def test_both_readers_count_the_same_memory(root: int) -> None:
    """Each process has the same memory, as exactly as the kernel counts it."""
    # each thread adds its pages of each of three kinds only when it has 64 of them, and the two
    # files of /proc that the readers use do not wait for the same ones
    inexact = 3 * 64 * os.sysconf("SC_PAGE_SIZE")
    portable = {each.pid: each.rss_bytes for each in PsutilReader().tree(root)}
    for each in ProcReader().tree(root):
        assert each.rss_bytes > 8 * inexact
        assert portable[each.pid] == pytest.approx(each.rss_bytes, abs=each.threads * inexact)


def test_both_readers_say_when_a_process_was_started(root: int) -> None:
    """The start on the wall clock is the same second, and the command line is the same."""
    (mine,) = (each for each in ProcReader().tree(root) if each.pid == root)
    (portable,) = (each for each in PsutilReader().tree(root) if each.pid == root)
    started_at = ProcReader().started_at(mine)
    assert PsutilReader().started_at(portable) == pytest.approx(started_at, abs=1)
    assert PsutilReader().arguments(portable) == ProcReader().arguments(mine)


FORKS_WHEN_TOLD = """
import os, sys, time
print("here", flush=True)
sys.stdin.readline()
if os.fork():
    print("forked", flush=True)
time.sleep(600)
"""


def test_a_process_that_forked_is_not_taken_for_childless() -> None:
    """While nothing happens, a process that had no child has none; after a fork that is unknown,
    also before it runs again."""
    reader = ProcReader()
    with subprocess.Popen(
        [sys.executable, "-I", "-c", FORKS_WHEN_TOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "here\n"
            (before,) = reader.tree(process.pid)
            after = wait_until(lambda: reader.childless(reader.tree(process.pid)[0]))
            assert after._replace(cpu_s=before.cpu_s, faults=before.faults) == before
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "forked\n"
            assert reader.childless(after) is None
            assert len(reader.tree(process.pid)) == 2
        finally:
            os.killpg(process.pid, signal.SIGKILL)
