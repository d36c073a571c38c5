"""How the cost of the managers grows with the number of apps, and of instances of one app.

Draws ``benchmarks/growth.svg`` too.
"""

import math
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import psutil
from common import ROOT, BenchmarkError, Figure, Manager, alternate, both, config_file, say
from list_wall import time_list
from plot import Panel, log_log_page

APPS = (1, 10, 100)
INSTANCES = (1, 10, 100, 1000)
PM2_INSTANCES = 100
"""pm2 starts one process after the other, and 1,000 take it minutes."""

SETTLE_S = 10.0
"""After a start, until the managers only watch."""

PLOT = os.path.join(ROOT, "benchmarks", "growth.svg")

Samples = dict[str, list[float]]
"""By who was measured."""


class Quantity(NamedTuple):
    """What is measured at each size."""

    name: str
    unit: str


START = Quantity("start, until the command returns", "ms")
MEMORY = Quantity("memory of the managers (PSS)", "MB")
CPU = Quantity("CPU of the idle managers", "% of a core")
LIST = Quantity("list, wall clock", "ms")
QUANTITIES = (START, MEMORY, CPU, LIST)

Sized = dict[Quantity, Samples]


def measure(quick: bool) -> list[Figure]:
    """Return each quantity at each size, with the exponent of its growth as a note."""
    by_apps = _grown("app", APPS[:2] if quick else APPS, _apps, quick)
    by_instances = _grown("instance", INSTANCES[:2] if quick else INSTANCES, _instances, quick)
    panels = [_panel(q, "apps", by_apps) for q in QUANTITIES]
    panels += [_panel(q, "instances of one app", by_instances) for q in QUANTITIES]
    if not quick:
        with open(PLOT, "w", encoding="utf-8") as file:
            file.write(log_log_page(panels, columns=len(QUANTITIES)))
        say(f"  drawn in {os.path.relpath(PLOT)}")
    return [*_figures("app", by_apps), *_figures("instance", by_instances)]


def exponent(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the exponent of the power of n that fits best to pairs of n and a value: 1 is
    proportional to n, 0 does not grow. None when there are too few."""
    logs = [(math.log(n), math.log(value)) for n, value in points if n > 0 and value > 0]
    if len(logs) < 2:
        return None
    middle_x = sum(x for x, _ in logs) / len(logs)
    middle_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - middle_x) ** 2 for x, _ in logs)
    return sum((x - middle_x) * (y - middle_y) for x, y in logs) / spread


# ---------------------------------------------------------------- what is started


def _apps(manager: Manager, count: int) -> float | None:
    with tempfile.TemporaryDirectory() as folder:
        words = {f"idle-{number}": () for number in range(count)}
        path = config_file(manager, os.path.join(folder, "of"), "idle.py", words)
        return _timed(lambda: manager.run("start", path))


def _instances(manager: Manager, count: int) -> float | None:
    if manager.name == "pm2" and count > PM2_INSTANCES:
        return None
    options = ("-i", str(count))
    return _timed(lambda: manager.start("idle", "idle.py", options=options))


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


# ---------------------------------------------------------------- what is measured


def _grown(
    what: str,
    sizes: Sequence[int],
    start: Callable[[Manager, int], float | None],
    quick: bool,
) -> dict[int, Sized]:
    grown: dict[int, Sized] = {}
    for size in sizes:
        say(f"  {size} {what}(s)")
        try:
            grown[size] = _at(size, start, quick)
        except (BenchmarkError, subprocess.TimeoutExpired) as error:
            say(f"  not measured: {error}")  # what was measured at other sizes is worth something
    return grown


def _at(size: int, start: Callable[[Manager, int], float | None], quick: bool) -> Sized:
    """Return all quantities with so many apps or instances, of both managers side by side."""
    with both() as managers:
        for manager in managers:
            manager.run("list")  # pm2's daemon runs before it is measured
        took = {manager.name: start(manager, size) for manager in managers}
        measured = [manager for manager in managers if took[manager.name] is not None]
        time.sleep(SETTLE_S)
        processes = {
            manager.name: [each for kind in manager.managers().values() for each in kind]
            for manager in measured
        }
        memory = {who: [sum(map(pss_mb, each))] for who, each in processes.items()}
        cpu = idle_percent(processes, 10.0 if quick else 30.0)
        for manager in measured:
            time_list(manager, [])
        wall = alternate(
            3 if quick else 10, {each.name: partial(time_list, each, []) for each in measured}
        )
    starts = {who: [value] for who, value in took.items() if value is not None}
    return {START: starts, MEMORY: memory, CPU: cpu, LIST: wall}


def pss_mb(process: psutil.Process) -> float:
    """Return the proportional set size in MB."""
    return process.memory_full_info().pss / 1e6


def idle_percent(processes: Mapping[str, Sequence[psutil.Process]], seconds: float) -> Samples:
    """Return the CPU of all managers within the same seconds, in percent of one core."""
    before = {who: sum(map(_used_s, each)) for who, each in processes.items()}
    began = time.perf_counter()
    time.sleep(seconds)
    lasted = time.perf_counter() - began
    return {
        who: [100 * (sum(map(_used_s, each)) - before[who]) / lasted]
        for who, each in processes.items()
    }


def _used_s(process: psutil.Process) -> float:
    """Return the CPU time of all threads of a process. In nanoseconds where the kernel says so: in
    a minute an idle manager uses less than a tick of the other clock."""
    folder = f"/proc/{process.pid}/task"
    try:
        return sum(_on_core_s(f"{folder}/{thread}/schedstat") for thread in os.listdir(folder))
    except OSError as error:
        raise BenchmarkError(f"no CPU time of {process}: {error}") from error


def _on_core_s(path: str) -> float:
    with open(path, encoding="ascii") as file:
        return int(file.read().split()[0]) / 1e9


# ---------------------------------------------------------------- what is reported


def _figures(what: str, grown: Mapping[int, Sized]) -> list[Figure]:
    return [
        Figure(
            f"{size} {what if size == 1 else what + 's'}: {quantity.name}",
            quantity.unit,
            sized[quantity],
            _growth_note(what, quantity, grown),
        )
        for quantity in QUANTITIES
        for size, sized in grown.items()
    ]


def _growth_note(what: str, quantity: Quantity, grown: Mapping[int, Sized]) -> str:
    """Return ``list, wall clock, from 1 to 100 apps: monit n^0.12, pm2 n^0.20``."""
    exponents: list[str] = []
    for who in ("monit", "pm2"):
        fitted = exponent(_points(grown, quantity, who))
        if fitted is not None:
            exponents.append(f"{who} n^{fitted:.2f}")
    return f"{quantity.name}, from {min(grown)} to {max(grown)} {what}s: {', '.join(exponents)}"


def _panel(quantity: Quantity, across: str, grown: Mapping[int, Sized]) -> Panel:
    lines = {who: _points(grown, quantity, who) for who in ("monit", "pm2")}
    return Panel(quantity.name, quantity.unit, across, {k: v for k, v in lines.items() if v})


def _points(grown: Mapping[int, Sized], quantity: Quantity, who: str) -> list[tuple[float, float]]:
    return [
        (float(size), middle)
        for size, sized in grown.items()
        if (middle := Figure("", "", sized[quantity]).median(who)) is not None
    ]
