"""Process managers that pip installs, supervisor and circus, as the benchmarks see them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence

import psutil
from common import (
    CACHE,
    DEADLINE_S,
    BenchmarkError,
    Manager,
    clean_environment,
    config_file,
    monit,
    pm2,
    say,
    temporary_home,
    wait_for,
)

PACKAGES = {"supervisor": "supervisor==4.3.0", "circus": "circus==0.19.0"}


class ProgramsOf:
    """Apps of one script in one manager: started together, found by the script's own path."""

    def __init__(self, manager: Manager, folder: str, script: str) -> None:
        self.manager = manager
        self.folder = folder
        self.script = os.path.join(folder, os.path.basename(script))
        with open(script, "rb") as source, open(self.script, "wb") as copy:
            copy.write(source.read())

    def start(self, names: Sequence[str]) -> float:
        """Start the manager, where it does not run, and the apps.

        Return the milliseconds until each had a worker; the command itself has ended by then.
        """
        manager = self.manager
        command = (
            manager.beginning(self.script, names)
            if isinstance(manager, Daemon)
            else (
                *(*manager.command, "start"),
                config_file(
                    manager, os.path.join(self.folder, "of"), self.script, dict.fromkeys(names, ())
                ),
            )
        )
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=manager.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        what = f"{manager.name}: {len(names)} workers run"
        wait_for(lambda: len(self.workers()) >= len(names), what)
        took = time.perf_counter() - began
        if process.wait(DEADLINE_S) != 0:
            raise BenchmarkError(f"{' '.join(command)} ended with {process.returncode}")
        return took * 1000

    def workers(self) -> list[int]:
        """Return the pids of all workers."""
        found: list[int] = []
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with (
                    contextlib.suppress(OSError),
                    open(f"/proc/{entry.name}/cmdline", "rb") as file,
                ):
                    if file.read().rstrip(b"\0").split(b"\0")[-1] == self.script.encode():
                        found.append(int(entry.name))
        return found


class Daemon(Manager):
    """A manager that is one program with a config file and another program that asks it."""

    def __init__(self, name: str, home: str, folder: str) -> None:
        self.name = name
        self.home = home
        self.folder = folder
        self.config = os.path.join(home, f"{name}.ini")
        self.environment = clean_environment(**{f"{name.upper()}_HOME": home})
        self.command = self.asking()

    def asking(self) -> tuple[str, ...]:
        """Return the words before a command."""
        raise NotImplementedError

    def program(self) -> tuple[str, ...]:
        """Return the words that start the manager in the background."""
        raise NotImplementedError

    def lines(self, script: str, names: Sequence[str]) -> list[str]:
        """Return the config file that keeps ``script`` running as an app of each name."""
        raise NotImplementedError

    def beginning(self, script: str, names: Sequence[str]) -> tuple[str, ...]:
        """Write the config file of these apps and return the command that starts all."""
        with open(self.config, "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines(script, names)) + "\n")
        return self.program()

    def managers(self) -> dict[str, list[psutil.Process]]:
        with open(os.path.join(self.home, "pid"), encoding="ascii") as file:
            return {"daemon": [psutil.Process(int(file.read()))]}


class Supervisor(Daemon):
    """supervisord; its list is ``supervisorctl status``."""

    def asking(self) -> tuple[str, ...]:
        return (os.path.join(self.folder, "supervisorctl"), "-c", self.config)

    def program(self) -> tuple[str, ...]:
        return (os.path.join(self.folder, "supervisord"), "-c", self.config)

    def lines(self, script: str, names: Sequence[str]) -> list[str]:
        home = self.home
        lines = [
            *("[supervisord]", f"pidfile={home}/pid", f"logfile={home}/log", f"childlogdir={home}"),
            *("[unix_http_server]", f"file={home}/sock"),
            *("[supervisorctl]", f"serverurl=unix://{home}/sock"),
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for name in names:
            lines += [f"[program:{name}]", f"command={sys.executable} {script}", "autorestart=true"]
        return lines


class Circus(Daemon):
    """circusd without its figures and web console; its list is ``circusctl status``."""

    def asking(self) -> tuple[str, ...]:
        program = os.path.join(self.folder, "circusctl")
        return (program, "--endpoint", f"ipc://{self.home}/ask")

    def program(self) -> tuple[str, ...]:
        program = os.path.join(self.folder, "circusd")
        log = os.path.join(self.home, "log")
        pid = os.path.join(self.home, "pid")
        return (program, "--daemon", "--pidfile", pid, "--log-output", log, self.config)

    def lines(self, script: str, names: Sequence[str]) -> list[str]:
        home = self.home
        lines = ["[circus]", "statsd = false"]
        lines += [f"endpoint = ipc://{home}/ask", f"pubsub_endpoint = ipc://{home}/tell"]
        for name in names:
            lines += [f"[watcher:{name}]", f"cmd = {sys.executable} {script}"]
            lines += ["stdout_stream.class = FileStream", f"stdout_stream.filename = {home}/{name}"]
        return lines


@contextlib.contextmanager
def all_managers() -> Generator[list[Manager]]:
    """Yield monit, pm2 where npm is installed, supervisor and circus; end them afterwards."""
    folder = _installed()
    with (
        monit() as ours,
        pm2() as theirs,
        temporary_home("SUPERVISOR_HOME") as first,
        temporary_home("CIRCUS_HOME") as second,
    ):
        yield [
            ours,
            *([theirs] if theirs is not None else []),
            Supervisor("supervisor", first, folder),
            Circus("circus", second, folder),
        ]


def _installed() -> str:
    """Return the folder with the programs of both, installed from the package index once."""
    folder = os.path.join(CACHE, "managers")
    programs = os.path.join(folder, "bin")
    if not all(os.path.exists(os.path.join(programs, name)) for name in ("supervisord", "circusd")):
        say(f"installing {' and '.join(PACKAGES.values())} …")
        for words in ((sys.executable, "-m", "venv", folder), _pip(programs)):
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise BenchmarkError(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    return programs


def _pip(programs: str) -> tuple[str, ...]:
    return (os.path.join(programs, "pip"), "install", "--quiet", *PACKAGES.values())
