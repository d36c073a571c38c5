"""Servers with several workers on one port, under both managers or none, loaded by wrk."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence

from common import (
    DEADLINE_S,
    PROGRAMS,
    STRAIGHT,
    BenchmarkError,
    Manager,
    both,
    clean_environment,
    monit,
    wait_for,
)

CLOSE = ("-H", "Connection: close")
CLIENTS = 32


def wrk() -> str:
    """Return the path of wrk. Raise `BenchmarkError` where it or Node is missing."""
    found = shutil.which("wrk")
    if found is None or shutil.which("node") is None:
        raise BenchmarkError("needs wrk and node")
    return found


@contextlib.contextmanager
def pools() -> Generator[dict[str, tuple[Manager, int]], None, None]:
    """Return the managers that serve a Node script with three instances, each with its port."""
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


@contextlib.contextmanager
def uvicorns(workers: int) -> Generator[dict[str, int], None, None]:
    """Return the ports of uvicorn with so many instances under monit, and of one that has its own
    workers and no manager; under both, each worker is in a session of its own."""
    uvicorn = (sys.executable, "-m", "uvicorn", "--app-dir", PROGRAMS)
    quiet = ("--log-level", "warning", "--no-access-log")
    ours, theirs = free_port(), free_port()
    with monit() as manager:
        options = ("--name", "web", "-i", str(workers), "--no-probe")
        start = (*uvicorn, *quiet, "hello_asgi:app", "--port", str(ours))
        manager.run("start", *options, "--", *start)
        own = [*uvicorn, *quiet, "hello_alone:app", "--port", str(theirs)]
        own += ["--workers", str(workers)]
        process = subprocess.Popen(own, env=clean_environment(), stdin=subprocess.DEVNULL)
        try:
            for port in (ours, theirs):
                wait_for(lambda port=port: answers(port), f"uvicorn serves at {port}")
            yield {"monit": ours, STRAIGHT: theirs}
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


def load(port: int, seconds: float, more: Sequence[str] = ()) -> "subprocess.Popen[str]":
    """Start wrk with 32 connections; ``more`` are options of its own."""
    command = [wrk(), "-t1", f"-c{CLIENTS}", f"-d{seconds:.0f}s", *more]
    where = f"http://127.0.0.1:{port}/"
    return subprocess.Popen([*command, where], stdout=subprocess.PIPE, text=True)


def end(loading: "subprocess.Popen[str]") -> str:
    """Stop a load early and return what wrk prints."""
    loading.send_signal(signal.SIGINT)
    return loading.communicate(timeout=DEADLINE_S)[0]


def requests(output: str) -> int:
    """Return how many requests wrk had answered."""
    found = re.search(r"(\d+) requests in", output)
    if found is None:
        raise BenchmarkError(f"cannot read the output of wrk:\n{output}")
    return int(found[1])


def failed(output: str) -> int:
    """Return how many requests failed: refused, reset, timed out, or answered with an error."""
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    numbers = (*(errors.groups() if errors else ()), *(other.groups() if other else ()))
    return sum(map(int, numbers))


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Return whether a process accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
