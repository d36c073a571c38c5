"""How long 20 apps of one config file take: until all run, and until the command returns."""

import os
import shutil
import tempfile
import time
from functools import partial

from common import Figure, Manager, alternate, both, config_file, say, wait_for

APPS = 20


def measure(quick: bool) -> list[Figure]:
    """Return the milliseconds of both."""
    rounds = 2 if quick else 5
    say(f"  {rounds} starts of {APPS} apps each")
    folder = tempfile.mkdtemp(prefix="b")
    returned: dict[str, list[float]] = {}
    try:
        with both() as managers:
            for manager in managers:
                returned[manager.name] = []
                manager.run("list")  # pm2's daemon runs before it is measured
            running = alternate(
                rounds,
                {one.name: partial(_start, one, folder, returned[one.name]) for one in managers},
            )
    finally:
        shutil.rmtree(folder)
    what = f"start of {APPS} apps from a file"
    note = "monit returns when all have been online for min_uptime, 1 s; pm2 does not wait for it"
    return [
        Figure(f"{what}: until all run", "ms", running),
        Figure(f"{what}: until the command returns", "ms", returned, note),
    ]


def _start(manager: Manager, folder: str, returned: list[float]) -> float:
    """Start all apps and delete them; return the milliseconds until the last one ran its first
    line, and append those until the command returned."""
    marks = tempfile.mkdtemp(dir=folder)
    names = [f"app-{number}" for number in range(APPS)]
    path = config_file(
        manager, marks + ".d", "mark.py", {name: [os.path.join(marks, name)] for name in names}
    )
    began = time.time()
    manager.run("start", path)
    returned.append((time.time() - began) * 1000)
    wait_for(lambda: len(os.listdir(marks)) == APPS, "all apps run")
    last = max(os.stat(os.path.join(marks, name)).st_mtime for name in os.listdir(marks))
    manager.run("delete", "all")
    return (last - began) * 1000
