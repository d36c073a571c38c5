"""Descriptors, threads and memory that a hundred reloads leave in keeper and agent, or in pm2."""

import os
import time

from cluster import answers, free_port
from common import PROGRAMS, Figure, Manager, both, say, wait_for

WARM = 10
"""Reloads before the first look: by then all that is loaded once is loaded."""
SETTLE_S = 3.0


def measure(quick: bool) -> list[Figure]:
    """Return by how much descriptors, threads and resident memory grew."""
    reloads = 10 if quick else 100
    say(f"  {reloads} reloads each")
    grown: dict[str, tuple[float, float, float]] = {}
    with both() as managers:
        for manager in managers:
            grown[manager.name] = _grown(manager, reloads)
    names = (("descriptors", ""), ("threads", ""), ("resident memory", "MB"))
    return [
        Figure(
            f"Node script, -i 2, {reloads} reloads: {name} more in the managers",
            unit,
            {who: [values[index]] for who, values in grown.items()},
        )
        for index, (name, unit) in enumerate(names)
    ]


def _grown(manager: Manager, reloads: int) -> tuple[float, float, float]:
    port = free_port()
    manager.environment = {**manager.environment, "BENCH_PORT": str(port)}
    brief = ("--min-uptime", "100ms") if manager.name == "monit" else ()
    script = os.path.join(PROGRAMS, "pool.js")
    manager.run("start", script, "-i", "2", "--name", "pool", *brief)
    wait_for(lambda: answers(port), f"{manager.name} serves")
    for _ in range(WARM):
        manager.run("reload", "pool")
    time.sleep(SETTLE_S)
    before = _held(manager)
    for _ in range(reloads):
        manager.run("reload", "pool")
    time.sleep(SETTLE_S)
    fds, threads, memory = (b - a for a, b in zip(before, _held(manager), strict=True))
    return fds, threads, memory


def _held(manager: Manager) -> tuple[float, float, float]:
    """Return descriptors, threads and resident megabytes of all manager processes."""
    found = [process for kind in manager.managers().values() for process in kind]
    return (
        float(sum(each.num_fds() for each in found)),
        float(sum(each.num_threads() for each in found)),
        sum(each.memory_info().rss for each in found) / 1e6,
    )
