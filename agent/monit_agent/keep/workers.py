"""The worker processes: started, signalled, mourned. No decisions."""

import os
import signal
from collections.abc import Callable

from monit_agent.keep import family, procfs
from monit_agent.keep.lenient import suppress
from monit_agent.keep.loop import Loop
from monit_agent.keep.spawn import Order, read_trouble, spawn
from monit_agent.supervise.state import Now, Worker
from monit_agent.supervise.typed import NamedTuple


class Death(NamedTuple):
    """How a worker ended. ``trouble`` is why its program could not be run, and whether that
    will last; ``left`` counts what it left behind and what was killed."""

    instance: int
    pid: int
    code: int | None
    signal: int | None
    left: int
    trouble: tuple[str, bool] | None


class _Process:
    __slots__ = ("adopted", "ended", "instance", "pid", "pidfd", "status", "told", "trouble")

    def __init__(self, instance: int, pid: int, *, adopted: bool) -> None:
        self.instance = instance
        self.pid = pid
        self.adopted = adopted
        self.told = 0
        """The signal by which it was told to stop, 0 as long as it was not. Its group got it too
        and has time to end."""
        self.ended = False
        self.pidfd = -1
        self.status: int | None = None
        self.trouble = -1


class Workers:
    """What runs in which slot. ``died(death)`` is called once for every worker, when none of
    its descendants is left but those that were sent SIGKILL; ``other_died(pid, status)`` for
    any other child."""

    def __init__(
        self,
        loop: Loop,
        died: Callable[[Death], None],
        other_died: Callable[[int, int], None],
        *,
        subreaper: bool,
    ) -> None:
        self._loop = loop
        self._died = died
        self._other_died = other_died
        self.families = family.Families(subreaper=subreaper)
        self._by_pid: dict[int, _Process] = {}
        loop.on_signal(signal.SIGCHLD, self.reap)

    def start(self, instance: int, order: Order) -> Worker:
        """Start a worker for a slot; OSError when there can be no process."""
        born = spawn(order)
        process = _Process(instance, born.pid, adopted=False)
        process.trouble = born.trouble
        self._take_in(process)
        return Worker(born.pid, born.ticks, Now(born.mono, born.wall))

    def adopt(self, instance: int, worker: Worker, *, told: int) -> bool:
        """Take over a worker of a keeper that died; False when that very process is gone.
        ``told``: the signal by which it was told to stop, 0 if it was not."""
        try:
            pidfd = os.pidfd_open(worker.pid)
        except OSError:
            return False
        known = procfs.stat(worker.pid)  # after the open: now the number cannot pass on unnoticed
        if known is None or known.ticks != worker.ticks or known.state in "ZX":
            os.close(pidfd)
            return False
        process = _Process(instance, worker.pid, adopted=True)
        process.pidfd, process.told = pidfd, told
        self._take_in(process)
        self._loop.watch(pidfd, lambda _events: self._ended(process))
        return True

    def stop(self, pid: int, number: int) -> None:
        """Signal a worker's process group, and with SIGKILL all its descendants; SIGCONT follows,
        so that a halted one hears it."""
        process = self._by_pid.get(pid)
        if process is None:
            return
        process.told = process.told or number
        self.send(pid, number, group=True)
        self.send(pid, signal.SIGCONT, group=True)
        if number == signal.SIGKILL and process.ended:
            for left in self.families.left_of(process.pid, adopted=process.adopted):
                family.send(left, signal.SIGKILL)

    def send(self, pid: int, number: int, *, group: bool) -> bool:
        """Signal the worker, or its process group; False when there is none."""
        process = self._by_pid.get(pid)
        if process is None:
            return False
        try:
            if process.adopted and not process.ended:
                # the kernel answers for the very process, so the group below is its group
                signal.pidfd_send_signal(process.pidfd, 0)
            if group:
                os.killpg(process.pid, number)
            elif not process.ended:
                os.kill(process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def who(self, pid: int) -> tuple[int, int] | None:
        """Give slot and pid of the worker that ``pid`` is or descends from."""
        leader = self.families.leader_of(pid)
        process = self._by_pid.get(leader) if leader is not None else None
        return (process.instance, process.pid) if process else None

    def pids(self) -> list[int]:
        """Give the living workers."""
        return list(self._by_pid)

    # ------------------------------------------------------------ deaths

    def reap(self) -> None:
        """Bury every child that has died."""
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if dead is None:
                return
            process = self._by_pid.get(dead.si_pid)
            if process is not None and not process.ended:
                self._ended(process)
            else:
                _, status = os.waitpid(dead.si_pid, 0)
                self._other_died(dead.si_pid, status)
                self.families.sweep()

    def _ended(self, process: _Process) -> None:
        """The worker itself is dead: see to those that it left behind."""
        left = self.families.left_of(process.pid, adopted=process.adopted)
        if left and not process.told:
            # as long as the zombie lies there nobody else can have its number or its group
            if not process.adopted:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            for pid in left:
                family.send(pid, signal.SIGKILL)
        process.ended = True
        process.status = _wait_for(process.pid)
        self._drop_pidfd(process)
        if left and process.told:
            for pid in left:
                if procfs.session(pid) != process.pid:  # not in the group that was told
                    family.send(pid, process.told)
            self._linger(process, left)
        else:
            self._bury(process, len(left))

    def _linger(self, process: _Process, left: list[int]) -> None:
        """Wait for the end of one that is left, then look again."""
        for pid in left:
            try:
                process.pidfd = os.pidfd_open(pid)
            except OSError:
                continue
            self._loop.watch(process.pidfd, lambda _events: self._look_again(process))
            return
        self._bury(process, 0)

    def _look_again(self, process: _Process) -> None:
        self._drop_pidfd(process)
        self._linger(process, self.families.left_of(process.pid, adopted=process.adopted))

    def _bury(self, process: _Process, left: int) -> None:
        trouble = read_trouble(process.trouble) if process.trouble >= 0 else None
        status = process.status
        code = number = None
        if status is not None and os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
        elif status is not None:
            number = os.WTERMSIG(status)
        del self._by_pid[process.pid]
        self.families.remove(process.pid)
        self._died(Death(process.instance, process.pid, code, number, left, trouble))

    def _drop_pidfd(self, process: _Process) -> None:
        if process.pidfd >= 0:
            self._loop.forget(process.pidfd)
            os.close(process.pidfd)
            process.pidfd = -1

    def _take_in(self, process: _Process) -> None:
        self._by_pid[process.pid] = process
        self.families.add(process.pid)


def _wait_for(pid: int) -> int | None:
    """Reap a dead worker; None when it was adopted and its exit went to another parent."""
    try:
        buried, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return status if buried else None
