"""The sockets that probes report to, and whose report it is.

Datagrams for Python; a stream for Node, which has no Unix datagrams. Who sent something is what
the kernel reports (SO_PASSCRED, SO_PEERCRED), never what the report claims: it counts only when
the sender is in the process tree of one of the app's workers.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping

from monit_agent.agent.awake_clock import AwakeClock
from monit_agent.agent.health.stuck_loops import ProcessLook, StuckTracker
from monit_agent.agent.journal import log
from monit_agent.agent.probes.actions import ActionCaller, ActionTarget
from monit_agent.agent.probes.app_metrics import combine_metrics, printable
from monit_agent.agent.probes.blocks import Blocks
from monit_agent.agent.probes.figures import ProbeFigures, ReportWindow, busy_s
from monit_agent.agent.probes.node_streams import NodeStreams
from monit_agent.agent.probes.old_probes import OldProbes
from monit_agent.agent.probes.owners import ProcessOwners, root_of
from monit_agent.agent.probes.probe_sockets import ProbeSockets
from monit_agent.agent.probes.reports import BadReportError, OldReportError, Report, read_report
from monit_agent.agent.probes.worker_reports import WorkerReports
from monit_agent.system.procfs import process_stat
from monit_agent.system.sockets import CREDENTIALS_SPACE, sender_pid
from monit_agent.wire.messages import InstanceRecord, Offer
from monit_agent.wire.paths import AppPaths

DATAGRAM_BYTES = 256 * 1024
"""More than Linux lets a Unix datagram have by default."""

AT_ONCE = 256
"""Reports that are read before other callbacks have their turn."""

_TRUNCATED = int(socket.MSG_TRUNC)
"""As a plain number: the operators of an `enum` take as long as reading a report's header."""

DEPTH = 64
"""Generations between a process and its worker."""


class Probes:
    """Receives reports, and knows what they say of each instance.

    ``instances`` returns the app's slots; ``received`` gets each report, with its instance and
    process. Everything is forgotten with the process or the slot
    that it is about; the table of blocks stays as long as the slot does.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        paths: AppPaths,
        instances: Callable[[], Mapping[int, InstanceRecord]],
        awake: AwakeClock,
        received: Callable[[int, int, Report], None],
    ) -> None:
        self.stuck = StuckTracker(_inspect_process)
        self._awake = awake
        self._instances = instances
        self._received = received
        self.workers = WorkerReports()
        self._blocks: dict[int, Blocks] = {}
        self._owners = ProcessOwners()
        self._roots: dict[int, int] = {}
        """Instances by the pid of their workers, as of some report."""
        self._old_probes = OldProbes()
        self._refused = {"unreadable": 0, "a stranger's": 0}
        streams = NodeStreams(loop, self._report_received, self._process_disconnected)
        self.sockets = ProbeSockets(loop, paths, self._read_datagrams, streams)
        self.actions = ActionCaller(loop, paths.probe_requests, streams.send)

    # ------------------------------------------------------------ what is known

    def figures(self, instance: int, worker: int) -> dict[int, ProbeFigures]:
        """Return what the probes below this worker of an instance report, by pid."""
        return self.workers.figures(instance, worker, time.monotonic())

    def stuck_s(self, instance: int, worker: int) -> float | None:
        """Return for how long the worst loop below this worker is blocked; None without any."""
        if self.workers.root(instance) not in (None, worker):
            return None
        seconds = self.stuck.blocked_s(instance, worker, self._awake.now())
        return None if seconds is None else round(seconds, 3)

    def blocks(self, instance: int) -> Blocks:
        """Return the table of blocks of an instance, empty if there were none."""
        return self._blocks.get(instance) or Blocks()

    def blocked_at(self, instance: int) -> str:
        """Return in which of the app's functions the instance's loop is blocked now, as far as its
        probe reports: `` in work app.py:12``, or nothing."""
        for block in self.blocks(instance).records(time.monotonic()):
            if block.going_on_ms and block.blocking_frame < len(block.stack):
                frame = block.stack[block.blocking_frame]
                return f" in {frame.function} {os.path.basename(frame.file)}:{frame.line}"
        return ""

    def faults(self, instance: int) -> tuple[int, tuple[str, ...]]:
        """Return how many processes of the instance report, and the errors inside their probes."""
        inside = self.workers.windows(instance)
        return len(inside), tuple(each.fault for each in inside.values() if each.fault)

    def offers(self, instances: Iterable[int]) -> tuple[Offer, ...]:
        """Return which actions the processes of these instances offer, by name."""
        found: dict[str, Offer] = {}
        for number in instances:
            for each in self.workers.windows(number).values():
                for words in each.actions:
                    name = printable(words.name)
                    count = found[name].processes if name in found else 0
                    found[name] = Offer(name=name, help=printable(words.help), processes=count + 1)
        return tuple(found[name] for name in sorted(found))

    def action_targets(
        self, instances: Iterable[int], action: str | None = None
    ) -> list[ActionTarget]:
        """Return the processes of these instances that offer ``action``; None: all that report."""
        return [
            ActionTarget(number, pid, each.rt)
            for number in instances
            for pid, each in sorted(self.workers.windows(number).items())
            if action is None or any(words.name == action for words in each.actions)
        ]

    def lost_metrics(self, instances: Iterable[int]) -> int:
        """Return how many own metrics of these instances find no room."""
        figures = (self.figures(number, self.workers.root(number) or 0) for number in instances)
        return sum(combine_metrics([each.own for each in some.values()])[1] for some in figures)

    def remove_instance(self, instance: int) -> None:
        """Drop what is known of a slot that is gone."""
        self._blocks.pop(instance, None)
        self.workers.remove_instance(instance)
        self.stuck.remove_instance(instance)

    # ------------------------------------------------------------ what comes in

    def _report_received(self, pid: int, raw: bytes) -> None:
        try:
            report = read_report(raw)
        except OldReportError:
            roots = _workers_of(self._instances())
            worker = root_of(pid, roots)
            if worker is not None:
                self._old_probes.report_ignored(worker, roots)
            return
        except BadReportError as error:
            self._log_refused("unreadable", f"a report of process {pid} cannot be read: {error}")
            return
        known = self._known_owner(pid, report.started)
        if known is not None:
            self._add_report(*known, pid, report)
            return
        roots = self._roots = _workers_of(self._instances())
        root = self._owners.worker_of(pid, report.started, roots)
        if root is not None:
            self._add_report(roots[root], root, pid, report)
            return
        others = {
            slot.replacement.pid: number
            for number, slot in self._instances().items()
            if slot.replacement and slot.replacement.pid
        }
        root = self._owners.worker_of(pid, report.started, others)
        if root is None:
            self._log_refused("a stranger's", f"process {pid} reports, and is below no worker")
            return
        self._received(others[root], pid, report)
        self.workers.other_reported(others[root], root, pid, report)

    def _known_owner(self, pid: int, started: int) -> tuple[int, int] | None:
        """Return the instance and the worker that a process reported for before, if that is still
        its worker: without a look at all instances, which each report of 1,000 would take."""
        root = self._owners.known_worker(pid, started)
        number = None if root is None else self._roots.get(root)
        slot = None if number is None else self._instances().get(number)
        if root is None or number is None or slot is None or slot.pid != root:
            return None
        return number, root

    def _add_report(self, instance: int, root: int, pid: int, report: Report) -> None:
        now = time.monotonic()
        self._received(instance, pid, report)
        if self.workers.begin(instance, root):
            self.stuck.remove_instance(instance)
        inside = self.workers.windows(instance)
        if report.bye:
            inside.pop(pid, None)
            self.stuck.remove_process(instance, pid)
        else:
            inside.setdefault(pid, ReportWindow()).add(report, now)
            if report.loops is not None:  # another one is no sign of life of its main thread
                self.stuck.report_received(instance, pid, busy_s(report), self._awake.now())
        for answer in report.answers:
            self.actions.answer_received(pid, answer)
        if report.blocked:
            self._blocks.setdefault(instance, Blocks()).add(pid, report.blocked, now)

    def _process_disconnected(self, pid: int) -> None:
        for instance in self._instances():
            self.stuck.remove_process(instance, pid)

    def _log_refused(self, kind: str, why: str) -> None:
        self._refused[kind] += 1
        count = self._refused[kind]
        if count & (count - 1) == 0:  # the 1st, 2nd, 4th, 8th …: no flood of lines
            log(f"{why} ({count} such reports so far)")

    # ------------------------------------------------------------ sockets

    def _read_datagrams(self, datagrams: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                raw, ancillary, flags, _ = datagrams.recvmsg(DATAGRAM_BYTES, CREDENTIALS_SPACE)
            except BlockingIOError:
                return
            pid = sender_pid(ancillary)
            if pid and not flags & _TRUNCATED:
                self._report_received(pid, raw)


def _workers_of(instances: Mapping[int, InstanceRecord]) -> dict[int, int]:
    """Return the instance of each worker, by its pid."""
    return {slot.pid: number for number, slot in instances.items() if slot.pid}


def _inspect_process(pid: int) -> ProcessLook | None:
    stat = process_stat(pid)
    if stat is None or stat.exited:
        return None
    try:
        return ProcessLook(stat.state, os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return None
