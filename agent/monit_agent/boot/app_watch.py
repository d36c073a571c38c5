"""One app: while its keeper runs, or else its agent, that process is watched; then a keeper is
started.

An agent starts a new keeper and a keeper a new agent, so only the death of both needs this
process. The kernel knows who listens on a socket (SO_PEERCRED); no pid in a file is believed.
"""

import os
import signal
import time

from monit_agent.boot.confirmed_start import ConfirmedStart
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.spawns import SpawnKeeper
from monit_agent.system.claim import claim_address
from monit_agent.system.sockets import UNKNOWN_PID, listening_pid
from monit_agent.system.suppress import suppress
from monit_agent.typed import TYPE_CHECKING, NamedTuple
from monit_agent.wire.paths import AppPaths

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN_S = 0.2
"""Next look at an app of which nothing can be watched now."""
AGENT_ALONE_S = 5.0
"""Next look at an app of which only an agent runs: it may leave, and its process live on."""
FIRST_RETRY_S, RETRY_CAP_S = 0.5, 30.0
"""Time from one start to the next; it doubles."""
STABLE_S = 60.0
"""An app whose keeper needed no start for so long is started at once again."""


class WatchCallbacks(NamedTuple):
    """What a watched app reports."""

    needs_keeper: "Callable[[AppWatch], None]"
    """Nothing of monit runs for it; `start_keeper` may be called now or later."""
    settled: "Callable[[AppWatch], None]"
    """It runs, or cannot be started (``problem``), or is stopped."""
    forgotten: "Callable[[AppWatch], None]"
    """It was deleted."""


class AppWatch:
    """The app of ``paths``."""

    def __init__(
        self, loop: Loop, paths: AppPaths, spawn: SpawnKeeper, calls: WatchCallbacks
    ) -> None:
        self.paths = paths
        self.problem: str | None = None
        """Why its keeper could not be started last."""
        self.stopped = False
        self._loop = loop
        self._spawn = spawn
        self._calls = calls
        self._pidfd = -1
        self._next_start_at = 0.0
        self._wait_s = FIRST_RETRY_S
        self._stopping = False
        self._start: ConfirmedStart | None = None
        self._alarm = f"look {paths.name}"

    def look(self) -> None:
        """Find out what of the app runs, and watch it; without anything, request a keeper."""
        if self._start is not None:
            return
        self._unwatch()
        keeper = listening_pid(self.paths.keeper)
        if keeper is None:
            keeper = listening_pid(claim_address(self.paths.folder))
        if keeper is not None:
            self._found(keeper, is_keeper=True)
            return
        agent = listening_pid(self.paths.ctl)
        if agent is not None:
            self._found(agent, is_keeper=False)
        elif self._stopping:
            self.stopped = True
            self._calls.settled(self)
        elif not os.path.exists(self.paths.state):
            self._calls.forgotten(self)
        elif time.monotonic() < self._next_start_at:
            self._look_after(self._next_start_at - time.monotonic())
        else:
            self._calls.needs_keeper(self)

    def start_keeper(self) -> None:
        """Start a keeper, which starts what was to run; `settled` follows."""
        now = time.monotonic()
        if now - self._next_start_at > STABLE_S:
            self._wait_s = FIRST_RETRY_S
        self._next_start_at = now + self._wait_s
        self._wait_s = min(self._wait_s * 2, RETRY_CAP_S)
        self._start = ConfirmedStart(self._loop, self.paths, self._spawn, self._start_done)
        self._start.begin()

    def expect(self, pid: int) -> None:
        """Watch a keeper that was just started by a request, and does not listen yet."""
        if self._start is None:
            self._unwatch()
            if not self._watch(pid):
                self._look_after(AGAIN_S)

    def stop(self) -> None:
        """Stop the app and its keeper; it stays the desired state that it runs."""
        self._stopping = True
        self.look()

    def close(self) -> None:
        """Watch no more."""
        self._unwatch()
        self._loop.set_alarm(self._alarm, None, self.look)

    def _found(self, pid: int, *, is_keeper: bool) -> None:
        watched = pid != UNKNOWN_PID and self._watch(pid)
        if self._stopping:
            if watched and is_keeper:
                self._send_stop()
            else:
                self._look_after(AGAIN_S)  # an agent may be starting a keeper
            return
        if not watched:
            self._look_after(AGAIN_S)
            return
        self.problem = None
        if not is_keeper:
            self._look_after(AGENT_ALONE_S)
        self._calls.settled(self)

    def _send_stop(self) -> None:
        with suppress(ProcessLookupError):  # its exit will be reported
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
            signal.pidfd_send_signal(self._pidfd, signal.SIGCONT)  # it may be halted

    def _start_done(self, problem: str | None) -> None:
        self._start = None
        if problem is None or self._stopping:
            self.look()
            return
        self.problem = problem
        self._look_after(max(AGAIN_S, self._next_start_at - time.monotonic()))
        self._calls.settled(self)

    def _look_after(self, seconds: float) -> None:
        self._loop.set_alarm(self._alarm, time.monotonic() + seconds, self.look)

    def _watch(self, pid: int) -> bool:
        """Watch the process until it exits; return False if it has exited already."""
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        self._loop.watch(self._pidfd, lambda _events: self.look())
        return True

    def _unwatch(self) -> None:
        self._loop.set_alarm(self._alarm, None, self.look)
        if self._pidfd >= 0:
            self._loop.unwatch(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
