"""A keeper for which there is no memory left: a limit of its address space, below what it has."""

import json
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from monit_agent.system.memory.memory_reserve import HELD_BYTES
from monit_agent.wire.paths import app_paths
from support.command_line import command, keeper_pid, monit, pids, rows
from support.waiting import wait_until

INSTANCES = 8


@pytest.fixture(name="keeper")
def _keeper(home: Path) -> Iterator[int]:
    """The pid of the keeper of some small programs, which have its limit later."""
    assert home.exists()
    monit("start", "--name", "web", "-i", str(INSTANCES), "--no-probe", "--", "sleep", "10000")
    pid = keeper_pid("web")
    yield pid
    limit(pid, resource.RLIM_INFINITY)


def limit(pid: int, size: int) -> None:
    resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def size_of(pid: int) -> int:
    return psutil.Process(pid).memory_info().vms


def kill_some(count: int) -> set[int]:
    """Kill workers; return their pids."""
    killed = set(sorted(pids("web"))[:count])
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    return killed


def restarts() -> int:
    return sum(each["restarts"] for each in rows("web"))


def problems() -> list[str]:
    config: dict[str, Any] = json.loads(monit("describe", "web/0", "--json"))[0]["config"]
    return config["problems"]


def all_online() -> bool:
    found = rows("web")
    return len(found) == INSTANCES and all(
        each["status"] == "online" and not each["stale"] for each in found
    )


def test_a_keeper_without_memory_supervises_and_says_so(keeper: int) -> None:
    """What it holds for that is enough to restart workers; the problem is shown, and is over by
    itself."""
    limit(keeper, size_of(keeper) - HELD_BYTES // 2)
    killed = kill_some(3)
    wait_until(lambda: restarts() == 3 and all_online(), what="they are restarted")
    assert not killed & pids("web")
    wait_until(lambda: "there is no memory left for monit itself" in problems())
    limit(keeper, resource.RLIM_INFINITY)
    kill_some(1)
    wait_until(lambda: restarts() == 4 and not problems(), what="it is over")
    assert keeper_pid("web") == keeper


def test_no_exit_is_forgotten_where_there_is_no_memory_at_all(keeper: int, home: Path) -> None:
    """Clients fill what is left with lines that never end, and workers exit: each is restarted and
    counted as soon as there is memory again."""
    limit(keeper, size_of(keeper) - HELD_BYTES - (4 << 20))
    path = app_paths(str(home), "web").keeper
    clients = [socket.socket(socket.AF_UNIX) for _ in range(16)]
    for client in clients:
        client.settimeout(5)
        try:
            client.connect(path)
            client.sendall(b"x" * 200_000)
        except OSError:
            break  # it takes no more
    kill_some(4)
    assert keeper_pid("web") == keeper
    for client in clients:
        client.close()
    limit(keeper, resource.RLIM_INFINITY)
    wait_until(lambda: all_online() and restarts() == 4, what="each exit is counted")


def test_an_agent_without_memory_costs_the_app_nothing(keeper: int) -> None:
    """Whatever it cannot answer meanwhile: workers run on and are restarted, and it answers again
    when there is memory."""
    before = pids("web")
    agent: int = json.loads(monit("describe", "web/0", "--json"))[0]["agent_pid"]
    limit(agent, size_of(agent) - (1 << 20))
    for words in (("describe", "web"), ("history", "web"), ("logs", "web", "--no-follow")):
        assert command(*words).returncode in (0, 1, 4)
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(killed), what="the keeper reaps it")
    if psutil.pid_exists(agent):
        limit(agent, resource.RLIM_INFINITY)
    wait_until(lambda: all_online() and restarts() == 1, what="the agent answers again")
    assert before - pids("web") == {killed}
    assert keeper_pid("web") == keeper
