"""What the probe costs a program: CPU per request under load, CPU when idle, start-up.

Requests per second are worthless for this on a shared machine (the same program twice differs by
a third), so the CPU that each server used is divided by the requests that it answered, with a
plain server and one with the probe under load at the same time. Each has a core of its own, on
which the other one's load comes from, and they change places within each round: cores differ too.
Both are started several times, because the memory layout of a process is worth a percent or
two. A second plain server in the place of the probed one shows by how much two equal
ones differ: what the probe costs cannot be known better than that. One with a probe that counts
no HTTP requests shows the cost of that part.
"""

import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

from common import (
    DEADLINE_S,
    PROGRAMS,
    ROOT,
    STRAIGHT,
    BenchmarkError,
    Figure,
    clean_environment,
    wait_for,
)

INJECT = os.path.join(ROOT, "agent", "monit_agent", "probe", "inject")
PRELOAD = os.path.join(ROOT, "agent", "monit_agent", "probe", "node", "monit_probe.cjs")
SETTLE_S = 2.0
"""After this a server's start, and the probe's late imports, are over."""
PLAIN, PROBED = STRAIGHT, "monit"
"""The table's columns for without and with; pm2 has nothing like it for Python."""
NO_HTTP = "monit --no-http"
"""Measured beside them, to tell the cost of counting requests."""
CONTROL = "without, again"
KINDS = {
    "asyncio, h11": ("--loop", "asyncio", "--http", "h11"),
    "uvloop, h11": ("--loop", "uvloop", "--http", "h11"),
    "uvloop, httptools": ("--loop", "uvloop", "--http", "httptools"),
}
"""uvicorn as `pip install uvicorn` has it, with a loop in C, and with its parser in C too."""


def measure(quick: bool) -> list[Figure]:
    """Return the figures of CPU per request, idle CPU and start-up, without and with the probe."""
    with _agent() as environment:
        return [
            *[_under_load(kind, environment, quick) for kind in KINDS],
            *[_idle(kind, environment, 3 if quick else 20) for kind in list(KINDS)[:2]],
            _start_up(environment, 10 if quick else 40),
        ]


@contextmanager
def _agent() -> Generator[dict[str, str], None, None]:
    """Receive reports as an agent does and return the environment that brings the probe in."""
    folder = os.path.join(ROOT, "benchmarks", ".cache", f"probe-{os.getpid()}")
    os.makedirs(folder)
    copy = shutil.copytree(INJECT, os.path.join(folder, "inject"))
    where = os.path.relpath(os.path.join(folder, "p"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(where)  # relative, because a checkout's path may be too long for a socket
        over = threading.Event()
        sock.settimeout(0.2)
        reader = threading.Thread(target=_drain, args=(sock, over))
        reader.start()
        try:
            yield {"PYTHONPATH": copy, "MONIT_PROBE_SOCK": os.path.join(folder, "p")}
        finally:
            over.set()
            reader.join()
            shutil.rmtree(folder)


def _drain(sock: socket.socket, over: threading.Event) -> None:
    while not over.is_set():
        try:
            sock.recv(1 << 18)
        except TimeoutError:
            continue


# ------------------------------------------------------------ under load and idle


def _under_load(kind: str, probe: dict[str, str], quick: bool) -> Figure:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchmarkError("probe_cost needs wrk to make load")
    starts, rounds, seconds = (1, 2, 1) if quick else (6, 3, 1)
    others = {PROBED: probe, NO_HTTP: {**probe, "MONIT_PROBE_HTTP": "0"}, CONTROL: {}}
    costs: dict[str, list[float]] = {PLAIN: [], PROBED: []}
    more: dict[str, list[float]] = {other: [] for other in others}
    for start in range(starts):
        for other, environment in others.items():
            # equal hashes, so that dictionaries do not differ by chance
            seed = {"PYTHONHASHSEED": str(start + 1)}
            begins = [(PLAIN, {}), (other, environment)]
            if start % 2:
                begins.reverse()  # the order of starting may matter
            with ExitStack() as stack:
                pair = {
                    who: stack.enter_context(_server(kind, {**seed, **variables}))
                    for who, variables in begins
                }
                measured = [_round(wrk, pair, seconds) for _ in range(rounds + 1)]
            del measured[0]  # it warmed up
            more[other] += [100.0 * (cost[other] / cost[PLAIN] - 1.0) for cost in measured]
            if other == PROBED:
                for who, samples in costs.items():
                    samples += [cost[who] for cost in measured]
    note = (
        f"uvicorn ({kind}), CPU per request against the plain one beside it: with the probe "
        f"{_spread(more[PROBED])}, without HTTP figures {_spread(more[NO_HTTP])}; a second plain "
        f"one {_spread(more[CONTROL])}"
    )
    return Figure(f"probe: uvicorn ({kind}), CPU per request", "µs", costs, note)


def _spread(percent: list[float]) -> str:
    error = statistics.stdev(percent) / len(percent) ** 0.5
    return f"{statistics.fmean(percent):+.1f} % (standard error {error:.1f})"


def _idle(kind: str, probe: dict[str, str], seconds: float) -> Figure:
    with _server(kind, {}) as plain, _server(kind, probe) as probed:
        pair = {PLAIN: plain, PROBED: probed}
        shares = _both({who: partial(_share, pid, seconds) for who, (pid, _) in pair.items()})
    return Figure(
        f"probe: uvicorn ({kind}), CPU when idle", "% core", {k: [v] for k, v in shares.items()}
    )


@contextmanager
def _server(kind: str, more: dict[str, str]) -> Generator[tuple[int, int], None, None]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "uvicorn", "hello_asgi:app", *KINDS[kind], "--port", str(port),
        "--no-access-log", "--log-level", "warning", "--app-dir", PROGRAMS,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, env=clean_environment(**more), stdin=subprocess.DEVNULL
    )  # its complaints are ours to see
    try:
        wait_for(lambda: _listens(port) or process.poll() is not None, "uvicorn listens")
        if process.poll() is not None:
            raise BenchmarkError(f"uvicorn ({kind}) does not start")
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _both(measured: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Measure all at the same time."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda measure: measure(), measured.values())
        return dict(zip(measured, found, strict=True))


def _share(pid: int, seconds: float) -> float:
    """Return the percentage of a core that an idle process uses."""
    time.sleep(SETTLE_S)
    before, begun = _cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    return 100.0 * (_cpu_s(pid) - before) / (time.monotonic() - begun)


def _round(wrk: str, pair: dict[str, tuple[int, int]], seconds: int) -> dict[str, float]:
    """Return the microseconds of CPU that one request costs each, with both on either core."""
    cores = (sorted(os.sched_getaffinity(0)) * 2)[:2]
    found: dict[str, list[float]] = {who: [] for who in pair}
    for paths in (cores, cores[::-1]):
        turns = {
            who: partial(_per_request, wrk, server, seconds, own)
            for (who, server), own in zip(pair.items(), paths, strict=True)
        }
        for who, cost in _both(turns).items():
            found[who].append(cost)
    return {who: statistics.geometric_mean(costs) for who, costs in found.items()}


def _per_request(wrk: str, server: tuple[int, int], seconds: int, own: int) -> float:
    pid, port = server
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {own})
    others = os.sched_getaffinity(0) - {own} or {own}
    before = _cpu_s(pid)
    output = subprocess.run(
        ["taskset", "-c", ",".join(map(str, others)), wrk, "-t1", "-c8", f"-d{seconds}",
         f"http://127.0.0.1:{port}/"],
        capture_output=True, text=True, check=True, timeout=DEADLINE_S,
    ).stdout  # fmt: skip
    requests = re.search(r"(\d+) requests in", output)
    if requests is None or "Non-2xx" in output:
        raise BenchmarkError(f"unexpected output of wrk: {output}")
    return 1e6 * (_cpu_s(pid) - before) / int(requests[1])


def _cpu_s(pid: int) -> float:
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
            total += int(file.read().split()[0])
    return total / 1e9


# ------------------------------------------------------------ start-up


def _start_up(probe: dict[str, str], rounds: int) -> Figure:
    """Measure `python -c pass` in pairs; the bytecode is there, as after the first start."""
    samples: dict[str, list[float]] = {PLAIN: [], PROBED: []}
    for number in range(rounds + 2):
        for who, more in ((PLAIN, {}), (PROBED, probe)):
            begun = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", "pass"], env=clean_environment(**more), check=True
            )
            if number >= 2:
                samples[who].append(1000.0 * (time.perf_counter() - begun))
    gain = [b - a for a, b in zip(samples[PLAIN], samples[PROBED], strict=True)]
    note = f"median of the differences {statistics.median(gain):+.1f} ms"
    return Figure("probe: python -c pass", "ms", samples, note)
