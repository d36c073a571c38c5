"""The agent: have it started, watch it, have it started again.

It runs in a process that it may share with the agents of other apps. So it is asked to leave when
another one is to take its place, by the connection that it has to this keeper, and has left when
that ends. Its process is killed only if it does not: the others come back within a second.
"""

import os
import signal
import time
from collections.abc import Callable

from monit_agent import __version__
from monit_agent.keeper.agent.first_agent import AGAIN_S, FirstAgent
from monit_agent.keeper.agent.zygote_client import ANSWER_S, FIRST_ANSWER_S, ZygoteClient
from monit_agent.keeper.control import Control
from monit_agent.keeper.journal import note
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.keeper.workers.environment import WORKER_VARIABLES
from monit_agent.keeper.workers.spawn import SpawnOrder, read_exec_error, spawn
from monit_agent.supervise.supervisor import Supervisor
from monit_agent.system.files.file_lock import is_locked
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.system.installation import (
    Installation,
    find_installation,
    is_there,
    own_installation,
)
from monit_agent.system.mounts import waiting_mount
from monit_agent.system.suppress import suppress
from monit_agent.typed import NamedTuple
from monit_agent.wire.paths import AppPaths, agent_command, first_agent_lock, home_of

WAIT_S = 1.0
"""After an adoption: how long a running agent has to connect."""
YOUNG_S = 10.0
FIRST_S = 0.1
CAP_S = 5.0
"""Longest wait before the next start of an agent that never connected."""
SERVED_CAP_S = 0.5
"""The same for an agent that had served: it was killed, and must be back within a second."""
LEAVE_S = 3.0
"""How long an agent may take to leave: it ends checks and sends what clients still wait for."""
MANY_INSTANCES = 50
"""An app with more gets a process for its agent alone: it works 0.16 ms each second for each (1,000
take 16.5 % of a core), and serves no other app meanwhile."""
YOUNG_EXITS = 3
"""After so many young exits in a row too: it may be the agent of another app that ends them."""
REPLACE_S = 15.0
"""How long an agent of another version may take to connect: imports on a busy machine."""
FAILURES_RECORDED = 5
"""So many failures in a row are recorded; more would push what matters out of the event log."""
LOG_BYTES = 1 << 20
LEAVE = {"type": "agent_leave"}
NOT_INSTALLED = (
    "cannot be started: {0.package} or its interpreter {0.python} is gone; install monit again, "
    "then run monit upgrade"
)


class AgentCalls(NamedTuple):
    """What an `AgentProcess` uses of its keeper."""

    control: Control
    record_event: Callable[[str, str], None]
    """With a kind and a text."""
    supervisor: Supervisor
    """Knows the app and its settings."""


class AgentProcess:
    """One agent, which we or an earlier keeper had started. ``excluded`` gets the pid of a child:
    it is no orphan of a worker."""

    def __init__(self, loop: Loop, paths: AppPaths, calls: AgentCalls, excluded: set[int]) -> None:
        self._loop = loop
        self._paths = paths
        self._control, self._record_event, self._supervisor = calls
        self._spared = excluded
        self.pid: int | None = None
        """Of the process that it runs in."""
        self._since = 0.0
        self._connected: dict[int, str | None] = {}
        """Versions of all agents that follow, by pid: there are two while one takes the place of
        the other."""
        self._failures = 0
        self._served = False
        self._has_served = False
        """Whether there was an agent before, of any age."""
        self._is_noisy = False
        """It keeps its process so busy that others must not be there."""
        self._pidfd = -1
        self._trouble = -1
        self._then: Callable[[], None] | None = None
        self.installation = own_installation()
        """Where it is started from."""
        self.version: str | None = None
        """Of the agent that is connected, as it said; None while none is."""
        self._replaced: Callable[[str | None], None] | None = None
        self._is_leaving = False
        """Another one replaces it, and it was asked to leave."""
        self._zygote = ZygoteClient(loop, self._taken, self._not_taken)
        self._first = FirstAgent(first_agent_lock(home_of(paths.folder)))

    def looks_after_folder(self) -> bool:
        """Return whether an agent is connected that knocks when something in the folder changed, as
        all of our version do."""
        return self.version == __version__

    def start(self, *, wait: bool) -> None:
        """Start the agent, or with ``wait`` only if none connects."""
        if wait:
            self._loop.set_alarm("agent", time.monotonic() + WAIT_S, self._spawn)
        else:
            self._spawn()

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to watch the same agent."""
        return {
            "pid": self.pid,
            "version": self.version,
            "pidfd": keep(self._pidfd) if self._pidfd >= 0 else None,
            "trouble": keep(self._trouble) if self._trouble >= 0 else None,
            "since": self._since,
            "failures": self._failures,
            "served": self._served,
        }

    def resume(self, inherited: Inherited) -> None:
        """Watch the agent of the program before this one; without one, wait for it or start it."""
        given = inherited.part("agent")
        if given.get("pid") is None:
            self.start(wait=True)
            return
        self.version, self._served = given["version"], given["served"]
        self._failures = given["failures"]
        if given["trouble"] is not None:
            self._trouble = inherited.take(given["trouble"])
        if given["pidfd"] is not None:
            self._pidfd = inherited.take(given["pidfd"])
            self._watch(given["pid"])
        else:
            self.pid = given["pid"]
            self._spared.add(given["pid"])
        self._since = given["since"]

    def replace(self, installation: Installation, then: Callable[[str | None], None]) -> None:
        """Start another agent, of this installation, in the place of the present one. Call
        ``then(None)`` when it is connected, or ``then(why)`` when it failed; a failed one is
        started again and again, as any other."""
        self.installation, self._replaced = installation, then
        self._failures = 0
        self._loop.set_alarm("agent replaced", time.monotonic() + REPLACE_S, self._not_replaced)
        self._is_leaving = self.pid is not None
        if self._is_leaving:
            self._ask_to_leave()
        else:
            self._loop.set_alarm("agent", time.monotonic(), self._spawn)

    def move_out(self) -> None:
        """Have another agent started in a process of its own, in the place of the present one."""
        self._is_noisy = True
        if not self._is_leaving and self._then is None and self._replaced is None:
            self.replace(self.installation, lambda _why: None)

    def _not_replaced(self) -> None:
        self._report_replaced(f"the new agent did not answer within {REPLACE_S:g} s; see agent.log")

    def _report_replaced(self, why: str | None) -> None:
        then, self._replaced = self._replaced, None
        self._loop.set_alarm("agent replaced", None, self._not_replaced)
        if then is not None:
            then(why)

    def agent_connected(self, pid: int, version: str | None) -> None:
        """Watch the agent that connected, if we have none; if none is wanted, ask it to leave."""
        if self._is_leaving or self._then is not None:
            self._control.send_to(pid, LEAVE)
            return
        self._first.release()
        self._connected[pid] = version
        self._has_served = True
        self._served = self._served or pid == self.pid
        if self.pid is None:
            self._watch_connected(pid)
        if pid == self.pid:
            self._loop.set_alarm("agent silent", None, self._look_for_agent)
            self.version = version
            self._report_replaced(None)

    def agent_disconnected(self, pid: int) -> None:
        """Note that a process ended its connection; the agent has left if it was asked to."""
        if self._control.has_follower(pid):
            return
        self._connected.pop(pid, None)
        if pid != self.pid:
            return
        self.version = None
        if self._then is not None or self._is_leaving:
            self._agent_exited("left")
        else:
            self._await_connection()

    def _await_connection(self) -> None:
        self._loop.set_alarm("agent silent", time.monotonic() + WAIT_S, self._look_for_agent)

    def _look_for_agent(self) -> None:
        """Find out whether an agent that is not connected is still there. It may be stopped, or
        busy, and then it has its lock."""
        if is_locked(self._paths.agent_lock):
            self._await_connection()
        else:
            self._agent_exited("left its process; see agent.log")

    def _watch_connected(self, pid: int) -> None:
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return
        self._loop.set_alarm("agent", None, self._spawn)
        self._watch(pid)
        self._served = True

    def _watch(self, pid: int) -> None:
        """Watch an agent that is not our child; its pidfd reports its exit, not the exit status."""
        self.pid, self._since = pid, time.monotonic()
        self._loop.watch(self._pidfd, lambda _events: self._agent_exited("gone"))

    def child_exited(self, pid: int, status: int) -> None:
        """Handle the exit of a child that is no worker; start the next agent if it was the
        agent."""
        self._spared.discard(pid)
        if pid != self.pid:
            return
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "exit code "
        if os.WIFEXITED(status):
            how += str(os.WEXITSTATUS(status))
        trouble = read_exec_error(self._trouble) if self._trouble >= 0 else None
        self._trouble = -1
        self._agent_exited(trouble.text if trouble else how)

    def stop(self, timeout_s: float, then: Callable[[], None]) -> None:
        """Wait for the agent to leave for good, and ask it to after ``timeout_s``; call ``then``
        when it has left."""
        self._then = then
        self._loop.set_alarm("agent", None, self._spawn)
        if self.pid is None and not self._zygote.is_pending:
            then()
        else:
            self._loop.set_alarm("agent end", time.monotonic() + timeout_s, self._ask_to_leave)

    def _ask_to_leave(self) -> None:
        """Ask the agent, now or when it connects; kill its process if it does not leave."""
        if self.pid is not None:
            self._control.send_to(self.pid, LEAVE)
        self._loop.set_alarm("agent end", time.monotonic() + LEAVE_S, self._kill)

    def _kill(self) -> None:
        with suppress(ProcessLookupError):  # its exit will be reported
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            elif self.pid is not None:
                os.kill(self.pid, signal.SIGKILL)

    def _agent_exited(self, how: str) -> None:
        """Handle that the agent is gone, with its process or without."""
        self._first.release()
        pid, ran = self.pid, time.monotonic() - self._since
        for fd in (self._pidfd, self._trouble):
            if fd >= 0:
                self._loop.unwatch(fd)
                os.close(fd)
        self._pidfd = self._trouble = -1
        self._loop.set_alarm("agent silent", None, self._look_for_agent)
        self.pid = self.version = None
        if self._then is not None:
            self._loop.set_alarm("agent end", None, self._kill)
            self._then()
            return
        if self._is_leaving:
            self._is_leaving = False
            self._loop.set_alarm("agent end", None, self._kill)
            self._spawn()
            return
        if self._take_connected():
            return
        self._failures = self._failures + 1 if ran < YOUNG_S else 0
        self._failed(f"pid {pid}: {how}")

    def _take_connected(self) -> bool:
        """Watch another agent that connected meanwhile, because it has the lock; return whether
        there is one."""
        for pid, version in self._connected.items():
            if self._control.has_follower(pid):
                self._watch_connected(pid)
                if self.pid == pid:
                    self.version = version
                    self._report_replaced(None)
                    return True
        return False

    def _failed(self, text: str) -> None:
        """Record that there is no agent, and start another one later."""
        self._record_failure(text)
        self._schedule_restart()
        self._report_replaced(f"the new agent failed, {text}; see agent.log")

    def _record_failure(self, text: str) -> None:
        if self._failures <= FAILURES_RECORDED:
            last = (
                "; retried every few seconds, see agent.log"
                if self._failures == FAILURES_RECORDED
                else ""
            )
            self._record_event("agent_exited", text + last)

    def _schedule_restart(self) -> None:
        doublings = min(self._failures - 2, 30)
        cap = SERVED_CAP_S if self._served else CAP_S
        wait = min(FIRST_S * 2.0**doublings, cap) if self._failures > 1 else 0.0
        self._loop.set_alarm("agent", time.monotonic() + wait, self._spawn)

    def _spawn(self) -> None:
        if not self._find_installation():
            self._failures += 1
            self._failed(NOT_INSTALLED.format(self.installation))
            return
        # the zygote and its processes are of our own version
        own = self.installation == own_installation()
        answer_s = ANSWER_S if self._has_served else FIRST_ANSWER_S
        order = self._paths.folder, self._env()
        if own and self._zygote.request_agent(*order, answer_s, alone=self._must_be_alone()):
            self._first.release()
        elif own and self._first.must_wait(served=self._has_served):
            self._loop.set_alarm("agent", time.monotonic() + AGAIN_S, self._spawn)
        else:
            self._start()

    def _must_be_alone(self) -> bool:
        is_large = len(self._supervisor.app.slots) > MANY_INSTANCES
        if self._is_noisy or is_large or self._failures >= YOUNG_EXITS:
            return True
        # it reads them in its event loop, and all agents of the process would wait
        log = self._supervisor.spec.log
        places = (place for place in (log.out, log.err) if place.startswith("/"))
        return waiting_mount(*places) is not None

    def _find_installation(self) -> bool:
        """Look up again where monit is, if it is not where it was; return whether it is found."""
        gone = self.installation
        if is_there(gone):
            return True
        found = find_installation(gone, os.environ.get("PATH", ""))
        if found is None:
            return False
        text = f"{gone.package} (run by {gone.python}) is gone; using {found.package}"
        note(text)
        self._record_event("agent_moved", text)
        self.installation = found
        return True

    def _taken(self, pid: int, pidfd: int) -> None:
        if self.pid is None:
            self._pidfd = pidfd
            self._watch(pid)
            self._served = False
            self._await_connection()
        else:
            os.close(pidfd)  # it has connected already, or another agent serves and it exits
        self._record_started(pid)

    def _not_taken(self) -> None:
        if self._then is not None:
            self._loop.set_alarm("agent end", None, self._kill)
            self._then()
        elif self.pid is None:
            self._start()

    def _start(self) -> None:
        """Start the agent as our child."""
        try:
            new = spawn(self._order(_usable_log(self._paths.agent_log)))
        except OSError as error:
            self._failures += 1
            self._failed(f"cannot be started: {error.strerror}")
            return
        self.pid, self._since, self._trouble = new.pid, new.mono, new.error_fd
        self._served = False
        self._spared.add(new.pid)
        self._record_started(new.pid)

    def _record_started(self, pid: int) -> None:
        if self._failures <= FAILURES_RECORDED:
            self._record_event("agent_started", f"pid {pid}")

    def _env(self) -> dict[bytes, bytes]:
        env = {name: value for name, value in os.environb.items() if name not in WORKER_VARIABLES}
        env[b"MONIT_HOME"] = os.fsencode(home_of(self._paths.folder))
        return env

    def _order(self, log: str) -> SpawnOrder:
        alone = self.installation == own_installation() and self._must_be_alone()
        words = agent_command(self._paths.folder, *self.installation, alone=alone)
        command = tuple(os.fsencode(word) for word in words)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return SpawnOrder(command, self._env(), "/", 0o077, log, log, flags, is_worker=False)


def _usable_log(path: str) -> str:
    """Return the path of the agent's log, or of nothing where it cannot be written: without a log
    an agent works all the same."""
    try:
        require_own_folder(os.path.dirname(path))
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return os.devnull
    try:
        if os.fstat(fd).st_size > LOG_BYTES:
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)
    return path
