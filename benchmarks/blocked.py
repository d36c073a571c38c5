"""The loop delay reported for a Node script whose event loop is blocked 150 ms of every 550 ms.

The script writes down when it stood still. From that follows how long what becomes due at any
moment has to wait, and its 95th percentile; both managers show such a figure, pm2 under the name
``Event Loop Latency p95``. Measured is by how much each of them is wrong.
"""

import itertools
import json
import os
import tempfile
import time

from common import PROGRAMS, BenchmarkError, Figure, Manager, both, say, wait_for

STEP_MS = 1.0
NAME = "blocked"


def measure(quick: bool) -> list[Figure]:
    """Return the errors of the 95th percentile of the waits, in milliseconds."""
    rounds, pause_s = (2, 6.0) if quick else (5, 12.0)
    errors: dict[str, list[float]] = {}
    lines: list[str] = []
    say(f"  {rounds} rounds of {pause_s:.0f} s")
    with tempfile.TemporaryDirectory(prefix="b") as folder, both() as managers:
        for manager in managers:
            os.mkdir(os.path.join(folder, manager.name))
            _start(manager, os.path.join(folder, manager.name))
            errors[manager.name] = []
        for number in range(rounds):
            time.sleep(pause_s)
            for manager in managers:
                shown = _shown(manager)
                true = waits_p95(_blocks(os.path.join(folder, manager.name, "blocks")))
                errors[manager.name].append(abs(shown - true))
                if number == rounds - 1:
                    lines.append(
                        f"{manager.name} reports {shown:.1f} ms where {true:.1f} ms are true"
                    )
    what = "event loop blocked 150 ms of 550: error of the delay's 95th percentile"
    return [Figure(what, "ms", errors, f"Blocked event loop: {'; '.join(lines)}.")]


def _start(manager: Manager, folder: str) -> None:
    script = os.path.join(PROGRAMS, "blocked.js")
    manager.run("start", script, "--name", NAME, "--", folder)


def _shown(manager: Manager) -> float:
    """Return the 95th percentile that a manager reports, in ms; wait until it reports one."""
    look = _monits if manager.name == "monit" else _pm2s
    found = wait_for(lambda: look(manager) or (), f"the event loop's delay from {manager.name}")
    return float(found[0])


def _monits(manager: Manager) -> list[float]:
    rows = json.loads(manager.run("list", "--json"))
    found = [row["loop_lag_p95_ms"] for row in rows if row["app"] == NAME]
    return [each for each in found if each is not None]


def _pm2s(manager: Manager) -> list[float]:
    listed = manager.run("jlist")
    metrics = json.loads(listed[listed.index("[") :])[0]["pm2_env"].get("axm_monitor", {})
    found = metrics.get("Event Loop Latency p95")
    return [] if found is None else [float(found["value"])]


def _blocks(path: str) -> list[tuple[float, float]]:
    with open(path, encoding="ascii") as file:
        pairs = [line.split() for line in file if line.endswith("\n")]
    return [(float(began), float(ended)) for began, ended in pairs]


def waits_p95(blocks: list[tuple[float, float]]) -> float:
    """Return the 95th percentile of the waits of what becomes due at evenly spread moments between
    the first block and the last. Raise `BenchmarkError` when there are too few."""
    if len(blocks) < 5:
        raise BenchmarkError("the script has hardly blocked yet")
    waits: list[float] = []
    for (began, ended), (following, _) in itertools.pairwise(blocks):
        waits += [max(0.0, ended - due) for due in _moments(began, following)]
    waits.sort()
    return waits[int(0.95 * len(waits))]


def _moments(start: float, end: float) -> list[float]:
    return [start + step * STEP_MS for step in range(int((end - start) / STEP_MS))]
