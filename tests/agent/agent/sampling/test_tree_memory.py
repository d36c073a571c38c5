"""Memory of real process trees that share pages, and what reading it may cost."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monit_agent.agent.restarts.memory_guard import MemoryGuard
from monit_agent.agent.sampling.process import Proc
from monit_agent.agent.sampling.proctree import TreeReader, make_reader
from monit_agent.agent.sampling.psutil_tree import PsutilReader
from monit_agent.agent.sampling.sampler import TreeSampler
from monit_agent.agent.sampling.tree_memory import BURST_S, SHARE, TreeMemory
from support.ports import free_port
from support.waiting import wait_until

MB = 1_000_000

FORKS = f"""
import os, signal, time
held = bytearray({60 * MB})
for place in range(0, len(held), 4096):
    held[place] = 1
def write(*_):
    for place in range(0, len(held), 4096):
        held[place] = 2
signal.signal(signal.SIGUSR1, write)
for _ in range(4):
    if not os.fork():
        break
while True:
    time.sleep(600)
"""
"""A parent with 60 MB that its four children share, until they write to it (SIGUSR1)."""

POOL = f"""
import multiprocessing, time
held = b"x" * {60 * MB}
if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    with multiprocessing.Pool(4) as pool:
        pool.map(len, ["a"] * 4)
        time.sleep(600)
"""

PRELOADED = f"""
held = b"x" * {60 * MB}
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
"""

ASGI = "async def app(scope, receive, send): pass"

CLUSTER = """
const cluster = require("cluster");
if (cluster.isPrimary) for (let n = 0; n < 4; n += 1) cluster.fork();
setInterval(() => {}, 1e6);
"""

Spawn = Callable[..., int]


@pytest.fixture(name="spawn")
def _spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Start a program in a group of its own; all of it is killed afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(*command: str) -> int:
        process = subprocess.Popen(
            command, cwd=tmp_path, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        started.append(process)
        return process.pid

    yield spawn
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Watched:
    """A tree that is sampled as if a minute had passed each time."""

    def __init__(self, pid: int, reader: TreeReader | None = None) -> None:
        self.pid = pid
        self.reader = reader or make_reader()
        self._sampler = TreeSampler(self.reader)
        self._minutes = itertools.count(1)

    def memory(self) -> int:
        tree = self._sampler.sample(0, self.pid, 100.0 * next(self._minutes))
        return (tree.figures.rss_bytes or 0) if tree else 0

    def processes(self) -> list[Proc]:
        return self.reader.tree(self.pid)

    def resident(self) -> int:
        return sum(process.rss_bytes for process in self.processes())

    def counted_once(self) -> int:
        """Return the sum of the proportional shares, read by this test itself."""
        total = 0
        for process in self.processes():
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            total += 1024 * int(rollup.split("\nPss:")[1].split()[0])
        return total

    def agrees(self) -> bool:
        once = self.counted_once()
        return len(self.processes()) >= 5 and abs(self.memory() - once) < once / 10


def _gunicorn(tmp_path: Path) -> tuple[str, ...]:
    pytest.importorskip("gunicorn")
    (tmp_path / "shop.py").write_text(PRELOADED)
    where = f"127.0.0.1:{free_port()}"
    return sys.executable, "-m", "gunicorn", "--preload", "-w", "4", "-b", where, "shop:app"


def _uvicorn(tmp_path: Path) -> tuple[str, ...]:
    pytest.importorskip("uvicorn")
    (tmp_path / "shop.py").write_text(ASGI)
    port = str(free_port())
    return sys.executable, "-m", "uvicorn", "--workers", "4", "--port", port, "shop:app"


def _pool(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "pool.py").write_text(POOL)
    return sys.executable, "pool.py"


def _cluster(tmp_path: Path) -> tuple[str, ...]:
    if shutil.which("node") is None:
        pytest.skip("there is no node here")
    (tmp_path / "cluster.js").write_text(CLUSTER)
    return "node", "cluster.js"


@pytest.mark.parametrize("program", [_gunicorn, _uvicorn, _pool, _cluster])
def test_shared_pages_count_once(
    program: Callable[[Path], tuple[str, ...]], spawn: Spawn, tmp_path: Path
) -> None:
    """Forked or not, Python or Node: a tree's memory is what it needs, not the sum of what its
    processes can see."""
    tree = _Watched(spawn(*program(tmp_path)))

    wait_until(tree.agrees, deadline_s=30, what="the memory is the sum of the shares")
    assert tree.memory() < 0.8 * tree.resident()


def test_a_limit_counts_shared_pages_once(spawn: Spawn) -> None:
    """Five processes with 60 MB that they share are not over 200 MB, and are over 50 MB."""
    tree = _Watched(spawn(sys.executable, "-I", "-c", FORKS))
    guard = MemoryGuard()
    strict = MemoryGuard()

    wait_until(lambda: len(tree.processes()) == 5, what="four children")
    used = [tree.memory() for _ in range(10)]

    assert tree.resident() > 300 * MB
    assert not any(guard.sampled(0, tree.pid, each, 200 * MB, 0.0) for each in used)
    assert any(strict.sampled(0, tree.pid, each, 50 * MB, 0.0) for each in used)


def test_pages_that_are_written_to_are_shared_no_longer(spawn: Spawn) -> None:
    """A child that writes gets copies, which its resident memory does not show."""
    tree = _Watched(spawn(sys.executable, "-I", "-c", FORKS))
    wait_until(lambda: tree.agrees() and 60 * MB < tree.memory() < 120 * MB, what="all is shared")
    resident = tree.resident()

    for child in tree.processes()[1:]:
        os.kill(child.pid, signal.SIGUSR1)

    wait_until(lambda: tree.memory() > 240 * MB, what="each has its own")
    assert tree.resident() < resident * 1.2


def test_a_single_process_has_what_is_resident(spawn: Spawn) -> None:
    """Where nothing is shared within the tree, nothing is taken off."""
    tree = _Watched(spawn("sleep", "600"))

    wait_until(tree.memory, what="it runs")
    wait_until(lambda: tree.memory() == tree.resident(), what="its start is over, and both agree")


def test_both_readers_see_the_same_shares() -> None:
    """`smaps_rollup` and psutil agree about a process; neither knows of one that is gone."""
    ours, other = (make().pss_bytes(os.getppid()) for make in (make_reader, PsutilReader))

    assert ours is not None
    assert other is not None
    assert abs(ours - other) < 0.1 * ours
    assert [make().pss_bytes(2**30) for make in (make_reader, PsutilReader)] == [None, None]


class _CostlyReader:
    """Processes whose shares take 1 ms each to read, or cannot be read."""

    def __init__(self, share: int | None) -> None:
        self.share = share
        self.used_s = 0.0

    def tree(self, root: int) -> list[Proc]:
        raise NotImplementedError

    def uss_bytes(self, root: int) -> int | None:
        raise NotImplementedError

    def pss_bytes(self, pid: int) -> int | None:
        began = time.thread_time()
        while time.thread_time() < began + 0.001:
            pass
        self.used_s += time.thread_time() - began
        return self.share

    def arguments(self, process: Proc) -> list[str]:
        raise NotImplementedError

    def started_at(self, process: Proc) -> float:
        raise NotImplementedError


def _processes(root: int, count: int, newest: int) -> list[Proc]:
    """Return a tree whose last process is another one each time."""
    pids = [root, *range(root + 1, root + count - 1), newest]
    return [Proc(pid, root if pid != root else 1, 1.0, 0.0, 0.0, 10 * MB, 1, 0) for pid in pids]


def test_reading_shares_has_a_budget() -> None:
    """Three trees of thirty processes that come and go all the time: no more than the promised
    part of a core, and each tree has its turn."""
    reader = _CostlyReader(MB)
    memory = TreeMemory(reader)
    seconds = 40

    found = [
        [memory.bytes_of(n, _processes(1000 * n, 30, 9000 + at), float(at)) for n in (1, 2, 3)]
        for at in range(seconds)
    ]

    assert reader.used_s < SHARE * seconds + BURST_S + 0.01
    assert all(15 * MB < each <= 40 * MB for each in found[-1])


def test_what_may_not_be_read_counts_whole() -> None:
    """Another user's process may share anything: nothing is taken off."""
    memory = TreeMemory(_CostlyReader(None))

    assert memory.bytes_of(0, _processes(1, 3, 9), 0.0) == 30 * MB
