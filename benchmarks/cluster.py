"""A Node script on one port with three instances: under both managers, loaded by wrk."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Generator, Sequence

from common import PROGRAMS, BenchmarkError, Manager, both, wait_for

CLOSE = ("-H", "Connection: close")


def wrk() -> str:
    """Give the path of wrk. Raises `BenchmarkError` where it or Node is missing."""
    found = shutil.which("wrk")
    if found is None or shutil.which("node") is None:
        raise BenchmarkError("needs wrk and node")
    return found


@contextlib.contextmanager
def pools() -> Generator[dict[str, tuple[Manager, int]], None, None]:
    """Give the managers that serve the script, each with its port."""
    with both() as managers:
        served: dict[str, tuple[Manager, int]] = {}
        for manager in managers:
            port = free_port()
            manager.environment = {**manager.environment, "BENCH_PORT": str(port)}
            script = os.path.join(PROGRAMS, "pool.js")
            manager.run("start", script, "-i", "3", "--name", "pool")
            wait_for(lambda port=port: answers(port), f"{manager.name} serves")
            served[manager.name] = (manager, port)
        yield served


def load(port: int, seconds: float, headers: Sequence[str] = ()) -> "subprocess.Popen[str]":
    """Start wrk with 32 connections."""
    command = [wrk(), "-t1", "-c32", f"-d{seconds:.0f}s", *headers, f"http://127.0.0.1:{port}/"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def requests(said: str) -> int:
    """Give how many requests wrk had answered."""
    found = re.search(r"(\d+) requests in", said)
    if found is None:
        raise BenchmarkError(f"wrk said what cannot be read:\n{said}")
    return int(found[1])


def failed(said: str) -> int:
    """Give how many requests failed: refused, reset, too late, or answered by an error."""
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    numbers = (*(errors.groups() if errors else ()), *(other.groups() if other else ()))
    return sum(map(int, numbers))


def free_port() -> int:
    """Give a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody accepts there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
