"""What the processes of each instance's workers reported.

A reload has a second worker: the incoming one before it takes over, and the outgoing one, which
counts until its last report is older than the window. Their requests are the app's requests too: a
percentile after a reload is that of all of them.
"""

import os
import time

from monit_agent.agent.probes.figures import ProbeFigures, ReportWindow, only_distributions
from monit_agent.agent.probes.reports import Report
from monit_agent.wire.limits import PROBE_STALE_S
from monit_agent.wire.messages import InstanceRecord

Windows = dict[int, ReportWindow]
"""What the processes of one worker reported, by pid."""


class WorkerReports:
    """By instance, the reports below its worker, and below the other one of a reload."""

    def __init__(self) -> None:
        self._roots: dict[int, int] = {}
        """The worker of each instance whose processes `_windows` is about."""
        self._windows: dict[int, Windows] = {}
        self._others: dict[int, dict[int, Windows]] = {}
        """By instance and worker."""

    def root(self, instance: int) -> int | None:
        """Return the worker that reports, or whose processes do; None before a report."""
        return self._roots.get(instance)

    def windows(self, instance: int) -> Windows:
        """Return what its processes reported; nothing before a report."""
        return self._windows.get(instance, {})

    def begin(self, instance: int, root: int) -> bool:
        """Let ``root`` be the worker of an instance, with what it reported while it was incoming;
        return whether it was not before."""
        if self._roots.get(instance) == root:
            return False
        self._roots[instance] = root
        self._windows[instance] = self._others.get(instance, {}).pop(root, {})
        return True

    def instance_changed(self, record: InstanceRecord) -> None:
        """Keep what an outgoing worker reported beside what the one that took over does."""
        other, instance = record.replacement, record.instance
        if record.pid is None or other is None or other.role == "incoming":
            return
        if other.pid is not None and self._roots.get(instance) == other.pid:
            self._others.setdefault(instance, {})[other.pid] = self._windows[instance]
            self.begin(instance, record.pid)

    def other_reported(self, instance: int, worker: int, pid: int, report: Report) -> None:
        """Add a report of a process of the other worker of a reload. What it reported before it
        exited stays for as long as the window is."""
        if not report.bye:
            windows = self._others.setdefault(instance, {}).setdefault(worker, {})
            windows.setdefault(pid, ReportWindow()).add(report, time.monotonic())

    def figures(self, instance: int, worker: int, now: float) -> dict[int, ProbeFigures]:
        """Return what the processes below this worker of an instance report, by pid, and of those
        of the other worker what took how long."""
        if self._roots.get(instance) != worker:
            return {}
        inside = self._windows[instance]
        for pid, each in list(inside.items()):
            if now - each.heard_at > PROBE_STALE_S or not os.path.exists(f"/proc/{pid}"):
                del inside[pid]
        all_of_it = ((pid, each.figures(now)) for pid, each in inside.items())
        known = {pid: figures for pid, figures in all_of_it if figures is not None}
        return {**self._other_figures(instance, now), **known}

    def _other_figures(self, instance: int, now: float) -> dict[int, ProbeFigures]:
        found: dict[int, ProbeFigures] = {}
        workers = self._others.get(instance, {})
        for worker, windows in list(workers.items()):
            for pid, window in list(windows.items()):
                figures = window.recent_figures(now)
                if figures is None:
                    del windows[pid]
                else:
                    found[pid] = only_distributions(figures)
            if not windows:
                del workers[worker]
        if not workers:
            self._others.pop(instance, None)
        return found

    def remove_instance(self, instance: int) -> None:
        """Drop what is known of a slot that is gone."""
        for by_instance in (self._roots, self._windows, self._others):
            by_instance.pop(instance, None)
