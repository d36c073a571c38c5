# pyright: basic
"""Event loops: when they wait, when they are busy, and how late they are.

Loaded when the program imports asyncio or trio.
"""

import sys
import time
from collections import deque

from _monit_probe.basics import (
    TICK_S,
    Settings,
    clock,
    get_ident,
    get_native_id,
    is_own,
    load,
    quiet,
)

BEAT_S, BEAT_IDLE_S = 0.02, 0.05
"""The beat in loops whose waiting cannot be seen from Python (uvloop). The second is used while
less than 2 % of the time is busy, when the beat would be most of what the program does."""
RECENT = 50
"""Long stretches kept between two wakes of the probe's thread."""
PENDING = 1 << 16
"""Stretches that may end before the probe's thread counts them, five to twenty times a second."""
MANY = 1000
"""So many are counted before the next report, which takes 0.2 ms; sorting fewer at once costs more
for each."""


class Lag:
    """How long something that became due had to wait, weighted by time.

    While a loop is busy for D seconds, what becomes due in them waits between D and 0, evenly. So
    each busy stretch counts as D seconds of waits spread over (0, D). That is the correction for
    coordinated omission. Reported are the stretches by length; the agent spreads them.
    """

    __slots__ = ("_counts", "_longest", "_sums", "blocks", "busy", "ended", "idle", "recent")

    def __init__(self):
        self.ended = deque(maxlen=PENDING)
        """Stretches that are not counted yet."""
        self.idle = self.busy = 0.0
        self._counts, self._sums, self._longest = {}, {}, 0.0
        self.blocks = 0
        self.recent = []
        """(since, seconds) of the last stretches over the threshold."""

    def add(self, stretch, since):
        """Count a busy stretch of any length; ``since`` is its start, or when it was noticed."""
        self.ended.append(stretch)
        if stretch >= Settings.block_s:
            self.note_block(stretch, since)

    def note_block(self, stretch, since):
        """Count a stretch as a block."""
        self.blocks += 1
        if len(self.recent) < RECENT:
            self.recent.append((since, stretch))

    def sort(self):
        """Count the stretches that have ended; called by the probe's thread."""
        ended = self.ended
        stretches = [ended.popleft() for _ in range(len(ended))]
        if stretches:
            self.busy += sum(stretches)
            longest = load("buckets").count_durations(stretches, self._counts, self._sums)
            self._longest = max(self._longest, longest)

    def sort_many(self):
        """Count them if there are many."""
        if len(self.ended) >= MANY:
            self.sort()

    def take(self):
        """Return a packed histogram of the stretches since the last call, and the longest."""
        self.sort()
        packed, longest = load("buckets").pack(self._counts, self._sums), self._longest
        self._counts, self._sums, self._longest = {}, {}, 0.0
        return packed, longest


class MeasuredLoop:
    """The event loop of one thread: when it waits, when it is busy, since when.

    Three ways to see that. ``select``: asyncio's selector is wrapped, which gives exact numbers
    without waking anything. ``beat``: a timer every 20 ms, for loops written in C. ``trio``: an
    instrument.
    """

    __slots__ = (
        "block", "busy", "busy_since", "clock_id", "cpu_before", "depth", "due", "handle", "ident",
        "idle_since", "kind", "lag", "loop", "number", "paced", "period", "running",
        "selector", "since", "tid", "wall", "way",
    )  # fmt: skip

    def __init__(self, number):
        self.number = number
        self.ident = get_ident()
        self.tid = get_native_id()
        # stays harmless when the thread is gone; must be read in the thread itself
        self.clock_id = time.pthread_getcpuclockid(self.ident)
        self.lag = Lag()
        self.running = False
        self.block = None
        """What `blocks` found out about the block that lasts now."""
        self.loop = self.handle = self.selector = None
        self.busy_since = self.idle_since = self.due = self.since = 0.0
        self.busy = self.wall = 0.0
        self.cpu_before = 0.0
        self.period, self.paced = BEAT_S, (0.0, 0.0)
        self.kind, self.way = "", ""
        self.depth = 0

    # -- start and end

    def start(self, loop):
        """Measure from now on: the loop starts running in this thread."""
        self.kind = type(loop).__module__.partition(".")[0]
        self.loop = loop
        self.depth = _depth(sys._getframe())
        self.since = self.busy_since = clock()
        selector = None if self.kind == "uvloop" else getattr(loop, "_selector", None)
        if selector is not None and callable(getattr(selector, "select", None)):
            self.way = "select"
            self._wrap(selector)
        else:
            self.way = "beat"
            self.busy_since = 0.0
            self.cpu_before = time.clock_gettime(self.clock_id)
            self._arm(clock())
        self.running = True

    def stop(self):
        """Measure no longer: the loop has stopped running."""
        now = clock()
        self.running = False
        if self.way == "beat":
            self._count_cpu()
            self.wall += now - self.since
            if self.handle is not None:
                self.handle.cancel()
        elif self.busy_since:
            self.lag.add(now - self.busy_since, self.busy_since)
        self.unwrap()
        self.loop = self.handle = self.selector = None
        self.busy_since = self.idle_since = self.due = 0.0

    # -- asyncio's own loops

    def _wrap(self, selector):
        selector.__dict__.pop("select", None)  # of a loop that ran in another thread before
        original = selector.select
        self.selector = selector
        lag, ended, block_s = self.lag, self.lag.ended.append, Settings.block_s

        def select(timeout=None):
            now = clock()
            since = self.busy_since
            self.busy_since = 0.0
            self.idle_since = now
            stretch = now - since
            ended(stretch)
            if stretch >= block_s:
                lag.note_block(stretch, since)
            try:
                return original(timeout)
            finally:
                woken = clock()
                self.idle_since = 0.0
                self.busy_since = woken
                waited = woken - now
                if timeout and 0.0 < timeout < waited - 0.005:
                    # the timeout was over, but the thread did not get the GIL or a CPU
                    lag.idle += timeout
                    lag.add(waited - timeout, now + timeout)
                else:
                    lag.idle += waited

        selector.select = select

    def unwrap(self):
        """Restore the selector; otherwise a reference cycle would keep it alive."""
        if self.selector is not None:
            self.selector.__dict__.pop("select", None)

    # -- loops written in C

    def _arm(self, now):
        if self.loop is None:
            return
        period = self.period
        self.due = now + period
        self.handle = self.loop.call_later(period, self._beat)

    def _beat(self):
        now = clock()
        late = now - self.due
        cpu = self._count_cpu()
        blocked = late
        if self.period > BEAT_S and late > BEAT_S and cpu > late:
            # hardly anything else computes in an idle loop: the block began before the beat was due
            blocked = cpu
        self.lag.idle += self.period + late - blocked
        if late > TICK_S:
            self.lag.add(blocked, self.due)
            # late without computing: the loop was in some call that blocks
            self.busy += max(0.0, late - cpu)
        else:
            self.lag.idle += max(0.0, late)
        if self.running:
            quiet(self._arm)(now)

    def _count_cpu(self):
        """Count the CPU that the thread used as busy time, and return it."""
        cpu = time.clock_gettime(self.clock_id)
        used, self.cpu_before = cpu - self.cpu_before, cpu
        self.busy += used
        return used

    def _pace(self, busy, wall):
        """Choose the period of the beat from the use since the last report."""
        nearly_idle = busy - self.paced[0] < 0.02 * (wall - self.paced[1])
        self.period = BEAT_IDLE_S if nearly_idle else BEAT_S
        self.paced = busy, wall

    # -- trio

    def before_io_wait(self, timeout):
        """Called by trio when it has nothing to run."""
        now = clock()
        if self.busy_since:
            self.lag.add(now - self.busy_since, self.busy_since)
        self.busy_since, self.idle_since = 0.0, now

    def after_io_wait(self, timeout):
        """Called by trio when something can run again."""
        now = clock()
        if self.idle_since:
            self.lag.idle += now - self.idle_since
        self.busy_since, self.idle_since = now, 0.0

    # -- read by the probe's thread

    def stuck_since(self, now):
        """Return since when the loop has been busy, 0.0 when it is not."""
        if not self.running:
            return 0.0
        if self.way == "beat":
            return self.due if now > self.due else 0.0
        return self.busy_since

    def report(self, now):
        """Return the loop's part of a report."""
        stuck = self.stuck_since(now)
        packed, longest = self.lag.take()
        idle_since = self.idle_since
        idle = self.lag.idle
        if self.running and idle_since:
            idle += now - idle_since
        if self.way == "beat":
            # a beat that is overdue will be counted when it comes
            busy = self.busy + (now - stuck if stuck else 0.0)
            wall = self.wall + (now - self.since if self.running else 0.0)
        else:
            busy = self.lag.busy + (now - stuck if stuck else 0.0)
            wall = busy + idle
        self._pace(busy, wall)
        return {
            "id": self.number, "type": self.kind, "running": self.running, "busy": busy,
            "wall": wall, "idle": idle, "lag": packed, "max": longest,
            "now": now - stuck if stuck and now - stuck > Settings.block_s / 2 else 0.0,
            "stuck": self.lag.blocks,
        }  # fmt: skip


def _depth(frame):
    """Count the frames of the program, from ``frame`` outwards."""
    count = 0
    while frame is not None:
        count += not is_own(frame.f_code)
        frame = frame.f_back
    return count


# ------------------------------------------------------------ which loops there are


class Registry:
    """The loops of this process: at most one of asyncio's and one of trio's in each thread."""

    def __init__(self):
        self.reset()

    def reset(self):
        """Start without any: this process is new."""
        self._loops = {}
        self._numbers = 0

    def all(self):
        """Return the loops that were ever seen, in a list of the caller's own."""
        return list(self._loops.values())

    def drop_stopped(self):
        """Remove the loops that do not run."""
        self._loops = {key: loop for key, loop in self._loops.items() if loop.running}

    def running_loop(self, loop):
        """Note which loop runs in this thread from now on; None: no loop."""
        ident = get_ident()
        known = self._loops.get(ident)
        if loop is None:
            if known is not None and known.running:
                known.stop()
            return
        if known is not None and known.running:
            if known.loop is loop:
                return  # a run within a run: the measurement continues
            known.stop()
        if known is None:
            known = self._loops[ident] = self._new()
        known.start(loop)

    def new_trio_loop(self):
        """Return a loop for a trio run that is about to start in this thread."""
        loop = self._new()
        loop.kind = loop.way = "trio"
        loop.depth = _depth(sys._getframe())
        return loop

    def start_trio(self, loop, runner):
        """Measure a trio run from now on."""
        loop.loop, loop.running, loop.busy_since = runner, True, clock()
        self._loops["trio", loop.ident] = loop

    def stop_trio(self, ident):
        """Note the end of the trio run in a thread."""
        loop = self._loops.get(("trio", ident))
        if loop is not None and loop.running:
            loop.stop()

    def _new(self):
        self._numbers += 1
        return MeasuredLoop(self._numbers)

    def count_tasks(self):
        """Return how many tasks asyncio and trio know; None where counting is not cheap."""
        total = None
        tasks = sys.modules.get("asyncio.tasks")
        found = getattr(tasks, "_scheduled_tasks", None)
        found = getattr(tasks, "_all_tasks", None) if found is None else found
        if found is not None:
            total = len(found) + len(getattr(tasks, "_eager_tasks", ()))
        for loop in self.all():
            if loop.way == "trio" and loop.running:
                total = (total or 0) + len(loop.loop.tasks)
        return total


registry = Registry()


# ---------------------------------------------------------------------- hooks


def _hook_asyncio(events):
    original = events._set_running_loop
    note_running = quiet(registry.running_loop)

    def _set_running_loop(loop):
        original(loop)
        note_running(loop)

    events._set_running_loop = _set_running_loop
    package = sys.modules.get("asyncio")
    if getattr(package, "_set_running_loop", None) is original:
        # asyncio was imported before the probe; uvloop reads the name from here
        setattr(package, "_set_running_loop", _set_running_loop)  # noqa: B010


def _hook_trio(run):
    original = run.setup_runner
    new_loop = quiet(registry.new_trio_loop)
    start, stop = quiet(registry.start_trio), quiet(registry.stop_trio)

    def setup_runner(clock, instruments, *rest, **more):
        loop = new_loop()
        if loop is None:
            return original(clock, instruments, *rest, **more)
        runner = original(clock, [*instruments, _Instrument(loop, stop)], *rest, **more)
        start(loop, runner)
        return runner

    run.setup_runner = setup_runner


class _Instrument:
    """What trio calls; a separate object, because trio looks at every attribute of it."""

    def __init__(self, loop, stop):
        self.before_io_wait = loop.before_io_wait
        self.after_io_wait = loop.after_io_wait
        self.after_run = lambda: stop(loop.ident)


HOOKS = {"asyncio.events": _hook_asyncio, "trio._core._run": _hook_trio}
"""What to do with a module once it is imported; `hooks` has the same names."""
