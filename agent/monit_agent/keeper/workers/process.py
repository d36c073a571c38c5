"""One worker as processes: who it is, and signals to it and to what is below it."""

import os
import signal
from collections.abc import Callable

from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.keeper.workers import descendants
from monit_agent.keeper.workers.descendants import WorkerTrees
from monit_agent.keeper.workers.leftovers import LeftoverStop, stop_process
from monit_agent.system import procfs
from monit_agent.system.suppress import suppress


class WorkerProcess:
    """A worker by its main process ``pid``, and its tree by its ``leader``.

    ``adopted``: its orphans do not become children of this keeper.
    """

    __slots__ = (
        "_below",
        "_signaled",
        "_trees",
        "adopted",
        "error_fd",
        "instance",
        "is_killed",
        "leader",
        "leftovers",
        "pid",
        "pidfd",
        "status",
        "stop_signal",
    )

    def __init__(
        self, instance: int, pid: int, leader: int, trees: WorkerTrees, *, adopted: bool
    ) -> None:
        self.instance = instance
        self.pid = pid
        self.leader = leader
        self.adopted = adopted
        self.stop_signal = 0
        """The stop signal that was sent, 0 before."""
        self.is_killed = False
        self.leftovers: LeftoverStop | None = None
        """Set when the main process has exited, and what it left is being stopped."""
        self.pidfd = -1
        """Of the main process, unless that is our child."""
        self.status: int | None = None
        self.error_fd = -1
        self._trees = trees
        self._signaled: set[int] = set()
        self._below: dict[int, int] = {}

    @property
    def signaled(self) -> set[int]:
        """The processes of its tree that got the stop signal each for itself."""
        return self.leftovers.signaled if self.leftovers else self._signaled

    def was_sent_stop(self, number: int, signaled: set[int]) -> None:
        """Note that an earlier keeper sent the stop signal."""
        self.stop_signal = number
        self._signaled = signaled

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to be the parent of the same worker."""
        return {
            "instance": self.instance,
            "pid": self.pid,
            "leader": self.leader,
            "adopted": self.adopted,
            "stop_signal": self.stop_signal,
            "is_killed": self.is_killed,
            "signaled": sorted(self.signaled),
            "below": list(self._below.items()),
            "status": self.status,
            "pidfd": keep(self.pidfd) if self.pidfd >= 0 else None,
            "error_fd": keep(self.error_fd) if self.error_fd >= 0 else None,
            "leaves": self.leftovers is not None,
        }

    def resume(self, inherited: Inherited, given: Values) -> None:
        """Continue as its parent where the program before this one stopped."""
        self.was_sent_stop(given["stop_signal"], {*given["signaled"]})
        self.is_killed, self.status = given["is_killed"], given["status"]
        self._below = dict(given["below"])
        if given["pidfd"] is not None:
            self.pidfd = inherited.take(given["pidfd"])
        if given["error_fd"] is not None:
            self.error_fd = inherited.take(given["error_fd"])

    def stop(self, number: int, mode: str) -> None:
        """Send the stop signal, and SIGCONT so that a stopped process receives it."""
        self.stop_signal = number
        if self.adopted:
            # remembered, because nothing may tell later where they come from
            self._below = _with_start(self._descendants())
        if mode == "group":
            self.send(number, group=True)
            self.send(signal.SIGCONT, group=True)
        else:
            self._signaled = stop_process(self.pid, number)

    def kill(self, mode: str) -> None:
        """Send SIGKILL to the main process and, unless the mode is ``process``, to all below."""
        self.is_killed = True
        self.stop_signal = self.stop_signal or signal.SIGKILL
        below = self._descendants() if mode != "process" else []
        self.send(signal.SIGKILL, group=mode != "process")
        for pid in below:
            descendants.send(pid, signal.SIGKILL)

    def send(self, number: int, *, group: bool) -> bool:
        """Signal the main process, or its process group; return False when there is none."""
        if self.leftovers is not None or not self.is_there():
            return False
        try:
            if group and os.getpgid(self.pid) in (self.pid, self.leader):
                os.killpg(os.getpgid(self.pid), number)
            else:
                os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill_left(self, left: list[int]) -> None:
        """Kill what an exited main process left, before it is reaped: until then, no other process
        can get its pid or its group."""
        if left and not self.adopted and group_of(self.pid) == self.leader:
            with suppress(ProcessLookupError, PermissionError):  # as `descendants.send`
                os.killpg(self.leader, signal.SIGKILL)
        for pid in left:
            descendants.send(pid, signal.SIGKILL)

    def note_group_signaled(self, left: list[int]) -> None:
        """Note that those of ``left`` that are in the process group got the signal with it."""
        self._signaled |= {pid for pid in left if group_of(pid) == self.leader}

    def exit_code(self) -> int | None:
        """Return the exit code of a main process that was not reaped yet: -1 if a signal killed it,
        None if another parent gets it."""
        try:
            info = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if info is None:
            return None
        return info.si_status if info.si_code == os.CLD_EXITED else -1

    def is_there(self) -> bool:
        """Return whether the main process still is the one that was started or adopted."""
        if self.pidfd < 0:
            return True  # our child: nobody but us can reap it
        try:
            signal.pidfd_send_signal(self.pidfd, 0)
        except ProcessLookupError:
            return False
        return True

    def left(self, mode: str) -> list[int]:
        """Return what the main process left behind."""
        unknown = mode != "process"
        found = self._trees.leftovers_of(self.leader, adopted=self.adopted, unknown=unknown)
        below = _with_start(self._below) if unknown else {}
        found += [pid for pid in below if below[pid] == self._below[pid] and pid not in found]
        return [pid for pid in found if descendants.is_alive(pid)]

    def reap(self) -> None:
        """Reap the main process; `status` stays None when another parent gets it."""
        try:
            reaped, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return
        self.status = status if reaped else None

    def _descendants(self) -> list[int]:
        return [
            pid
            for pid in procfs.descendant_pids(self.pid)
            if self._trees.worker_of_process(pid) == self.leader and not descendants.is_monit(pid)
        ]


def group_of(pid: int) -> int:
    """Return the process group of a process, also of one that was not reaped; 0 without one."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _with_start(pids: "list[int] | dict[int, int]") -> dict[int, int]:
    """Return each process that exists with its start, which identifies it."""
    stats = ((pid, procfs.process_stat(pid)) for pid in pids)
    return {pid: stat.start_ticks for pid, stat in stats if stat is not None}
