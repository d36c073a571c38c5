"""The foreground process: it starts the apps' keepers, passes on what the apps print, and ends.

As the first process of a container it is the parent of every orphan, and reaps it; elsewhere it is
their subreaper. It holds no state that matters: whether an app runs is known by its keeper. The
keepers watch this process, and stop their apps when it is gone.
"""

import os
import signal
import time

from monit_agent.foreground.health import HealthAnswer, health_of, standings_of
from monit_agent.foreground.health_server import HealthServer
from monit_agent.foreground.keeper_link import FollowedApp
from monit_agent.foreground.outcome import FAILED, exit_code
from monit_agent.foreground.plan import Plan, PlannedApp, read_plan
from monit_agent.foreground.printing import Printing
from monit_agent.foreground.start_order import RunOrder
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.spawns import KeeperSpawns
from monit_agent.system import kernel_calls, procfs
from monit_agent.wire.paths import AppPaths, home_of

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
SIGNALS = (*STOP_SIGNALS, signal.SIGHUP, signal.SIGUSR1)
"""What this process handles. The command line blocks them until it has become this process."""

KILL_BEFORE_S = 1.0
"""So long before the stop timeout everything is killed: for the exits, and the last lines."""
IN_ORDER_SHARE = 0.5
"""Share of the time before that in which apps stop one after another. What comes last must have
the rest of it, whatever those before it do."""


def main(fd: int) -> int:
    """Run the plan and return the exit code."""
    plan = read_plan(fd)
    os.umask(0o077)
    kernel_calls.become_subreaper()
    return ForegroundRunner(plan).run()


class ForegroundRunner:
    """All apps of one `monit run`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._printing = Printing()
        self._loop = Loop(self._printing.message)
        home = home_of(plan.apps[0].folder)
        self._spawns = KeeperSpawns(self._loop, home, several=len(plan.apps) > 1)
        self._links: list[FollowedApp] = []
        self._order = RunOrder(plan.apps)
        self._reported: dict[str, str] = {}
        """Why apps could not be started, as it was printed."""
        self._code: int | None = None
        """The exit code, as soon as the end has begun."""

    def run(self) -> int:
        """Run until everything has ended; return the exit code."""
        for number in STOP_SIGNALS:
            self._loop.on_signal(number, self._stop_requested)
        self._loop.on_signal(signal.SIGHUP, self._reload)
        self._loop.on_signal(signal.SIGUSR1, self._reopen_logs)
        self._loop.on_signal(signal.SIGCHLD, _reap)
        self._printing.start(self._loop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        workers = sum(app.order["spec"]["instances"] for app in self._plan.apps)
        self._printing.streams.with_prefix = workers > 1
        if self._listen():
            self._start_waiting()
        self._loop.at_round_end(self._stop_when_done)
        self._loop.run()
        return FAILED if self._code is None else self._code

    def _listen(self) -> bool:
        """Open the health endpoint; return whether that worked, or there is none."""
        if self._plan.health is None:
            return True
        host, port = self._plan.health
        try:
            HealthServer(self._loop, (host, port), self._health)
        except OSError as error:
            where = f"{host or '*'}:{port}"
            self._printing.message(f"cannot answer health checks at {where}: {error.strerror}")
            self._end(FAILED)
            return False
        return True

    def _start_waiting(self) -> None:
        """Start the apps that wait for nothing, and report those that cannot be started."""
        for app in self._order.take(self._links):
            self._start(app)
        for name, problem in self._order.problems.items():
            if self._reported.get(name) != problem:
                self._printing.message(f"{name} was not started: {problem}")
        self._reported = dict(self._order.problems)

    def _start(self, app: PlannedApp) -> None:
        paths = AppPaths(app.folder)
        if not app.logs_are_new:
            self._printing.streams.skip_old(paths)
        stat = procfs.process_stat(os.getpid())
        order = {**app.order, "runner": [os.getpid(), stat.start_ticks if stat else 0]}
        link = FollowedApp(
            self._loop, paths, order, self._printing, self._link_changed, spawn=self._spawns.spawn
        )
        self._links.append(link)
        link.start()

    def _link_changed(self, link: FollowedApp) -> None:
        """Decide whether this is the end, now that something of an app has changed."""
        if len(link.instances) > 1:  # it was scaled
            self._printing.streams.with_prefix = True
        if self._code is not None:
            self._order.stop_next(self._running())
            return
        self._start_waiting()
        apps = {each.name: standings_of(each) for each in self._running()}
        apps |= self._order.standings()
        code = exit_code(apps, self._plan.exit_on)
        if link.failure is not None:
            self._printing.message(link.failure)
            code = FAILED
        if code is not None:
            self._end(code)

    # ------------------------------------------------------------ signals

    def _stop_requested(self) -> None:
        if self._code is None:
            self._end(0)
        else:
            self._kill()

    def _reload(self) -> None:
        for link in self._running():
            link.request("reload")

    def _reopen_logs(self) -> None:
        """Let keepers begin new files where logrotate moved the present ones away."""
        for link in self._running():
            link.request("reopen_logs")

    # ------------------------------------------------------------ the end

    def _end(self, code: int) -> None:
        """Stop everything, then exit with ``code``."""
        self._code = code
        self._printing.is_ending = True
        now, timeout_s = time.monotonic(), self._plan.stop_timeout_s
        kill_after_s = max(timeout_s - KILL_BEFORE_S, timeout_s / 2)
        self._loop.set_alarm("kill", now + kill_after_s, self._kill)
        self._loop.set_alarm("expired", now + timeout_s, self._loop.stop)
        self._loop.set_alarm(
            "stop all",
            now + kill_after_s * IN_ORDER_SHARE,
            lambda: self._order.stop_all(self._running()),
        )
        self._order.stop_next(self._running())

    def _kill(self) -> None:
        running = self._running()
        self._order.stop_all(running)  # what is killed must not be started again
        if running:
            names = ", ".join(link.name for link in running)
            self._printing.message(f"killing what is left of {names}")
        for link in running:
            link.request("kill")

    def _stop_when_done(self) -> None:
        """Leave the loop when the apps have ended and their last lines are written."""
        if self._code is None or not all(link.finished for link in self._links):
            return
        if self._printing.is_done():
            _remove_logs(self._plan)
            self._loop.stop()

    def _running(self) -> list[FollowedApp]:
        return [link for link in self._links if not link.deleted and link.failure is None]

    def _health(self) -> HealthAnswer:
        return health_of(self._running(), self._order.waits, ending=self._code is not None)


def _reap() -> None:
    """Reap whatever has exited: keepers, and orphans of anything."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return


def _remove_logs(plan: Plan) -> None:
    """Remove the log files that this run has made: everything in them was printed."""
    for app in plan.apps:
        if app.logs_are_new:
            _remove_folder(AppPaths(app.folder).logs)
            _remove_folder(app.folder)


def _remove_folder(folder: str) -> None:
    """Remove a folder and the files in it."""
    try:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
    except OSError:
        return  # gone already, or somebody put a folder there
