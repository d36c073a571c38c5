"""How long ``monit list`` and ``pm2 list`` take with four, ten and a hundred apps."""

import os
import subprocess
import tempfile
import time
from functools import partial

from common import BenchmarkError, Figure, Manager, alternate, both, config_file, say

APPS = (4, 10, 100)


def measure(quick: bool) -> list[Figure]:
    """Return wall clock and CPU of the command, in milliseconds."""
    rounds = 5 if quick else 20
    figures: list[Figure] = []
    started = 0
    with both() as managers:
        for apps in APPS[:2] if quick else APPS:
            for manager in managers:
                _start(manager, range(started, apps))
            started = apps
            say(f"  {rounds} lists of {apps} apps each")
            figures += _of(managers, apps, rounds)
    return figures


def _start(manager: Manager, numbers: range) -> None:
    with tempfile.TemporaryDirectory() as folder:
        words = {f"idle-{number}": () for number in numbers}
        path = config_file(manager, os.path.join(folder, "of"), "idle.py", words)
        manager.run("start", path)


def _of(managers: list[Manager], apps: int, rounds: int) -> list[Figure]:
    cpu: dict[str, list[float]] = {manager.name: [] for manager in managers}
    for manager in managers:
        time_list(manager, [])
    wall = alternate(rounds, {one.name: partial(time_list, one, cpu[one.name]) for one in managers})
    return [
        Figure(f"list of {apps} apps, wall clock", "ms", wall),
        Figure(f"list of {apps} apps, CPU of the command", "ms", cpu),
    ]


def time_list(manager: Manager, cpu: list[float], word: str = "list") -> float:
    """Run the manager's command ``word`` once; return its wall clock in ms and append its CPU in
    ms to ``cpu``."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*manager.command, word],
        env=manager.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"{manager.name} {word} ended with {process.returncode}")
    cpu.append((usage.ru_utime + usage.ru_stime) * 1000)
    return wall * 1000
