"""Time from ``start`` until a program is in the list and the log, with CPU and memory.

Six programs of six kinds: a Python script, a Python module, uvicorn, Node, a shell script and
redis-server. What is not installed is left out, with a word.
"""

import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from cluster import free_port
from common import (
    DEADLINE_S,
    PROGRAMS,
    BenchmarkError,
    Figure,
    Manager,
    Monit,
    alternate,
    both,
    install_pm2,
    monit,
    pm2,
    say,
    wait_for,
)

APP = "first"
NOTE = (
    "Starts: pm2's list has a CPU of 0 until it was measured, which counts as known here; "
    "monit's has none until then."
)
PORT = "BENCH_PORT"


class Program(NamedTuple):
    """A program and how it is started; ``{port}`` in ``words`` is a free port."""

    what: str
    words: tuple[str, ...]
    """A script, or a command."""
    needs: str = ""
    """A program, or a Python module, without which it is left out."""
    script: bool = False
    """Whether the first of ``words`` is a file of `PROGRAMS` that the manager must know how to
    run."""


ALL = (
    Program("Python script", ("ticker.py",), script=True),
    Program("python -m http.server", (sys.executable, "-m", "http.server", "{port}")),
    Program(
        "uvicorn",
        (sys.executable, "-m", "uvicorn", "hello_asgi:app", "--app-dir", PROGRAMS,
         "--port", "{port}"),
        needs="uvicorn",
    ),
    Program("Node HTTP server", ("web.js",), needs="node", script=True),
    Program("shell script", ("ticker.sh",), script=True),
    Program("redis-server", ("redis-server", "--port", "{port}", "--save", ""), "redis-server"),
)  # fmt: skip


class Light(NamedTuple):
    """Seconds since ``start`` began."""

    listed: float
    """The list has it, with a pid."""
    logged: float
    """Its log file has what it printed first."""
    measured: float
    """The list has its CPU and memory."""
    returned: float
    """The command ended."""

    @property
    def all(self) -> float:
        """Return when a user has seen everything."""
        return max(self.listed, self.logged, self.measured)


def measure(quick: bool) -> list[Figure]:
    """Return the milliseconds until list, log, CPU and memory all show the program."""
    rounds = 1 if quick else 5
    programs = [program for program in ALL if _is_there(program)]
    say(f"  {len(programs)} programs, {rounds} starts each, and {rounds} with nothing before")
    figures = [_first_of_all(rounds)]
    with both() as managers:
        for manager in managers:
            manager.start("before", "idle.py")
        figures += [_measured(program, managers, rounds) for program in programs]
    return figures


def _is_there(program: Program) -> bool:
    needs = program.needs
    there = not needs or shutil.which(needs) or importlib.util.find_spec(needs)
    if not there:
        say(f"  {needs} is not installed: left out")
    return bool(there)


def _measured(program: Program, managers: Sequence[Manager], rounds: int) -> Figure:
    seen: dict[str, list[Light]] = {manager.name: [] for manager in managers}
    turns = {one.name: partial(_turn, one, program, seen[one.name]) for one in managers}
    samples = alternate(rounds, turns)
    _print_times(program.what, seen)
    return _figure(program.what, samples)


def _first_of_all(rounds: int) -> Figure:
    """Measure a start with no app and no daemon of the manager before it."""
    seen: dict[str, list[Light]] = {"monit": [], "pm2": []}

    def ours() -> float:
        with monit() as manager:
            return _turn(manager, ALL[0], seen["monit"])

    def theirs() -> float:
        with pm2() as manager:
            if manager is None:
                raise BenchmarkError("pm2 is gone")
            return _turn(manager, ALL[0], seen["pm2"])

    turns: dict[str, Callable[[], float]] = {"monit": ours}
    if install_pm2() is not None:
        turns["pm2"] = theirs
    samples = alternate(rounds, turns)
    what = "Python script, the first app of all"
    _print_times(what, seen)
    return _figure(what, samples)


def _figure(what: str, samples: Mapping[str, Sequence[float]]) -> Figure:
    text = f"{what}: start until list, log, CPU and memory show it"
    return Figure(text, "ms", samples, NOTE)


def _print_times(what: str, seen: dict[str, list[Light]]) -> None:
    for name, lights in seen.items():
        for light in lights:
            parts = zip(Light._fields, light, strict=True)
            told = ", ".join(f"{part} {1000 * seconds:.0f}" for part, seconds in parts)
            say(f"    {what}, {name}: {told} ms")


def _turn(manager: Manager, program: Program, seen: list[Light]) -> float:
    light = first_light(manager, program)
    manager.run("delete", APP)
    seen.append(light)
    return 1000 * light.all


def first_light(manager: Manager, program: Program) -> Light:
    """Start the program and watch from outside, as a user would, for what is known of it."""
    for file in _log_files(manager):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file)
    command, environment = _command(manager, program)
    began = time.perf_counter()
    starting = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with ThreadPoolExecutor(2) as watchers:
        listed = watchers.submit(_watch_list, manager)
        logged = watchers.submit(_watch_log, manager)
        output = starting.communicate(timeout=DEADLINE_S)[1]
        returned = time.perf_counter()
    if starting.returncode != 0:
        raise BenchmarkError(f"{manager.name} did not start {program.what}: {output.decode()}")
    first, complete = listed.result()
    return Light(*(moment - began for moment in (first, logged.result(), complete, returned)))


def _command(manager: Manager, program: Program) -> tuple[list[str], dict[str, str]]:
    port = str(free_port())
    words = [word.replace("{port}", port) for word in program.words]
    name = ["--name", APP]
    # what Python prints into a pipe would else stay in it; monit sees to that itself
    environment = {**manager.environment, PORT: port, "PYTHONUNBUFFERED": "1"}
    if program.script:
        path = os.path.join(PROGRAMS, words[0])
        python = ["--interpreter", sys.executable] if path.endswith(".py") else []
        return [*manager.command, "start", path, *python, *name], environment
    if isinstance(manager, Monit):
        return [*manager.command, "start", *name, "--", *words], environment
    where = shutil.which(words[0]) or words[0]
    bare = ["--interpreter", "none"]
    return [*manager.command, "start", where, *bare, *name, "--", *words[1:]], environment


def _watch_list(manager: Manager) -> tuple[float, float]:
    """Return when the list had the app with a pid, and when with CPU and memory too.

    One list follows the other, so it is late by up to what a list takes.
    """
    first: list[float] = []

    def is_complete() -> bool:
        pid, complete = (_of_monit if isinstance(manager, Monit) else _of_pm2)(manager)
        if pid and not first:
            first.append(time.perf_counter())
        return pid and complete

    wait_for(is_complete, f"{manager.name} lists {APP} with CPU and memory")
    return first[0], time.perf_counter()


def _of_monit(manager: Manager) -> tuple[bool, bool]:
    rows = [row for row in json.loads(manager.run("list", "--json")) if row["app"] == APP]
    known = all(row[name] is not None for row in rows for name in ("cpu_percent", "rss_bytes"))
    return any(row["pid"] for row in rows), known


def _of_pm2(manager: Manager) -> tuple[bool, bool]:
    """Ask its daemon, once there is one: else the question would start another."""
    if not os.path.exists(os.path.join(manager.environment["PM2_HOME"], "rpc.sock")):
        return False, False
    rows = [row for row in json.loads(manager.run("jlist")) if row["name"] == APP]
    # a CPU that pm2 does not know yet is 0 to it
    return any(row["pid"] for row in rows), all(row["monit"]["memory"] for row in rows)


def _watch_log(manager: Manager) -> float:
    """Return when one of its log files had something in it."""
    files = _log_files(manager)
    wait_for(lambda: any(_size(file) for file in files), f"{manager.name} logs {APP}")
    return time.perf_counter()


def _log_files(manager: Manager) -> list[str]:
    out = manager.log_file(APP)
    head, tail = os.path.split(out)
    return [
        out,
        os.path.join(head, tail.replace("out", "err" if isinstance(manager, Monit) else "error")),
    ]


def _size(file: str) -> int:
    try:
        return os.path.getsize(file)
    except FileNotFoundError:
        return 0
