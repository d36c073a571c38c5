"""The screen with a thousand idle instances: in one app, and in a hundred apps of ten.

pm2's monitor is left out: pm2 starts one process after the other, and a thousand take it minutes.
"""

import os
import tempfile
from collections.abc import Sequence
from functools import partial

from common import Figure, Monit, alternate, config_file, monit, say
from growth import idle_percent
from screen import at_share, first_frame
from ttymeter import Plan
from ttymeter import measure as watch

ONE = "1,000 instances of one app"
HUNDRED = "100 apps of 10 instances"
SETTLE_S = 15.0
"""After the start, until a screen that was opened shows only what changes."""


def measure(quick: bool) -> list[Figure]:
    """Return first frame, CPU, bytes, key to paint and memory, and the CPU of the managers."""
    figures: list[Figure] = []
    for words, apps, instances in ((ONE, 1, 1000), (HUNDRED, 100, 10)):
        say(f"  {words}")
        with monit() as manager, tempfile.TemporaryDirectory() as folder:
            names = [f"app-{number:02}" for number in range(apps)]
            _start(manager, folder, names, instances)
            figures += _watch(manager, words, names, 2 if quick else 5)
    return figures


def _start(manager: Monit, folder: str, names: Sequence[str], instances: int) -> None:
    if len(names) == 1:
        manager.start(names[0], "idle.py", options=("-i", str(instances)))
        return
    path = config_file(manager, os.path.join(folder, "of"), "idle.py", dict.fromkeys(names, ()))
    with open(path, "a", encoding="utf-8") as file:
        file.write(f"[defaults]\ninstances = {instances}\n")
    manager.run("start", path)


def _watch(manager: Monit, words: str, names: Sequence[str], rounds: int) -> list[Figure]:
    shown = [names[0]]
    first = alternate(rounds, {manager.name: partial(first_frame, manager, shown)})
    seconds = SETTLE_S + 10.0
    still = watch([*manager.command], manager.environment, Plan(seconds=seconds, settle_s=SETTLE_S))
    keys = watch(
        [*manager.command],
        manager.environment,
        Plan(seconds=seconds + 10.0, settle_s=SETTLE_S, keys=("down", "up")),
    )
    managers = {manager.name: [each for kind in manager.managers().values() for each in kind]}
    unwatched = idle_percent(managers, 10.0)

    def figure(what: str, unit: str, value: float) -> Figure:
        return Figure(f"{words}: {what}", unit, {manager.name: [value]})

    return [
        Figure(f"screen, {words}: first frame with data", "ms", first),
        figure("screen, CPU", "% of a core", still.cpu_percent),
        figure("screen, to the terminal", "B/s", still.bytes_per_s),
        figure("screen, key to paint, median", "ms", at_share(keys.key_ms, 0.5)),
        figure("screen, key to paint, p95", "ms", at_share(keys.key_ms, 0.95)),
        figure("screen, PSS", "MB", still.pss_mb),
        Figure(f"{words}: CPU of the managers, nobody watching", "% of a core", unwatched),
    ]
