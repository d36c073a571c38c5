"""A screen that stays open while apps come, go, crash and reload: its memory, and rows left behind.

Apps print 2,000 lines a second, and the cursor moves on all the time, so that their logs are opened
and left. Memory is compared between a third of the time, when all that is loaded once is loaded,
and the end.
"""

import threading
from collections.abc import Callable

import psutil
from common import Figure, Manager, both, say
from ttymeter import Meter, Plan

STAYS = "stays"
GOES = "goes"
LINES_PER_SECOND = "2000"
SETTLE_S = 12.0
"""By then no notice names what is gone."""
KEYS = ("down", "down", "up", "up")


def measure(quick: bool) -> list[Figure]:
    """Return how much the screens grew, how many apps went, and how many of them are shown."""
    seconds = 45.0 if quick else 600.0
    say(f"  {seconds / 60:g} min each")
    grown: dict[str, list[float]] = {}
    left: dict[str, list[float]] = {}
    rounds: dict[str, list[float]] = {}
    with both() as managers:
        for manager in managers:
            more, rows, gone = _soak(manager, seconds)
            grown[manager.name], left[manager.name] = [more], [float(rows)]
            rounds[manager.name] = [float(gone)]
    what = f"screen, {seconds / 60:g} min of apps that come and go"
    return [
        Figure(f"{what}: more memory at the end than after a third", "MB", grown),
        Figure(f"{what}: rows of apps that are gone", "", left),
        Figure(f"{what}: apps that went meanwhile (no goal)", "", rounds),
    ]


def _soak(manager: Manager, seconds: float) -> tuple[float, int, int]:
    """Return the growth in megabytes, the apps shown though gone, and how many went."""
    manager.start(STAYS, "steady.py", LINES_PER_SECOND)
    ended, gone = threading.Event(), list[str]()
    churn = threading.Thread(target=_churn, args=(manager, ended, gone.append))
    command = [*manager.command, "monit"] if manager.name == "pm2" else [*manager.command]
    meter = Meter(command, manager.environment, Plan(keys=KEYS))
    try:
        churn.start()
        _step_until(meter, lambda: meter.now() > seconds / 3)
        before = meter.pss_mb()
        _step_until(meter, lambda: meter.now() > seconds)
        after = meter.pss_mb()
        ended.set()
        _step_until(meter, lambda: not churn.is_alive())
        settled = meter.now() + SETTLE_S
        _step_until(meter, lambda: meter.now() > settled)
        shown = "\n".join(meter.screen.display)
        return after - before, sum(name in shown for name in gone), len(gone)
    finally:
        ended.set()
        meter.end()
        churn.join()


def _churn(manager: Manager, ended: threading.Event, went: Callable[[str], None]) -> None:
    """Start apps, let them crash, restart and delete them, until ``ended``."""
    number = 0
    while not ended.is_set():
        name = f"{GOES}-{number:04d}"
        number += 1
        manager.start(name, "steady.py", LINES_PER_SECOND)
        psutil.Process(manager.worker(name)).kill()
        manager.run("restart", STAYS)
        manager.run("reload", name)
        manager.run("delete", name)
        went(name)


def _step_until(meter: Meter, done: Callable[[], bool]) -> None:
    while not done() and meter.step():
        pass
