"""Memory of the managers, with one app and with ten, started one by one and from a file."""

import os
import tempfile
import time

import psutil
from common import Figure, Manager, both, config_file, say

SETTLE_S = 5.0


def measure(quick: bool) -> list[Figure]:
    """Return resident and proportional memory in MB, by kind of process and in all."""
    figures: list[Figure] = []
    for apps in (1,) if quick else (1, 10):
        say(f"  {apps} app(s)")
        figures += _of(apps, together=False)
    if not quick:
        say("  10 apps of a file")
        figures += _of(10, together=True)
    return figures


def _of(apps: int, *, together: bool) -> list[Figure]:
    resident: dict[str, dict[str, list[float]]] = {}
    total: dict[str, list[float]] = {}
    with both() as managers:
        for manager in managers:
            resident[manager.name], total[manager.name] = _weigh(manager, apps, together=together)
    count = f"{apps} app" if apps == 1 else f"{apps} apps"
    count += " of a file" if together else ""
    figures = [
        Figure(f"{count}: RSS of one {kind}", "MB", {who: values})
        for who, kinds in resident.items()
        for kind, values in kinds.items()
    ]
    return [*figures, Figure(f"{count}: PSS of all that manages", "MB", total)]


def _weigh(
    manager: Manager, apps: int, *, together: bool
) -> tuple[dict[str, list[float]], list[float]]:
    names = [f"idle-{number}" for number in range(apps)]
    if together:
        with tempfile.TemporaryDirectory() as folder:
            words = dict.fromkeys(names, ())
            path = config_file(manager, os.path.join(folder, "of"), "idle.py", words)
            manager.run("start", path)
    else:
        for name in names:
            manager.start(name, "idle.py")
    time.sleep(SETTLE_S)
    kinds = manager.managers()
    resident = {
        kind: [process.memory_info().rss / 1e6 for process in processes]
        for kind, processes in kinds.items()
    }
    total = sum(_pss(process) for processes in kinds.values() for process in processes)
    return resident, [total]


def _pss(process: psutil.Process) -> float:
    """Return the proportional set size in MB: shared pages are divided by who shares them."""
    return process.memory_full_info().pss / 1e6
