"""How long ``monit list`` and ``pm2 list`` take with four apps."""

import os
import subprocess
import time
from functools import partial

from common import BenchmarkError, Figure, Manager, alternate, both, say

APPS = 4


def measure(quick: bool) -> list[Figure]:
    """Give wall clock and CPU of the command, in milliseconds."""
    rounds = 5 if quick else 20
    say(f"  {rounds} lists each")
    cpu: dict[str, list[float]] = {}
    with both() as managers:
        for manager in managers:
            for number in range(APPS):
                manager.start(f"idle-{number}", "idle.py")
            cpu[manager.name] = []
            time_list(manager, [])
        wall = alternate(
            rounds, {one.name: partial(time_list, one, cpu[one.name]) for one in managers}
        )
    return [
        Figure(f"list of {APPS} apps, wall clock", "ms", wall),
        Figure(f"list of {APPS} apps, CPU of the command", "ms", cpu),
    ]


def time_list(manager: Manager, cpu: list[float]) -> float:
    """Run the command once; give its wall clock in ms and append its CPU in ms to ``cpu``."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*manager.command, "list"],
        env=manager.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchmarkError(f"{manager.name} list ended with {process.returncode}")
    cpu.append((usage.ru_utime + usage.ru_stime) * 1000)
    return wall * 1000
