"""The agent process: started, watched, started again."""

import os
import signal
import time
from collections.abc import Callable

from monit_agent.keep import procfs
from monit_agent.keep.lenient import suppress
from monit_agent.keep.loop import Loop
from monit_agent.keep.spawn import Order, read_trouble, spawn
from monit_agent.keep.zygote import Zygote
from monit_agent.wire.places import AppPlaces, agent_command, home_of

WAIT_S = 1.0
"""After an adoption: how long an agent that is there already has to say hello."""
YOUNG_S = 10.0
FIRST_S = 0.1
CAP_S = 5.0
"""Longest wait before the next try with an agent that never came as far as to say hello."""
SERVED_CAP_S = 0.5
"""The same for one that had served: somebody killed it, and it shall be back within a second."""
KILL_S = 2.0
TOLD = 5
"""So many failures in a row are told; more would drive what matters out of the ring."""
LOG_BYTES = 1 << 20


class AgentProcess:
    """One agent, ours or one that an earlier keeper started. ``tell(kind, text)`` publishes a
    happening; ``spared`` is told which child not to take for an orphan."""

    def __init__(
        self, loop: Loop, places: AppPlaces, tell: Callable[[str, str], None], spared: set[int]
    ) -> None:
        self._loop = loop
        self._places = places
        self._tell = tell
        self._spared = spared
        self.pid: int | None = None
        self._since = 0.0
        self._failures = 0
        self._served = False
        self._pidfd = -1
        self._trouble = -1
        self._then: Callable[[], None] | None = None
        self._zygote = Zygote(loop, self._forked, self._not_forked)

    def start(self, *, wait: bool) -> None:
        """Start the agent, or with ``wait`` only if none says hello."""
        if wait:
            self._loop.alarm("agent", time.monotonic() + WAIT_S, self._spawn)
        else:
            self._spawn()

    def greeted(self, pid: int) -> None:
        """An agent connected: if we have none, it is the one to watch."""
        self._served = self._served or pid == self.pid
        if self.pid is not None or self._then is not None:
            return
        try:
            self._pidfd = os.pidfd_open(pid)
        except OSError:
            return
        self._loop.alarm("agent", None, self._spawn)
        self._watch(pid)
        self._served = True

    def _watch(self, pid: int) -> None:
        """Take an agent that is no child of ours; its pidfd tells when it ends, not how."""
        self.pid, self._since = pid, time.monotonic()
        self._loop.watch(self._pidfd, lambda _events: self._gone("gone"))

    def died(self, pid: int, status: int) -> None:
        """A child that is no worker died; if it was the agent, see to the next."""
        self._spared.discard(pid)
        if pid != self.pid:
            return
        how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "exit code "
        if os.WIFEXITED(status):
            how += str(os.WEXITSTATUS(status))
        trouble = read_trouble(self._trouble) if self._trouble >= 0 else None
        self._trouble = -1
        self._gone(trouble[0] if trouble else how)

    def end(self, patience_s: float, then: Callable[[], None]) -> None:
        """Start none again and call ``then`` when it is gone: by itself within ``patience_s``,
        or made to."""
        self._then = then
        self._loop.alarm("agent", None, self._spawn)
        if self.pid is None and not self._zygote.is_asked:
            then()
        else:
            self._loop.alarm("agent end", time.monotonic() + patience_s, self._terminate)

    def _terminate(self) -> None:
        self._send(signal.SIGTERM)
        self._loop.alarm("agent end", time.monotonic() + KILL_S, self._kill)

    def _kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):  # its end is on the way to us
            if self._pidfd >= 0:
                signal.pidfd_send_signal(self._pidfd, number)
            elif self.pid is not None:
                os.kill(self.pid, number)

    def _gone(self, how: str) -> None:
        pid, ran = self.pid, time.monotonic() - self._since
        if self._pidfd >= 0:
            self._loop.forget(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        self.pid = None
        if self._then is not None:
            self._loop.alarm("agent end", None, self._kill)
            self._then()
            return
        self._failures = self._failures + 1 if ran < YOUNG_S else 0
        self._complain(f"pid {pid}: {how}")
        self._again()

    def _complain(self, text: str) -> None:
        if self._failures <= TOLD:
            last = (
                "; tried again every few seconds, see agent.log" if self._failures == TOLD else ""
            )
            self._tell("agent_exited", text + last)

    def _again(self) -> None:
        doublings = min(self._failures - 2, 30)
        cap = SERVED_CAP_S if self._served else CAP_S
        wait = min(FIRST_S * 2.0**doublings, cap) if self._failures > 1 else 0.0
        self._loop.alarm("agent", time.monotonic() + wait, self._spawn)

    def _spawn(self) -> None:
        if not self._zygote.ask(self._places.folder, self._env()):
            self._start()

    def _forked(self, pid: int, pidfd: int) -> None:
        if self.pid is None:
            self._pidfd = pidfd
            self._watch(pid)
            self._served = False
        else:
            os.close(pidfd)  # it said hello already, or finds another one in its place and leaves
        self._tell_started(pid)

    def _not_forked(self) -> None:
        if self._then is not None:
            self._loop.alarm("agent end", None, self._kill)
            self._then()
        elif self.pid is None:
            self._start()

    def _start(self) -> None:
        """Start the agent as a child of ours."""
        log = self._places.agent_log
        try:
            if os.path.exists(log) and os.path.getsize(log) > LOG_BYTES:
                os.truncate(log, 0)
            born = spawn(self._order(log))
        except OSError as error:
            self._failures += 1
            self._complain(f"cannot be started: {error.strerror}")
            self._again()
            return
        self.pid, self._since, self._trouble = born.pid, born.mono, born.trouble
        self._served = False
        self._spared.add(born.pid)
        self._tell_started(born.pid)

    def _tell_started(self, pid: int) -> None:
        if self._failures <= TOLD:
            self._tell("agent_started", f"pid {pid}")

    def _env(self) -> dict[bytes, bytes]:
        env = {name: value for name, value in os.environb.items() if name not in procfs.OURS}
        env[b"MONIT_HOME"] = os.fsencode(home_of(self._places.folder))
        return env

    def _order(self, log: str) -> Order:
        command = tuple(os.fsencode(part) for part in agent_command(self._places.folder))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        return Order(command, self._env(), "/", 0o077, log, log, flags)
