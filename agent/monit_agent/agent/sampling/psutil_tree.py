"""Process trees by psutil: for systems without Linux's ``/proc``."""

import contextlib

import psutil

from monit_agent.agent.sampling.process import TREE_MAX, Proc


class PsutilReader:
    """A `TreeReader` for every Unix."""

    def tree(self, root: int) -> list[Proc]:
        """See `TreeReader.tree`."""
        found: list[Proc] = []
        for process in _tree(root):
            with contextlib.suppress(psutil.Error):  # it exited meanwhile
                found.append(_read(process))
        return found if found and found[0].pid == root else []

    def childless(self, before: Proc) -> Proc | None:  # noqa: ARG002 (psutil does not show faults)
        """See `TreeReader.childless`."""
        return None

    def uss_bytes(self, root: int) -> int | None:
        """See `TreeReader.uss_bytes`."""
        total = 0
        for process in _tree(root):
            try:
                total += int(process.memory_full_info().uss)
            except psutil.NoSuchProcess:
                continue
            except psutil.AccessDenied:
                return None
        return total

    def pss_bytes(self, pid: int) -> int | None:
        """See `TreeReader.pss_bytes`."""
        try:
            pss = getattr(psutil.Process(pid).memory_full_info(), "pss", None)
        except psutil.Error:
            return None
        return None if pss is None else int(pss)

    def arguments(self, process: Proc) -> list[str]:
        """See `TreeReader.arguments`."""
        try:
            return psutil.Process(process.pid).cmdline()
        except psutil.Error:
            return []

    def started_at(self, process: Proc) -> float:
        """See `TreeReader.started_at`."""
        return process.started


def _tree(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        if process.status() == psutil.STATUS_ZOMBIE:
            return []
        return [process, *process.children(recursive=True)[: TREE_MAX - 1]]
    except psutil.Error:
        return []


def _read(process: psutil.Process) -> Proc:
    with process.oneshot():
        cpu = process.cpu_times()
        try:
            fds = process.num_fds()
        except psutil.AccessDenied:
            fds = None
        return Proc(
            pid=process.pid,
            ppid=process.ppid() or 0,
            started=process.create_time(),
            cpu_s=cpu.user + cpu.system,
            # macOS counts them too; where they are unknown, psutil has no such field or 0.0
            reaped_cpu_s=getattr(cpu, "children_user", 0.0) + getattr(cpu, "children_system", 0.0),
            rss_bytes=int(process.memory_info().rss),
            threads=process.num_threads(),
            fds=fds,
            comm=process.name(),
            uid=process.uids().effective,
        )
