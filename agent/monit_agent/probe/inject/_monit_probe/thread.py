# pyright: basic
"""The probe's one thread: its life, when it wakes up, and what it does then."""

import os

from _monit_probe.basics import (
    Settings,
    allocate_lock,
    clock,
    file_exists,
    get_ident,
    get_native_id,
    load,
    quiet,
    signals,
    sleep,
    start_thread,
)
from _monit_probe.collector import Collections
from _monit_probe.hooks import Hooks
from _monit_probe.report import Reporter

REPORT_S = 1.0
FIRST_S = 0.4
"""When the first full report is made: after the imports of most programs, and not at all in those
that end at once, where reading the heap (and importing ctypes) would only be a cost."""
WAKE_BUSY_S, WAKE_S, WAKE_ALONE_S = 0.01, 0.1, 0.2
"""The thread's period while the answer of an action is awaited (a second at most), with a running
event loop, and without. Waking is what the probe costs an idle program: 0.1 to 0.2 ms of CPU each
time, cold caches included."""


class Parts:
    """The parts of the probe that this program needs; most are loaded when it does."""

    def __init__(self, probe, has_actions):
        self._probe, self._has_actions = probe, has_actions
        self.collections = Collections()
        self.loops = None
        """`loops.registry`, once the program has imported an event loop."""
        self.blocks = None
        """A `blocks.BlockFinder`, once the program has run a loop."""
        self.http = None
        """`http.requests.counts`, once the program has imported a server."""
        self.app = None
        """An `app.AppPart`, once there was a full report or an action."""

    def reset(self):
        """Start from the beginning: this process was just forked."""
        self.collections.reset()
        self.blocks = None
        if self.app is not None:
            self.app.reset()
        if self.loops is not None:
            for loop in self.loops.all():
                loop.unwrap()
            self.loops.reset()
        if self.http is not None:
            self.http.reset()

    def load_loops(self):
        """Measure event loops from now on."""
        load("loops")
        from _monit_probe.loops import registry

        self.loops = registry

    def load_http(self):
        """Report HTTP requests from now on."""
        load("http.requests")
        from _monit_probe.http.requests import counts

        self.http = counts

    def load_blocks(self):
        """Return `blocks`, which is there from now on."""
        if self.blocks is None:
            load("blocks")
            from _monit_probe.blocks import BlockFinder

            self.blocks = BlockFinder()
        return self.blocks

    def load_app(self):
        """Return `app`, which is there from now on."""
        if self.app is None:
            load("app")
            from _monit_probe.app import AppPart

            self.app = AppPart(self._probe, self._has_actions)
        return self.app


class Probe:
    """The thread, what it reports and what it does."""

    def __init__(self, path, requests, *, count_http):
        self._requests = requests
        self.parts = Parts(self, bool(requests))
        self.hooks = Hooks(self.parts, count_http)
        self._reporter = Reporter(self, path)
        self._begin()

    def _begin(self):
        self.pid = os.getpid()
        self.main_ident = get_ident()
        self._requests_path = "%s/%d" % (self._requests, self.pid) if self._requests else None
        self._report_at = 0.0
        """Outlives the thread: a program that forks all the time reports too."""
        self._lock = None
        self._tid = 0

    def begin_in_child(self):
        """Start from the beginning: this process was just forked, and this is its only thread."""
        self._begin()
        self._reporter.reset()
        self.parts.reset()
        self.start()

    def end(self):
        """Send the last report, at the end of the program."""
        if os.getpid() == self.pid:
            self.stop(0.02)
            self._send_answers()
            self._reporter.send_bye()

    # -- life of the thread

    def start(self):
        """Start the thread, with all signals blocked: one meant for the program's ``sigwait``
        must not be taken, and end the process, here."""
        self._tid = 0
        lock = allocate_lock()
        lock.acquire()
        self._lock = lock
        asynchronous = signals.valid_signals() - {
            signals.SIGSEGV, signals.SIGBUS, signals.SIGFPE, signals.SIGILL, signals.SIGABRT
        }  # fmt: skip
        before = signals.pthread_sigmask(signals.SIG_BLOCK, asynchronous)
        try:
            # not `self._lock`: another thread of the program that forks may have called `stop`
            start_thread(self.run, (lock,))
        finally:
            signals.pthread_sigmask(signals.SIG_SETMASK, before)

    def is_running(self):
        """Return whether the thread was started and not stopped."""
        return self._lock is not None

    def stop(self, wait_s):
        """End the thread, and wait until it is gone for the kernel too."""
        lock, self._lock = self._lock, None
        if lock is None:
            return
        lock.release()
        end = clock() + wait_s
        while clock() < end:
            tid = self._tid
            if tid and not file_exists("/proc/self/task/%d" % tid):
                return
            sleep(0.0001)

    def run(self, lock):
        """Report and check until ``lock`` is released; the body of the thread."""
        self._tid = get_native_id()
        wake = quiet(self._wake)
        now = clock()
        if not self._report_at:
            quiet(self._reporter.send_hello)()
            self._report_at = now + FIRST_S
        while True:
            if now >= self._report_at:
                quiet(self._report)(now)
                self._report_at = max(self._report_at + REPORT_S, now)
                now = clock()
            period = self._period(now)
            due = now + period
            if lock.acquire(True, period):
                return
            now = clock()
            wake(now, max(0.0, now - due))

    def _period(self, now):
        """Return how long to sleep. A loop that is busy is checked again when that has become a
        block: so each block is seen while it lasts, however little it exceeds the threshold."""
        app, loops = self.parts.app, self.parts.loops
        if app is not None and app.expects_answer():
            return WAKE_BUSY_S
        period = WAKE_ALONE_S
        for loop in loops.all() if loops is not None else ():
            if loop.running:
                check = min(WAKE_S, Settings.block_s)
                # a loop with a beat can count as busy from the next beat at the earliest
                since = loop.due or loop.busy_since
                if since and loop.block is None:
                    due = since + Settings.block_s - now + 0.001
                    check = min(WAKE_S + max(0.0, since - now), max(due, WAKE_BUSY_S))
                period = min(period, check)
        sample_at = app.sample_at() if app is not None else None
        return period if sample_at is None else max(0.001, min(period, sample_at - now))

    def _wake(self, now, late):
        self._reporter.delays.add(late)
        if self.parts.http is not None:
            self.parts.http.sort()
        if self._requests_path and file_exists(self._requests_path):
            quiet(self._start_actions)()
        if self.parts.app is not None:
            quiet(self.parts.app.sample)(now)
        self._send_answers()
        self._check_loops(now, late)

    def _start_actions(self):
        self.parts.load_app().start_actions(self._requests_path)

    def _send_answers(self):
        if self.parts.app is not None:
            self.parts.app.send_answers(self._reporter.send_now)

    def _check_loops(self, now, late):
        registry = self.parts.loops
        loops = registry.all() if registry is not None else ()
        if not loops:
            return
        blocks = self.parts.load_blocks()
        is_late = late > Settings.block_s
        for loop in loops:
            loop.lag.sort_many()
            blocks.check(loop, now, late)
            if is_late and loop.running and loop.block is None and loop.idle_since:
                blocks.count_gil_wait(loop, late)

    def _report(self, now):
        self.hooks.run_late()
        if self.parts.blocks is not None:
            self.parts.blocks.note_cpu()
        self._reporter.send_full(now)
