"""What happens to a home under chaos: who is halted, which app waits, what must be undone when."""

import collections
import heapq
import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chaos.apps import ChaosApp, Records
from chaos.traffic import Traffic
from monit_agent.wire.paths import app_paths
from support.command_line import MONIT
from support.managers import Managers, halt, resume
from support.ports import free_port
from support.small_disk import SmallDisk

PROGRAMS = Path(__file__).parent.parent / "programs" / "chaos"
COMMAND_S = 60.0
"""A command that takes longer hangs."""
SETTLES_S = 60.0
"""An app that no fault touches must be well after so long."""
ALONE_S = 15.0
"""An app with neither keeper nor agent for so long is alone."""


class Scene:
    """One home, its apps and their clients."""

    def __init__(self, folder: Path, seed: int, disk: SmallDisk | None) -> None:
        self.random = random.Random(seed)
        self.home = folder / "home"
        self.disk = disk
        self.records = Records(folder / "records")
        self.problems: list[str] = []
        self.counts: collections.Counter[str] = collections.Counter()
        self.halted: dict[int, str] = {}
        self.traffics: dict[str, Traffic] = {}
        self.apps = {app.name: app for app in self._make_apps()}
        self.disk_is_bad = False
        self._busy: dict[str, Callable[[], bool]] = {}
        self._busy_until: dict[str, float] = {}
        self._undo: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._commands: list[_Command] = []
        self._alone_since: dict[str, float] = {}
        self._began = time.monotonic()

    def _make_apps(self) -> list[ChaosApp]:
        python = ("--interpreter", sys.executable)
        printer = [str(PROGRAMS / "printer.py"), *python, "--min-uptime", "0.3s"]
        made = [
            self._app("calm", [*printer, "-i", "2", "--env", "CHAOS_BURST=10"]),
            self._app("flood", [*printer, "--env", "CHAOS_BURST=200"]),
        ]
        port = free_port()
        uvicorn = [f"{Path(sys.executable).parent}/uvicorn", "--log-level", "critical", "asgi:app"]
        words = ["-i", "3", "--port", str(port), "--cwd", str(PROGRAMS)]
        command = [*uvicorn, "--host", "127.0.0.1", "--port", str(port), "--no-access-log"]
        made.append(self._app("web", [*words, "--", *command], port))
        if shutil.which("node"):
            port = free_port()
            made.append(
                self._app("node", [str(PROGRAMS / "web.js"), "-i", "2", "--port", str(port)], port)
            )
        return made

    def _app(self, name: str, words: list[str], port: int = 0) -> ChaosApp:
        env = {"CHAOS_RECORDS": str(self.records.folder), "CHAOS_APP": name}
        named = [word for key, value in env.items() for word in ("--env", f"{key}={value}")]
        # the account reads one file a stream
        whole = ["--log-max-size", "none", "--log-max-total", "none"]
        start = ["--name", name, *named, *whole, *words]
        return ChaosApp(name, app_paths(str(self.home), name), start, port)

    # ------------------------------------------------------------ the course of events

    def say(self, text: str) -> None:
        """Print a line of the report, with the seconds since the beginning."""
        print(
            f"{time.strftime('%H:%M:%S')} {time.monotonic() - self._began:7.2f}  {text}", flush=True
        )

    def fail(self, text: str) -> None:
        """Note what must not be."""
        self.problems.append(text)
        self.say(f"PROBLEM  {text}")

    def later(self, after_s: float, undo: Callable[[], None]) -> None:
        """Call ``undo`` when so much time has passed, or at the end."""
        heapq.heappush(self._undo, (time.monotonic() + after_s, next(self._numbers), undo))

    def step(self) -> None:
        """Undo what is due, and look after the apps that wait."""
        while self._undo and self._undo[0][0] <= time.monotonic():
            heapq.heappop(self._undo)[2]()
        for command in [each for each in self._commands if each.is_over(self)]:
            self._commands.remove(command)
        for name, is_over in list(self._busy.items()):
            if is_over():
                del self._busy[name]
            elif time.monotonic() > self._busy_until[name] and not self.is_halted(name):
                self.fail(f"{name} is not well again after {SETTLES_S:.0f} s")
                del self._busy[name]
        self._look_for_lonely_apps()

    def is_halted(self, name: str) -> bool:
        """Return whether a worker or a manager of an app is halted."""
        return any(each.endswith(f" {name}") or each.startswith((f"{name}/", "the zygote"))
                   for each in self.halted.values())  # fmt: skip

    def undo_all(self) -> None:
        """End every fault that lasts."""
        while self._undo:
            heapq.heappop(self._undo)[2]()

    @property
    def is_quiet(self) -> bool:
        """Return whether no app waits for anything."""
        return not self._busy and not self._commands

    def idle_apps(self) -> list[ChaosApp]:
        """Return the apps that wait for nothing."""
        return [app for app in self.apps.values() if app.name not in self._busy]

    def wait_for_app(self, app: ChaosApp, command: "_Command | None" = None) -> None:
        """Leave an app alone until it is settled, after a command that changes it."""

        def is_over() -> bool:
            if command is not None and not command.took_effect(self):
                return False
            return app.is_settled(self.records.runs(app.name))

        self._busy[app.name] = is_over
        self._busy_until[app.name] = time.monotonic() + SETTLES_S

    def _look_for_lonely_apps(self) -> None:
        managers = Managers(self.home)
        for name in self.apps:
            if name in managers.keepers or name in managers.agents or name in self._busy:
                self._alone_since.pop(name, None)
            elif time.monotonic() > self._alone_since.setdefault(name, time.monotonic()) + ALONE_S:
                self.fail(f"{name} has neither keeper nor agent")
                self._alone_since[name] = float("inf")

    # ------------------------------------------------------------ tools of the faults

    def halt_for(self, pid: int, what: str, seconds: float) -> bool:
        """Halt a process for some time; return False if that is impossible."""
        if pid in self.halted or not halt(pid):
            return False
        self.halted[pid] = what

        def undo() -> None:
            if self.halted.pop(pid, None):
                resume(pid)

        self.later(seconds, undo)
        return True

    def command(self, app: ChaosApp | None, *words: str) -> None:
        """Run a command; the app that it changes is left alone until it has taken effect."""
        command = _Command(words, app)
        self._commands.append(command)
        if app is not None:
            self.wait_for_app(app, command)


class _Command:
    """A ``monit`` command that runs."""

    def __init__(self, words: tuple[str, ...], app: ChaosApp | None) -> None:
        self._app = app
        self.words = " ".join(words)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed in is_over)
        self._process = subprocess.Popen(
            [*MONIT, *words], stdin=subprocess.DEVNULL, stdout=self._output, stderr=self._output
        )
        self._began = time.monotonic()
        self._over_at: float | None = None

    def is_over(self, scene: Scene) -> bool:
        """Return whether it has exited; check how."""
        code = self._process.poll()
        if code is None:
            if time.monotonic() > self._began + COMMAND_S:
                scene.fail(f"monit {self.words} hangs")
                self._process.kill()
            return False
        self._over_at = time.monotonic()
        scene.counts[f"monit {self.words.split()[0]}: exit code {code}"] += 1
        self._output.seek(0)
        text = self._output.read().decode(errors="replace")
        if code:
            scene.say(f"monit {self.words}: exit code {code}: {text.strip()[-300:]}")
        if code not in (0, 1, 4) or "Traceback" in text:
            scene.fail(f"monit {self.words}: exit code {code}: {text[-2000:]}")
        self._output.close()
        return True

    def took_effect(self, scene: Scene) -> bool:
        """Return whether all that it requested was done, or will never be: one that failed, while a
        manager was halted or dead, may be carried out a little later."""
        if self._over_at is None:
            return False
        if self._process.returncode == 0:
            return True
        if self._app is not None and scene.is_halted(self._app.name):
            self._over_at = time.monotonic()
        return time.monotonic() > self._over_at + 5.0


def is_gone(pid: int) -> bool:
    """Return whether no process has this pid."""
    return not os.path.exists(f"/proc/{pid}")
