"""The worker processes: start, signal and reap them. No decisions."""

import os
import signal
import time
from collections.abc import Callable

from monit_agent.keeper.braked_call import BrakedCall
from monit_agent.keeper.loop import Loop
from monit_agent.keeper.upgrade.inherited import Inherited, Values
from monit_agent.keeper.workers import descendants
from monit_agent.keeper.workers.leftovers import LeftoverStop
from monit_agent.keeper.workers.lookups import Lookups
from monit_agent.keeper.workers.process import WorkerProcess
from monit_agent.keeper.workers.spawn import ExecError, SpawnOrder, read_exec_error, spawn
from monit_agent.supervise.state import Now, Worker
from monit_agent.system import procfs
from monit_agent.system.memory.shortage import with_spare
from monit_agent.typed import Any, NamedTuple


class WorkerExit(NamedTuple):
    """How a worker exited. ``exec_error`` is why its program could not be run; ``left`` counts the
    processes that it left behind and that were killed, ``running`` those that keep running."""

    instance: int
    pid: int
    code: int | None
    signal: int | None
    left: int
    running: int
    exec_error: ExecError | None


class WorkerCalls(NamedTuple):
    """What `Workers` calls."""

    exited: Callable[[WorkerExit], None]
    """Once for every worker, when only descendants that were sent SIGKILL are left."""
    other_exited: Callable[[int, int], None]
    """With pid and wait status of any other child."""
    before_exit: Callable[[], None]
    """Handles messages of workers that may have come before an exit."""
    successor: Callable[[int, int, list[int], int | None], int | None]
    """Returns which process of those that a main process left takes over, from slot, pid, these
    processes and exit code (None if unknown, -1 after a signal)."""
    took_over: Callable[[int, int, Worker], None]
    """With slot, former main process, and the worker as it goes on."""
    kill_mode: Callable[[], str]
    """The app's ``kill_mode``, see `RestartPolicy`."""
    changed: Callable[[], None]
    """What the next keeper needs has changed."""
    answered: Callable[[], None]
    """`Workers.lookups` has an answer that was not there in time."""


class Workers:
    """The running workers. ``marks`` are the variables that all of them have."""

    def __init__(
        self, loop: Loop, calls: WorkerCalls, marks: dict[bytes, bytes], *, subreaper: bool
    ) -> None:
        self._loop = loop
        self._calls = calls
        self._marks = marks
        self.trees = descendants.WorkerTrees(marks, subreaper=subreaper)
        self.lookups = Lookups(loop, self.trees.excluded, calls.answered)
        """What workers need to know before they start."""
        self._by_pid: dict[int, WorkerProcess] = {}
        self._late_orphans = BrakedCall(loop, "late orphans", self._kill_late_orphans)
        loop.on_signal(signal.SIGCHLD, self.reap)

    def start(self, instance: int, order: SpawnOrder) -> Worker:
        """Start a worker for a slot; raise OSError when there can be no process."""
        new = spawn(order)
        process = WorkerProcess(instance, new.pid, new.pid, self.trees, adopted=False)
        process.error_fd = new.error_fd
        self._add(process)
        return Worker(new.pid, new.ticks, Now(new.mono, new.wall))

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to be the parent of the same workers."""
        each = [process.hand_on(keep) for process in self._by_pid.values()]
        return {"processes": each, "trees": self.trees.hand_on()}

    def resume(self, inherited: Inherited) -> None:
        """Continue as the parent of the workers; `reap` then handles who exited meanwhile."""
        part = inherited.part("workers")
        self.trees.resume(part.get("trees", {}))
        for given in part.get("processes", ()):
            process = WorkerProcess(
                given["instance"],
                given["pid"],
                given["leader"],
                self.trees,
                adopted=given["adopted"],
            )
            process.resume(inherited, given)
            self._add(process)
            if process.pidfd >= 0:
                self._watch_exit(process)
            if given["leaves"]:
                process.leftovers = self._leftover_stop(process, self._calls.kill_mode())
                process.leftovers.check_soon(killed=process.is_killed)
        self._late_orphans.request()

    def adopt(
        self, instance: int, worker: Worker, *, stop_signal: int, tree: dict[str, Any]
    ) -> bool:
        """Adopt a worker of an earlier keeper; return False when nothing of it is left.

        Args:
            instance: its slot.
            worker: its main process.
            stop_signal: the stop signal that it was sent, 0 if it was sent none.
            tree: what `saved` returned of it.
        """
        leader = tree.get("leader") or descendants.leader_of_worker(worker.pid, self._marks)
        process = WorkerProcess(instance, worker.pid, leader, self.trees, adopted=True)
        process.was_sent_stop(stop_signal, {*tree.get("signaled", ())})
        pidfd = _open_pidfd(worker.pid)
        # after the open: the pid cannot be reused unnoticed any more
        stat = procfs.process_stat(worker.pid)
        if pidfd < 0 or stat is None or stat.start_ticks != worker.ticks or stat.exited:
            if pidfd >= 0:
                os.close(pidfd)
            is_gone = stat is None or (stat.exited and stat.start_ticks == worker.ticks)
            return is_gone and stop_signal != 0 and self._adopt_leftovers(process)
        process.pidfd = pidfd
        self._add(process)
        self._watch_exit(process)
        return True

    def adopt_successor(
        self,
        instance: int,
        gone: Worker,
        tree: dict[str, Any],
        choose: Callable[[list[int]], int | None],
    ) -> Worker | None:
        """Adopt the process that took over from a worker while there was no keeper. ``choose``
        returns it, of those that are left, or None."""
        leader = tree.get("leader", gone.pid)
        process = WorkerProcess(instance, gone.pid, leader, self.trees, adopted=True)
        self._add(process)
        main = choose(process.left(self._calls.kill_mode()))
        worker = self._replace_main(process, main) if main is not None else None
        if worker is None:
            del self._by_pid[gone.pid]
            self.trees.remove(leader)
        return worker

    def saved(self) -> dict[str, Any]:
        """Return what the next keeper cannot see of the trees, as JSON-able values by the pid of
        the worker: its leader, and who got the stop signal each for itself."""
        return {
            str(each.pid): {"leader": each.leader, "signaled": sorted(each.signaled)}
            for each in self._by_pid.values()
            if each.stop_signal or each.leader != each.pid
        }

    def stop(self, pid: int, number: int) -> None:
        """Send a worker its stop signal, and SIGCONT so that a stopped process receives it."""
        process = self._by_pid.get(pid)
        if process is not None and process.leftovers is None and process.is_there():
            process.stop(number, self._calls.kill_mode())

    def kill(self, pid: int) -> None:
        """Send a worker and all its descendants SIGKILL; only the worker with kill mode
        ``process``."""
        process = self._by_pid.get(pid)
        if process is None:
            return
        if process.leftovers is not None:
            process.leftovers.kill()
        elif process.is_there():
            process.kill(self._calls.kill_mode())

    def send(self, pid: int, number: int, *, group: bool) -> bool:
        """Signal the worker, or its process group; return False when there is none."""
        process = self._by_pid.get(pid)
        return process is not None and process.send(number, group=group)

    def worker_of(self, pid: int) -> tuple[int, int] | None:
        """Return slot and main process of the worker that ``pid`` is or descends from."""
        leader = self.trees.worker_of_process(pid)
        for process in self._by_pid.values():
            if process.leader == leader:
                return process.instance, process.pid
        return None

    def leader_of(self, pid: int) -> int:
        """Return the process that was started first for the worker ``pid``."""
        process = self._by_pid.get(pid)
        return pid if process is None else process.leader

    def is_running(self, instance: int) -> bool:
        """Return whether a slot has a worker."""
        return any(process.instance == instance for process in self._by_pid.values())

    def pids(self) -> list[int]:
        """Return the pids of the running workers."""
        return list(self._by_pid)

    def announced(self, pid: int, main: int) -> None:
        """Let ``main``, a process of the tree of the worker ``pid``, be its main process."""
        process = self._by_pid.get(pid)
        if process is None or process.stop_signal or main in self._by_pid:
            return
        if self.trees.worker_of_process(main) == process.leader and descendants.is_alive(main):
            self._take_over(process, main)

    # ------------------------------------------------------------ exits

    def reap(self) -> None:
        """Reap every child that has exited."""
        others = False
        while pid := _exited_child():
            process = self._by_pid.get(pid)
            if process is not None and process.leftovers is None:
                self._handle_exit(process)
                continue
            others = True
            _, status = os.waitpid(pid, 0)
            self.lookups.child_exited(pid)
            self._calls.other_exited(pid, status)
        if others:
            self._children_exited()

    def _children_exited(self) -> None:
        """Handle what the exit of children that are no workers may have changed."""
        for process in list(self._by_pid.values()):
            if process.leftovers is not None:
                process.leftovers.process_exited()
        self._late_orphans.request()

    def _kill_late_orphans(self) -> None:
        if self._calls.kill_mode() != "process":
            self.trees.kill_late_orphans()

    def _handle_exit(self, process: WorkerProcess) -> None:
        """Handle the exit of a main process: stop what it left behind, or kill that if no stop was
        requested."""
        pid, mode = process.pid, self._calls.kill_mode()
        if not process.stop_signal:
            self._calls.before_exit()
        if self._by_pid.get(pid) is not process or process.leftovers is not None:
            return  # another process took over, or the exit was handled
        left = process.left(mode)
        if not process.stop_signal:
            code = process.exit_code()
            successor = self._calls.successor(process.instance, pid, left, code)
            if successor is not None and self._take_over(process, successor):
                return
        if mode == "process" or not process.stop_signal:
            spared = left if mode == "process" else []
            killed = left if mode != "process" else []
            process.kill_left(killed)
            self._reap_main(process)
            self._finish_exit(process, len(killed), len(spared))
            return
        if mode == "group":
            process.note_group_signaled(left)
        self._reap_main(process)
        process.leftovers = self._leftover_stop(process, mode)
        if process.is_killed:
            process.leftovers.kill()
        else:
            process.leftovers.check()

    def _take_over(self, process: WorkerProcess, main: int) -> bool:
        """Let another process of the tree take over, if it has not exited as well."""
        old = process.pid
        worker = self._replace_main(process, main)
        if worker is not None:
            self._calls.took_over(process.instance, old, worker)
        return worker is not None

    def _replace_main(self, process: WorkerProcess, main: int) -> Worker | None:
        """Make another process the main process; the former one is a child as any other."""
        pidfd = _open_pidfd(main)
        stat = procfs.process_stat(main)
        if pidfd < 0 or stat is None or stat.exited:
            if pidfd >= 0:
                os.close(pidfd)
            return None
        self._drop_pidfd(process)
        if process.error_fd >= 0:
            os.close(process.error_fd)
            process.error_fd = -1
        del self._by_pid[process.pid]
        process.pid, process.pidfd = main, pidfd
        self._add(process)
        self._watch_exit(process)
        return Worker(main, stat.start_ticks, start_of(stat.start_ticks), process.adopted)

    def _adopt_leftovers(self, process: WorkerProcess) -> bool:
        """Adopt what is left of a worker whose main process exited after it was told to stop."""
        self._add(process)
        mode = self._calls.kill_mode()
        if mode == "process" or not process.left(mode):
            del self._by_pid[process.pid]
            self.trees.remove(process.leader)
            return False
        process.leftovers = self._leftover_stop(process, mode)
        process.leftovers.check_soon()  # whoever adopts is not ready for exits yet
        return True

    def _leftover_stop(self, process: WorkerProcess, mode: str) -> LeftoverStop:
        return LeftoverStop(
            self._loop,
            lambda: process.left(self._calls.kill_mode()),
            lambda: self._finish_exit(process, 0, 0),
            self._calls.changed,
            stop_signal=process.stop_signal,
            signaled=process.signaled,
            at_once=mode == "group",
        )

    def _finish_exit(self, process: WorkerProcess, left: int, running: int) -> None:
        exec_error = read_exec_error(process.error_fd) if process.error_fd >= 0 else None
        status = process.status
        code = number = None
        if status is not None and os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
        elif status is not None:
            number = os.WTERMSIG(status)
        del self._by_pid[process.pid]
        self.trees.remove(process.leader)
        self._calls.exited(
            WorkerExit(process.instance, process.pid, code, number, left, running, exec_error)
        )

    def _reap_main(self, process: WorkerProcess) -> None:
        process.reap()
        self._drop_pidfd(process)

    def _watch_exit(self, process: WorkerProcess) -> None:
        self._loop.watch(process.pidfd, lambda _events: self._handle_exit(process))

    def _drop_pidfd(self, process: WorkerProcess) -> None:
        if process.pidfd >= 0:
            self._loop.unwatch(process.pidfd)
            os.close(process.pidfd)
            process.pidfd = -1

    def _add(self, process: WorkerProcess) -> None:
        self._by_pid[process.pid] = process
        self.trees.add(process.leader, process.pid)


def _exited_child() -> int:
    """Return a child that has exited and was not reaped yet, 0 without one."""
    try:
        dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return dead.si_pid if dead is not None else 0


def _open_pidfd(pid: int) -> int:
    """Return a pidfd; -1 when there is no such process. Raise OSError when there can be none for
    another reason: that a process cannot be watched does not mean that it has exited."""
    try:
        return with_spare(os.pidfd_open, pid)
    except ProcessLookupError:
        return -1


def start_of(ticks: int) -> Now:
    """Return the moment at which a process started."""
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    mono, wall = time.monotonic(), time.time()
    return Now(mono - age, wall - age)
