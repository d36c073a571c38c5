"""How long after ``kill -9`` of a worker the process that replaces it exists."""

import os
import signal
import time
from functools import partial

import psutil
from common import BenchmarkError, Figure, Manager, alternate, both, say

LIVED_S = 1.3
"""A worker killed before min_uptime (1 s in both) would be restarted with backoff."""

LOOK_S = 0.0002
"""Between two looks. Each takes a lock of the kernel that the parent needs for reaping: without a
pause, that alone took it 2 ms longer."""


def measure(quick: bool) -> list[Figure]:
    """Return the milliseconds until the new process exists."""
    rounds = 5 if quick else 20
    say(f"  {rounds} kills each")
    with both() as managers:
        for manager in managers:
            manager.start("idle", "idle.py")
        samples = alternate(rounds, {one.name: partial(_kill, one) for one in managers})
    return [Figure("kill -9 of a worker until the next one's process exists", "ms", samples)]


def _kill(manager: Manager) -> float:
    return kill_and_wait(manager.name, manager.worker("idle"))


def kill_and_wait(manager: str, pid: int) -> float:
    """Kill the worker ``pid`` and return the milliseconds until its parent has another child.
    ``manager`` is a name for messages."""
    worker = psutil.Process(pid)
    parent = worker.ppid()
    time.sleep(max(0.0, LIVED_S - lived(worker.pid)))
    before = children(parent)
    if worker.pid not in before:
        raise BenchmarkError(f"{manager}: worker {worker.pid} is no child of {parent}")
    began = time.perf_counter()
    os.kill(worker.pid, signal.SIGKILL)
    while not children(parent) - before:
        if time.perf_counter() - began > 20:
            raise BenchmarkError(f"{manager}: nothing replaced worker {worker.pid}")
        time.sleep(LOOK_S)
    return (time.perf_counter() - began) * 1000


def lived(pid: int) -> float:
    """Return the seconds since ``pid`` began, by a clock that cannot be set and does not pause."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        began = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began


def children(pid: int) -> set[int]:
    """Return the children of all threads of ``pid``: one small file a thread, cheap to poll."""
    found: set[int] = set()
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            found.update(map(int, file.read().split()))
    return found
