"""Shared by all benchmarks: clean environments, the managers, alternating rounds, figures."""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

import psutil

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = os.path.join(ROOT, "benchmarks", "programs")
CACHE = os.path.join(ROOT, "benchmarks", ".cache")
PM2_VERSION = "7.0.4"
DEADLINE_S = 60.0
STRAIGHT = "straight"
"""The name of the column for a program without a manager."""


class Figure(NamedTuple):
    """One line of the table: samples by who was measured, in ``unit``; lower is better."""

    what: str
    unit: str
    samples: Mapping[str, Sequence[float]]
    note: str = ""

    def median(self, who: str) -> float | None:
        """Return the median of ``who``, None if it was not measured."""
        values = self.samples.get(who)
        return statistics.median(values) if values else None

    def ratio(self) -> float | None:
        """Return monit's share of what pm2 took, where that was not measured of what it took
        straight: the median of the ratios round by round, else the ratio of the medians.

        Samples of one round were taken side by side, so what slowed the machine down
        then slowed both.
        """
        left = self.samples.get("monit")
        right = self.samples.get("pm2") or self.samples.get(STRAIGHT)
        if not left or not right or min(right) <= 0:
            return None
        if len(left) == len(right):
            return statistics.median(a / b for a, b in zip(left, right, strict=True))
        return statistics.median(left) / statistics.median(right)


class BenchmarkError(Exception):
    """A measurement is not possible or not valid; the text says why."""


def clean_environment(**extra: str) -> dict[str, str]:
    """Return this environment without variables that slow Python down or name another home."""
    left_out = {
        "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPATH", "MONIT_HOME", "PM2_HOME",
        "SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT", "NO_COLOR", "TMUX",
    }  # fmt: skip
    kept = {key: value for key, value in os.environ.items() if key not in left_out}
    return {**kept, **extra}


def alternate(rounds: int, measured: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure all of ``measured`` once a round; who begins changes from round to round.

    Gives the samples by name; the n-th of each belong together.
    """
    samples: dict[str, list[float]] = {who: [] for who in measured}
    order = list(measured)
    for _ in range(rounds):
        for who in order:
            samples[who].append(measured[who]())
        order = [*order[1:], *order[:1]]
    return samples


def wait_for(predicate: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Return the first true value of ``predicate``. Raise `BenchmarkError` when it is late."""
    end = time.monotonic() + deadline_s
    while not (value := predicate()):
        if time.monotonic() > end:
            raise BenchmarkError(f"not within {deadline_s:.0f} s: {what}")
        time.sleep(0.002)
    return value


class Manager:
    """Starts and lists programs; implemented by `Monit` and `Pm2`."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """Run a command of the manager and return its output. Raise `BenchmarkError`."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        if done.returncode != 0:
            output = (done.stdout + done.stderr)[-2000:]
            raise BenchmarkError(f"{self.name} {' '.join(arguments)} failed:\n{output}")
        return done.stdout

    def start(self, name: str, script: str, *arguments: str, options: Sequence[str] = ()) -> None:
        """Start a Python script of `PROGRAMS` as one instance called ``name``."""
        raise NotImplementedError

    def worker(self, name: str) -> int:
        """Return the pid of the app's only worker."""
        raise NotImplementedError

    def log_file(self, name: str) -> str:
        """Return the file that holds the app's standard output."""
        raise NotImplementedError

    def managers(self) -> dict[str, list[psutil.Process]]:
        """Return the manager's processes by kind."""
        raise NotImplementedError


def config_file(
    manager: Manager, folder: str, script: str, apps: Mapping[str, Sequence[str]]
) -> str:
    """Write a config file in the manager's own format: apps of a Python script of `PROGRAMS`, each
    with its arguments; return its path."""
    os.makedirs(folder)
    script = os.path.join(PROGRAMS, script)
    if manager.name == "pm2":
        path = os.path.join(folder, "apps.config.json")
        text = json.dumps({
            "apps": [
                {"name": name, "script": script, "interpreter": sys.executable, "args": [*words]}
                for name, words in apps.items()
            ]
        })  # fmt: skip
    else:
        path = os.path.join(folder, "monit.toml")
        text = "".join(
            f"[apps.{name}]\nscript = {json.dumps(script)}\n"
            f"interpreter = {json.dumps(sys.executable)}\n"
            + (f"args = {json.dumps([*words])}\n" if words else "")
            for name, words in apps.items()
        )
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


class Monit(Manager):
    """monit of this checkout, on a home of its own."""

    name = "monit"

    def __init__(self, home: str) -> None:
        self.home = home
        self.command = (os.path.join(os.path.dirname(sys.executable), "monit"),)
        self.environment = clean_environment(MONIT_HOME=home)

    def start(self, name: str, script: str, *arguments: str, options: Sequence[str] = ()) -> None:
        path = os.path.join(PROGRAMS, script)
        python = ("--interpreter", sys.executable)
        self.run("start", path, *python, "--name", name, *options, "--", *arguments)

    def worker(self, name: str) -> int:
        (instance,) = (row for row in json.loads(self.run("list", "--json")) if row["app"] == name)
        return int(instance["pid"])

    def log_file(self, name: str) -> str:
        return os.path.join(self.home, "apps", name, "logs", "0.out.log")

    def managers(self) -> dict[str, list[psutil.Process]]:
        kinds: dict[str, list[psutil.Process]] = {}
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or [""]
            if any(self.home in word for word in words) and (kind := _kind(words)):
                kinds.setdefault(kind, []).append(process)
        return kinds


def _kind(words: Sequence[str]) -> str | None:
    """Return which of monit's managers has this command line; None for what manages nothing."""
    if any(word.endswith("/keeper/__main__.py") for word in words):
        return "keeper"
    title = words[0].partition(" ")[0]
    kinds = {"monit-agent": "agent", "monit-agents": "agent", "monit-zygote": "zygote"}
    return kinds.get(title)


class Pm2(Manager):
    """pm2 from npm, on a home of its own."""

    name = "pm2"

    def __init__(self, home: str, program: str) -> None:
        self.home = home
        self.command = (program,)
        self.environment = clean_environment(
            PM2_HOME=home,
            PM2_DISABLE_VERSION_CHECK="true",
            PM2_DISCRETE_MODE="true",
        )

    def start(self, name: str, script: str, *arguments: str, options: Sequence[str] = ()) -> None:
        path = os.path.join(PROGRAMS, script)
        rest = ("--", *arguments) if arguments else ()
        self.run("start", path, "--interpreter", sys.executable, "--name", name, *options, *rest)

    def worker(self, name: str) -> int:
        rows = json.loads(self.run("jlist"))
        return next(int(row["pid"]) for row in rows if row["name"] == name)

    def log_file(self, name: str) -> str:
        return os.path.join(self.home, "logs", f"{name}-out.log")

    def managers(self) -> dict[str, list[psutil.Process]]:
        with open(os.path.join(self.home, "pm2.pid"), encoding="ascii") as file:
            return {"daemon": [psutil.Process(int(file.read()))]}


@contextlib.contextmanager
def both() -> Generator[list[Manager], None, None]:
    """Yield monit and, where npm is installed, pm2; end all their processes afterwards."""
    with monit() as ours, pm2() as theirs:
        yield [ours] if theirs is None else [ours, theirs]


@contextlib.contextmanager
def monit() -> Generator[Monit, None, None]:
    """Yield monit; end all its processes afterwards."""
    with temporary_home("MONIT_HOME") as home:
        manager = Monit(home)
        try:
            yield manager
        finally:
            with contextlib.suppress(BenchmarkError, subprocess.TimeoutExpired):
                manager.run("delete", "all")


@contextlib.contextmanager
def pm2() -> Generator[Pm2 | None, None, None]:
    """Yield pm2, or None without npm; end all its processes afterwards."""
    program = install_pm2()
    if program is None:
        yield None
        return
    with temporary_home("PM2_HOME") as home:
        manager = Pm2(home, program)
        try:
            yield manager
        finally:
            with contextlib.suppress(BenchmarkError, subprocess.TimeoutExpired):
                manager.run("kill")


def install_pm2() -> str | None:
    """Return the path of pm2, installed from npm into the cache; None where npm is missing."""
    folder = os.path.join(CACHE, f"pm2-{PM2_VERSION}")
    program = os.path.join(folder, "node_modules", ".bin", "pm2")
    if os.path.exists(program):
        return program
    npm = shutil.which("npm")
    if npm is None:
        return None
    say(f"installing pm2 {PM2_VERSION} from npm …")
    os.makedirs(folder, exist_ok=True)
    install = [npm, "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run([*install, f"pm2@{PM2_VERSION}"], check=False, stdin=subprocess.DEVNULL)
    return program if done.returncode == 0 and os.path.exists(program) else None


@contextlib.contextmanager
def temporary_home(variable: str) -> Generator[str, None, None]:
    """Return a short private folder; kill in the end what has it as its ``variable``."""
    folder = tempfile.mkdtemp(prefix="b", dir="/tmp")
    try:
        yield folder
    finally:
        _sweep(variable, folder)
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(variable: str, folder: str) -> None:
    """Kill the process groups of everything whose environment has ``variable`` = ``folder``."""
    for _ in range(50):
        left = [process for process in psutil.process_iter() if _has(process, variable, folder)]
        if not left:
            return
        for process in left:
            with contextlib.suppress(OSError):
                group = os.getpgid(process.pid)
                if group != os.getpgrp():
                    os.killpg(group, signal.SIGKILL)
                else:
                    os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(left, timeout=0.2)


def _has(process: psutil.Process, variable: str, folder: str) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and process.environ().get(variable) == folder
    except psutil.Error:
        return False


def end_on_signals() -> None:
    """Make Ctrl-C, SIGTERM and SIGHUP end the benchmark and all that it started."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


def say(text: str) -> None:
    """Print progress on stderr."""
    print(text, file=sys.stderr, flush=True)
