"""What the history of 64 instances costs: CPU, bytes written, and reading a day of one metric.

The store of an agent gets samples with a simulated clock, as fast as it takes them. Bytes are those
of its calls to write, the database's journal included. pm2 keeps no history.
"""

import os
import tempfile
import time
from itertools import count

from common import BenchmarkError, Figure, say

from monit_agent.agent.history.reader import Asked
from monit_agent.agent.history.store import HistoryStore
from monit_agent.wire.messages import HeapFigures, HttpFigures, LoopFigures, Sample, TreeFigures

INSTANCES = 64
HOUR_S = 3600
DAY_S = 86_400
READINGS = 9
BEGIN = 1_764_374_400.0
"""Midnight of a day."""


class _Clock:
    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


def measure(quick: bool) -> list[Figure]:
    """Return the cost of a second of data, and the time of reading a day."""
    rounds = 1 if quick else 3
    say(f"  {INSTANCES} instances, {rounds + 1} hours of data, and a day of one instance")
    cpu: list[float] = []
    written: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        clock = _Clock()
        store = _store(folder, clock)
        _sample(store, clock, range(INSTANCES), HOUR_S)  # each following hour writes the last one
        for _ in range(rounds):
            before, bytes_before = time.process_time(), _bytes_written()
            _sample(store, clock, range(INSTANCES), HOUR_S)
            cpu.append(1000 * (time.process_time() - before) / HOUR_S)
            bytes_s = (_bytes_written() - bytes_before) / HOUR_S
            written.append(bytes_s * DAY_S / INSTANCES / 1e6)
        store.close()
    what = f"history of {INSTANCES} instances, a second of data"
    return [
        Figure(f"{what}: CPU", "ms", {"monit": cpu}),
        Figure(f"{what}: written, an instance and day", "MB", {"monit": written}),
        Figure("history: a day of one metric read, CPU", "ms", {"monit": _day_read()}),
    ]


def _store(folder: str, clock: _Clock) -> HistoryStore:
    return HistoryStore(os.path.join(folder, "history"), os.path.join(folder, "history.db"), clock)


def _sample(store: HistoryStore, clock: _Clock, instances: range, seconds: int) -> None:
    """Add the samples of so many seconds: a Python web server's, whose figures all change."""
    for number in range(seconds):
        clock.now += 1
        for instance in instances:
            figure = float(number * 7919 % 1000 + instance)
            store.add_sample(instance, _web_sample(clock.now, figure))
        store.every_second()


def _web_sample(at: float, figure: float) -> Sample:
    tree = TreeFigures(
        cpu_percent=figure / 10, rss_bytes=50_000_000 + int(figure), threads=4, fds=20
    )  # fmt: skip
    heap = HeapFigures(
        size_bytes=30_000_000, used_bytes=20_000_000 + int(figure), usage_percent=figure / 20
    )  # fmt: skip
    loop = LoopFigures(
        lag_p50_ms=figure / 100, lag_p95_ms=figure / 50, lag_p99_ms=figure / 20,
        lag_max_ms=figure, utilization=figure / 1000, blocks=0, tasks=int(figure) % 9,
    )  # fmt: skip
    http = HttpFigures(
        requests_per_s=figure, errors_per_s=0.0, p50_ms=figure / 90, p95_ms=figure / 40,
        p99_ms=figure / 10, max_ms=figure, in_flight=int(figure) % 5,
    )  # fmt: skip
    return Sample(at=at, pid=1, tree=tree, heap=heap, loop=loop, http=http)


def _day_read() -> list[float]:
    """Return the CPU milliseconds of reading a day of one instance in steps of ten seconds."""
    with tempfile.TemporaryDirectory() as folder:
        clock = _Clock()
        store = _store(folder, clock)
        for number in count():
            clock.now += 10
            if clock.now > BEGIN + DAY_S:
                break
            store.add_sample(0, _web_sample(clock.now, float(number % 1000)))
            store.every_second()
        asked = Asked(0, BEGIN, BEGIN + DAY_S, 10, frozenset({"cpu_percent"}))
        found: list[float] = []
        for _ in range(READINGS):
            before = time.process_time()
            steps = store.reader.steps(asked)
            found.append(1000 * (time.process_time() - before))
            if sum(map(len, steps.values())) < DAY_S // 10 - 100:
                raise BenchmarkError("steps of the day are missing")
        store.close()
    return found


def _bytes_written() -> int:
    with open("/proc/self/io", encoding="ascii") as file:
        return int(dict(line.split(": ") for line in file)["wchar"])
