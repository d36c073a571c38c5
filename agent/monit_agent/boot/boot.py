"""``monit boot`` as a whole: ready when all apps were started, and at SIGTERM all are stopped."""

import os
import signal
import time

from monit_agent import __version__
from monit_agent.boot.requests import Requests
from monit_agent.boot.service_manager import ERROR, INFO, ServiceManager
from monit_agent.boot.watched_apps import WatchedApps
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.spawns import KeeperSpawns
from monit_agent.system.installation import Installation, is_there, own_installation
from monit_agent.typed import Any
from monit_agent.wire.boot import FDS, LEFT_EXIT_CODE
from monit_agent.wire.paths import BadNameError, app_paths, boot_command, boot_socket, check_name

TICK_S = 5.0
"""How often the folder of apps is listed and the socket's file is looked after. Deaths are
reported by the kernel."""
EXTEND_S = 5.0
STOP_MARGIN_S = 30.0
"""Added to the longest kill timeout: after that something is stuck."""
NAMES_SHOWN = 4
_SIGNALS = (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT)


class Boot:
    """The apps of the home ``home``, from their start to their stop."""

    def __init__(self, loop: Loop, home: str, manager: ServiceManager) -> None:
        self._loop = loop
        self._home = home
        self._manager = manager
        self._exit_code = 0
        self._began = time.monotonic()
        self._listed = self._ready = False
        self._stop_until: float | None = None
        self._spawns = KeeperSpawns(
            loop, home, setsigmask=(), setsigdef=(*_SIGNALS[1:], signal.SIGPIPE, signal.SIGXFSZ)
        )
        self._apps = WatchedApps(loop, home, self._spawns.spawn, self._settled, self._revives)
        self._requests = Requests(loop, boot_socket(home), self._answer)
        loop.on_signal(signal.SIGCHLD, _reap)
        loop.on_signal(signal.SIGHUP, self._tick)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.on_signal(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def run(self) -> int:
        """Start all apps, keep their keepers running, and stop them at SIGTERM; return the exit
        code."""
        self._tick()
        self._beat()
        self._loop.run()
        self._requests.close()
        return self._exit_code

    def _tick(self) -> None:
        if self._stop_until is None:
            self._manager.log_problem("boot.sock", self._requests.bind())
            self._apps.find_new()
            self._listed = True
            self._show_status()
            self._loop.set_alarm("tick", time.monotonic() + TICK_S, self._tick)

    def _revives(self, name: str) -> None:
        if self._ready:
            self._manager.log(INFO, f"{name}: its keeper and agent are gone; starting a keeper")

    def _settled(self, name: str, problem: str | None) -> None:
        self._manager.log_problem(name, problem)
        self._show_status()

    def _show_status(self) -> None:
        """Report what has changed: the status, that all were started, that all are stopped."""
        if self._stop_until is not None:
            left = self._apps.running()
            self._manager.status(f"stopping: {_some(left)}" if left else "all apps are stopped")
            if not left:
                self._loop.stop()
            return
        problems, count = self._apps.problems(), len(self._apps)
        failed = f"; not started: {_some(problems)}" if problems else ""
        self._manager.status(f"{count} app{'' if count == 1 else 's'}{failed}")
        if self._listed and not self._ready and not self._apps.awaited():
            self._ready = True
            self._manager.ready()

    def _beat(self) -> None:
        if self._manager.watchdog_s is not None:
            self._manager.alive()
            due = time.monotonic() + self._manager.watchdog_s
            self._loop.set_alarm("watchdog", due, self._beat)

    # ------------------------------------------------------------ requests

    def _answer(self, request: dict[str, Any], fds: list[int]) -> dict[str, Any]:
        do = request.get("do")
        if do == "hello":
            python, package = own_installation()
            return {
                "ok": True,
                "pid": os.getpid(),
                "apps": len(self._apps),
                "version": __version__,
                "python": python,
                "package": package,
                "began": self._began,
            }
        if self._stop_until is not None:
            return {"ok": False, "stopping": True, "message": "monit boot is stopping all apps"}
        if do == "leave":
            self._manager.log(INFO, "exits and leaves the apps running, as requested")
            self._exit_code = LEFT_EXIT_CODE
            self._loop.stop()
            return {"ok": True, "pid": os.getpid()}
        if do == "start_keeper":
            return self._start_requested(request.get("app"), fds)
        if do == "upgrade":
            return self._upgrade(request.get("python"), request.get("package"))
        return {"ok": False, "message": f"no such request {do!r}"}

    def _upgrade(self, python: Any, package: Any) -> dict[str, Any]:
        """Execute another installation soon, when the answer was sent."""
        if not isinstance(python, str) or not isinstance(package, str):
            return {"ok": False, "message": "an upgrade needs 'python' and 'package'"}
        if not is_there(Installation(python, package)):
            return {"ok": False, "message": f"{package} with {python} is no installation of monit"}
        if self._apps.awaited():
            return {"ok": False, "message": "it is starting apps; try again when it has"}
        command = boot_command(self._home, python, package)
        self._loop.set_alarm("upgrade", time.monotonic(), lambda: self._execute(command))
        return {"ok": True, "pid": os.getpid()}

    def _execute(self, command: list[str]) -> None:
        """Become another version: the same process for the service manager and for the keepers,
        which are its children. Signals wait until that version has its handlers."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            os.execve(command[0], command, {**os.environ, **self._manager.variables})
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            self._manager.log(ERROR, f"cannot execute {command[0]}: {error.strerror}")

    def _start_requested(self, name: Any, fds: list[int]) -> dict[str, Any]:
        """Start a keeper that talks over ``fds`` to whoever requested it."""
        if len(fds) != FDS:
            return {"ok": False, "message": f"a start needs {FDS} descriptors"}
        try:
            check_name(name)
            pid = self._spawns.spawn(app_paths(self._home, name).folder, fds)
        except (AttributeError, TypeError, BadNameError) as error:
            return {"ok": False, "message": f"not the name of an app: {error}"}
        except OSError as error:
            return {"ok": False, "message": f"a keeper cannot be started: {error.strerror}"}
        self._apps.expect(name, pid)
        return {"ok": True, "pid": pid}

    # ------------------------------------------------------------ stop

    def _stop(self) -> None:
        if self._stop_until is not None:
            return
        self._manager.log(INFO, "stopping all apps; what runs now is started by the next one")
        self._manager.stopping()
        self._stop_until = time.monotonic() + STOP_MARGIN_S
        self._stop_until += self._apps.stop()
        self._ask_for_time()
        self._show_status()

    def _ask_for_time(self) -> None:
        now = time.monotonic()
        if self._stop_until is not None and now > self._stop_until:
            self._manager.log(ERROR, f"these apps do not stop: {_some(self._apps.running())}")
            self._exit_code = 1
            self._loop.stop()
            return
        self._manager.need_time(2 * EXTEND_S)
        self._loop.set_alarm("stop", now + EXTEND_S, self._ask_for_time)


def _reap() -> None:
    """Reap keepers; in a container, where this is the first process, also what nobody else does."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return


def _some(texts: list[str]) -> str:
    more = len(texts) - NAMES_SHOWN
    shown = "; ".join(texts[:NAMES_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
