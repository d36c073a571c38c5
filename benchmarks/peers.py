"""The managers beside supervisor and circus, and the screen beside mprocs, htop and btop."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial

from common import CACHE, PROGRAMS, Figure, Manager, alternate, both, say
from growth import SETTLE_S, idle_percent, pss_mb
from list_wall import time_list
from other_managers import ProgramsOf, all_managers
from respawn import kill_and_wait
from ttymeter import Measured, Plan
from ttymeter import measure as watch

APPS = (1, 10)
MPROCS = "mprocs@0.9.6"


def measure(quick: bool) -> list[Figure]:
    """Return the figures of the managers, then those of the screens."""
    figures: list[Figure] = []
    for count in APPS:
        say(f"  {count} app(s)")
        figures += _managers(count, quick)
    say("  screens")
    return [*figures, *_screens(quick)]


# ---------------------------------------------------------------- managers


def _managers(count: int, quick: bool) -> list[Figure]:
    names = [f"idle-{number}" for number in range(count)]
    apps = "1 app" if count == 1 else f"{count} apps"
    with all_managers() as managers, tempfile.TemporaryDirectory() as folder:
        started = alternate(1, {one.name: partial(_start, one, folder, names) for one in managers})
        time.sleep(SETTLE_S)
        processes = {
            one.name: [each for kind in one.managers().values() for each in kind]
            for one in managers
        }
        memory = {who: [sum(map(pss_mb, each))] for who, each in processes.items()}
        cpu = idle_percent(processes, 10.0 if quick else 30.0)
        rounds = 3 if quick else 10
        listed = alternate(rounds, {one.name: partial(_list, one) for one in managers})
        killed = alternate(rounds, {one.name: partial(_kill, one, folder) for one in managers})
    return [
        Figure(f"{apps} of a file, and the manager: start until all run", "ms", started),
        Figure(f"{apps}: memory of the managers (PSS)", "MB", memory),
        Figure(f"{apps}: CPU of the idle managers", "% of a core", cpu),
        Figure(f"{apps}: list, wall clock", "ms", listed),
        Figure(f"{apps}: kill -9 of a worker until the next one's process exists", "ms", killed),
    ]


def _programs(manager: Manager, folder: str) -> ProgramsOf:
    own = os.path.join(folder, manager.name)
    os.makedirs(own, exist_ok=True)
    return ProgramsOf(manager, own, os.path.join(PROGRAMS, "idle.py"))


def _start(manager: Manager, folder: str, names: Sequence[str]) -> float:
    return _programs(manager, folder).start(names)


def _list(manager: Manager) -> float:
    return time_list(manager, [], "list" if manager.name in {"monit", "pm2"} else "status")


def _kill(manager: Manager, folder: str) -> float:
    return kill_and_wait(manager.name, _programs(manager, folder).workers()[0])


# ---------------------------------------------------------------- screens


def _screens(quick: bool) -> list[Figure]:
    """Return what full-screen programs need while four idle processes run."""
    spans = 1 if quick else 3
    seen: dict[str, list[Measured]] = {}
    with both() as managers, tempfile.TemporaryDirectory() as folder:
        for manager in managers:
            for number in range(4):
                manager.start(f"app-{number}", "idle.py")
        commands = {one.name: (_screen_of(one), one.environment) for one in managers}
        commands |= {name: (words, dict(os.environ)) for name, words in _others().items()}
        for number in range(spans):
            names = list(commands)
            for name in names if number % 2 == 0 else reversed(names):
                words, environment = commands[name]
                say(f"    {name}")
                plan = Plan(seconds=14.0)
                own = {**environment, "XDG_CONFIG_HOME": folder}  # nobody's settings count
                seen.setdefault(name, []).append(watch(words, own, plan))
    return [
        Figure(f"screen, 4 idle processes: {what}", unit, _each(seen, name, scale))
        for what, unit, name, scale in (
            ("first paint", "ms", "first_paint_s", 1000),
            ("CPU", "% of a core", "cpu_percent", 1),
            ("to the terminal", "B/s", "bytes_per_s", 1),
        )
    ]


def _each(seen: dict[str, list[Measured]], name: str, scale: float) -> dict[str, list[float]]:
    return {
        who: [(getattr(one, name) or 0.0) * scale for one in all_] for who, all_ in seen.items()
    }


def _screen_of(manager: Manager) -> list[str]:
    return [*manager.command, "monit"] if manager.name == "pm2" else [*manager.command]


def _others() -> dict[str, list[str]]:
    """Return the command lines of the other monitors that this machine has."""
    found = {name: [path] for name in ("htop", "btop") if (path := shutil.which(name))}
    idle = f"{sys.executable} {os.path.join(PROGRAMS, 'idle.py')}"
    if mprocs := _mprocs():
        found["mprocs"] = [mprocs, *[idle] * 4]
    missing = {"htop", "btop", "mprocs"} - set(found)
    if missing:
        say(f"    not installed, so not measured: {', '.join(sorted(missing))}")
    return found


def _mprocs() -> str | None:
    """Return the path of mprocs, installed from npm into the cache; None where that fails."""
    folder = os.path.join(CACHE, "mprocs")
    program = os.path.join(folder, "node_modules", ".bin", "mprocs")
    npm = shutil.which("npm")
    if not os.path.exists(program) and npm is not None:
        os.makedirs(folder, exist_ok=True)
        words = [npm, "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent", MPROCS]
        subprocess.run(words, check=False, stdin=subprocess.DEVNULL)
    return program if os.path.exists(program) else None
