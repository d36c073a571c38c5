"""What happens inside a running Python program, told to monit's agent once a second.

Runs in other people's programs, on CPython 3.8 to 3.13, and imports nothing that they would not
have: only built-in modules at the start, `ctypes` later and in a thread of its own. Never raises
into the program, never prints, never waits for anybody, holds no descriptor, keeps no process
alive. What goes wrong in here is counted and told in the reports (``faults``).

Reading order: `install`, `_Probe` (the thread and its reports), `_Loop` (one event loop),
`_Watch` (who holds the loop up), `_Heap`. Times are seconds of `time.perf_counter` unless they
are called ``at`` (wall clock). The report's fields are described in ``probe/README.md``.
"""

import _frozen_importlib
import _frozen_importlib_external
import _json
import _signal
import _socket
import _thread
import gc
import os
import sys
import time

# kept by reference: gevent and eventlet replace these names later, and ours must go on to mean
# real threads, real waiting and real time
_clock = time.perf_counter
_wall = time.time
_sleep = time.sleep
_thread_time = time.thread_time
_process_time = time.process_time
_allocate_lock = _thread.allocate_lock
_start_thread = _thread.start_new_thread
_get_ident = _thread.get_ident
_get_native_id = _thread.get_native_id
_open, _read, _close, _stat = os.open, os.read, os.close, os.stat
_socket_type = _socket.socket

REPORT_S = 1.0
FIRST_S = 0.4
"""When the first full report is made: after the imports of most programs, and not in those that
end at once, for which reading the heap (and importing ctypes) would only be a cost."""
WAKE_BUSY_S, WAKE_S, WAKE_ALONE_S = 0.01, 0.1, 0.2
"""The thread's period with a running event loop and without any; see `_Probe._period`. Waking is
what the probe costs an idle program: 0.1 to 0.2 ms of CPU each time, cold caches included. The
first is for a second at most, while the answer of an action is awaited."""
BEAT_S, BEAT_IDLE_S = 0.02, 0.05
"""The beat in loops whose waiting cannot be seen from Python (uvloop); the slower one while less
than 2 % of the time is used, when it would be most of what the program does."""
BLOCK_S = 0.1
BUCKETS = 40
"""Bucket 0 is below 0.1 ms; bucket i >= 1 ends at 0.1 ms x 2 ** (i / 2); the last is open."""
FRAMES, STACKS, PENDING = 30, 5, 50
LOOPS = 16
TEXT = 200
HOGS = 64
METRICS = 100
ACTIONS = (("gc", "Collect garbage."), ("stacks", "Show what every thread is doing."))
"""What every program can be asked."""
_TICK = 0.0001
_OWN_FILE = (lambda: 0).__code__.co_filename
_MACHINERY = (
    "/asyncio/base_events.py", "/asyncio/events.py", "/asyncio/runners.py", "/selectors.py",
    "/asyncio/unix_events.py", "/uvloop/__init__.py", "/trio/_core/_run.py",
    "/trio/_core/_io_epoll.py", "/nest_asyncio.py",
)  # fmt: skip


class _Faults:
    """What went wrong in here since the start; the agent shows it, the program never."""

    count = 0
    last = ""


def _quiet(function):
    """Make ``function`` return None instead of raising: no error of ours may reach the program."""

    def guarded(*arguments):
        try:
            return function(*arguments)
        except Exception as error:
            _Faults.count += 1
            _Faults.last = "%s: %r" % (function.__name__, error)
            return None

    return guarded


def _slurp(path, size=4096):
    """Give the first bytes of a file; None if it cannot be read."""
    try:
        fd = _open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _read(fd, size)
    except OSError:
        return None
    finally:
        _close(fd)


def _quote(text):
    # lone surrogates (names that are no UTF-8) would make the report unreadable for the agent
    return _json.encode_basestring_ascii(text.encode("utf-8", "replace").decode("utf-8"))


def _encode(value):
    """Give ``value`` as JSON. By hand: importing `json` would cost the program 7 to 14 ms."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, dict):
        return "{%s}" % ",".join(_quote(k) + ":" + _encode(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join([_encode(each) for each in value])
    return _encode_float(value) if isinstance(value, float) else str(value)


def _encode_float(value):
    if value - value != 0.0:
        return "null"  # JSON has no word for infinity, nor for what is no number
    return repr(round(value, 6)) if abs(value) >= 0.001 else "%.6g" % value


# ------------------------------------------------------------------------ lag


class _Lag:
    """How long something that became due had to wait, weighted by time.

    While a loop is busy for D seconds, what becomes due in them waits anything between D and 0,
    evenly: so each busy stretch stands for D seconds of waits spread over (0, D). That is the
    correction for coordinated omission. Stretches are counted by bucket; `masses` spreads them.
    """

    __slots__ = ("idle", "long", "longest", "numbers", "stuck", "sums")

    def __init__(self):
        self.numbers = [0] * BUCKETS
        self.sums = [0.0] * BUCKETS
        self.idle = 0.0
        self.longest = 0.0
        self.stuck = 0
        self.long = []

    def add(self, stretch, since):
        """Count a busy stretch of any length; ``since`` is when it began, or was seen to have."""
        ticks = stretch / _TICK
        bucket = int(ticks * ticks).bit_length() if ticks < 600000 else BUCKETS - 1
        self.numbers[bucket] += 1
        self.sums[bucket] += stretch
        if stretch > self.longest:
            self.longest = stretch
        if stretch >= _Probe.block_s:
            self.stuck += 1
            if len(self.long) < PENDING:
                self.long.append((since, stretch))

    def masses(self):
        """Give [bucket, seconds] of the waits; buckets without any are left out."""
        out = []
        above = 0
        for bucket in range(BUCKETS - 1, -1, -1):
            low, high = _bounds(bucket)
            here = self.sums[bucket] - self.numbers[bucket] * low
            mass = here + (above * (high - low) if above else 0.0)
            above += self.numbers[bucket]
            if mass > 0.0:
                out.append([bucket, mass])
        return out


def _bounds(bucket):
    low = _TICK * 2 ** ((bucket - 1) / 2) if bucket else 0.0
    return low, _TICK * 2 ** (bucket / 2)


class _Delays:
    """How late the probe's own thread gets to run: what a thread waits for the GIL and a CPU."""

    def __init__(self):
        self.numbers = [0] * BUCKETS
        self.longest = 0.0

    def add(self, late):
        ticks = late / _TICK
        self.numbers[min(int(ticks * ticks).bit_length(), BUCKETS - 1)] += 1
        if late > self.longest:
            self.longest = late


# ------------------------------------------------------------- event loops


class _Loop:
    """An event loop's thread: when it waits, when it is busy, since when.

    Three ways in. ``select``: asyncio's selector is wrapped, which gives exact numbers and no
    wake-ups. ``beat``: a timer every 20 ms, for loops written in C. ``trio``: an instrument.
    """

    __slots__ = (
        "block", "busy", "busy_since", "clock_id", "cpu_before", "depth", "due", "handle", "ident",
        "idle_since", "kind", "lag", "loop", "number", "paced", "period", "running",
        "selector", "since", "tid", "wall", "way",
    )  # fmt: skip

    def __init__(self, number):
        self.number = number
        self.ident = _get_ident()
        self.tid = _get_native_id()
        # an id that stays harmless when the thread is gone; the call itself must be made here
        self.clock_id = time.pthread_getcpuclockid(self.ident)
        self.lag = _Lag()
        self.running = False
        self.block = None
        self.loop = self.handle = self.selector = None
        self.busy_since = self.idle_since = self.due = self.since = 0.0
        self.busy = self.wall = 0.0
        self.cpu_before = 0.0
        self.period, self.paced = BEAT_S, (0.0, 0.0)
        self.kind, self.way = "", ""
        self.depth = 0

    # -- start and end

    def start(self, loop):
        """The loop begins to run in this thread."""
        self.kind = type(loop).__module__.partition(".")[0]
        self.loop = loop
        self.depth = _depth(sys._getframe())
        self.since = self.busy_since = _clock()
        selector = None if self.kind == "uvloop" else getattr(loop, "_selector", None)
        if selector is not None and callable(getattr(selector, "select", None)):
            self.way = "select"
            self._wrap(selector)
        else:
            self.way = "beat"
            self.busy_since = 0.0
            self.cpu_before = time.clock_gettime(self.clock_id)
            self._arm(_clock())
        self.running = True

    def stop(self):
        """The loop does not run any more."""
        now = _clock()
        self.running = False
        if self.way == "beat":
            self._count_cpu()
            self.wall += now - self.since
            self.handle.cancel()
        elif self.busy_since:
            self.lag.add(now - self.busy_since, self.busy_since)
        if self.selector is not None:
            # the class's own method shows again; without this a cycle would hold the selector
            self.selector.__dict__.pop("select", None)
        self.loop = self.handle = self.selector = None
        self.busy_since = self.idle_since = self.due = 0.0

    # -- asyncio's own loops

    def _wrap(self, selector):
        selector.__dict__.pop("select", None)  # left by a loop of another thread
        original = selector.select
        self.selector = selector
        lag, numbers, sums = self.lag, self.lag.numbers, self.lag.sums

        def select(timeout=None):
            now = _clock()
            since = self.busy_since
            self.busy_since = 0.0
            self.idle_since = now
            stretch = now - since
            if stretch < _TICK:
                numbers[0] += 1
                sums[0] += stretch
            else:
                lag.add(stretch, since)
            try:
                return original(timeout)
            finally:
                woken = _clock()
                self.idle_since = 0.0
                self.busy_since = woken
                waited = woken - now
                if timeout and 0.0 < timeout < waited - 0.005:
                    # its time was over, but it could not go on: somebody had the GIL or the CPU
                    lag.idle += timeout
                    lag.add(waited - timeout, now + timeout)
                else:
                    lag.idle += waited

        selector.select = select

    # -- loops written in C

    def _arm(self, now):
        period = self.period
        self.due = now + period
        self.handle = self.loop.call_later(period, self._beat)

    def _beat(self):
        now = _clock()
        late = now - self.due
        cpu = self._count_cpu()
        held = late
        if self.period > BEAT_S and late > BEAT_S and cpu > late:
            # hardly anything else computes in a loop so idle: it was held up before that was due
            held = cpu
        self.lag.idle += self.period + late - held
        if late > _TICK:
            self.lag.add(held, self.due)
            # what it was late without computing it stood in some call that blocks
            self.busy += max(0.0, late - cpu)
        else:
            self.lag.idle += max(0.0, late)
        if self.running:
            _quiet(self._arm)(now)

    def _count_cpu(self):
        """Count the CPU that the thread used as busy, and give how much that was."""
        cpu = time.clock_gettime(self.clock_id)
        used, self.cpu_before = cpu - self.cpu_before, cpu
        self.busy += used
        return used

    def _pace(self, busy, wall):
        """Choose how often to look from the use since the last report."""
        drowsy = busy - self.paced[0] < 0.02 * (wall - self.paced[1])
        self.period = BEAT_IDLE_S if drowsy else BEAT_S
        self.paced = busy, wall

    # -- trio

    def before_io_wait(self, timeout):
        """Called by trio when it has nothing to run."""
        now = _clock()
        if self.busy_since:
            self.lag.add(now - self.busy_since, self.busy_since)
        self.busy_since, self.idle_since = 0.0, now

    def after_io_wait(self, timeout):
        """Called by trio when something can run again."""
        now = _clock()
        if self.idle_since:
            self.lag.idle += now - self.idle_since
        self.busy_since, self.idle_since = now, 0.0

    # -- what the thread of the probe asks

    def stuck_since(self, now):
        """Give since when the loop has been busy, 0.0 when it is not."""
        if not self.running:
            return 0.0
        if self.way == "beat":
            return self.due if now > self.due else 0.0
        return self.busy_since

    def report(self, now):
        """Give the loop's part of a report."""
        stuck = self.stuck_since(now)
        idle_since = self.idle_since
        idle = self.lag.idle
        if self.running and idle_since:
            idle += now - idle_since
        if self.way == "beat":
            # a beat that is overdue will be counted when it comes
            busy = self.busy + (now - stuck if stuck else 0.0)
            wall = self.wall + (now - self.since if self.running else 0.0)
        else:
            busy = sum(self.lag.sums) + (now - stuck if stuck else 0.0)
            wall = busy + idle
        self._pace(busy, wall)
        longest, self.lag.longest = self.lag.longest, 0.0
        return {
            "id": self.number, "type": self.kind, "running": self.running, "busy": busy,
            "wall": wall, "idle": idle, "lag": self.lag.masses(), "max": longest,
            "now": now - stuck if stuck and now - stuck > _Probe.block_s / 2 else 0.0,
            "stuck": self.lag.stuck,
        }  # fmt: skip


def _depth(frame):
    """Count the frames of the program below our own."""
    count = 0
    while frame is not None:
        count += frame.f_code.co_filename != _OWN_FILE
        frame = frame.f_back
    return count


# ---------------------------------------------------------- who is to blame


class _Block:
    """A loop held up for longer than the threshold, still going on."""

    __slots__ = ("code", "kind", "mark", "next_look", "since", "stack")


def _stack(frame):
    """Give [file, line, function] of the innermost frames, innermost first; no values."""
    rows = []
    while frame is not None and len(rows) < FRAMES:
        code = frame.f_code
        if code.co_filename != _OWN_FILE:
            name = getattr(code, "co_qualname", code.co_name)
            rows.append((code.co_filename[-TEXT:], frame.f_lineno or 0, name[:TEXT]))
        frame = frame.f_back
    return tuple(rows)


def _callback_frame(frame, depth):
    """Give the outermost frame that the loop called, None while the loop's own code runs."""
    chain = []
    while frame is not None:
        if frame.f_code.co_filename != _OWN_FILE:
            chain.append(frame)
        frame = frame.f_back
    for each in chain[: max(0, len(chain) - depth)][::-1]:
        if not each.f_code.co_filename.endswith(_MACHINERY):
            return each
    return None


class _Watch:
    """Finds out what a stuck loop is doing, and folds equal findings."""

    def __init__(self):
        self.folded = {}
        self.lost = 0
        self.cpu = {}

    def look(self, loop, now, late):
        """See whether ``loop`` is stuck; ``late`` is how late the probe itself came to look."""
        since = loop.stuck_since(now)
        block = loop.block
        if block is not None and block.since != since:
            self._ended(loop, block, now)
            block = loop.block = None
        if not since or now - since < _Probe.block_s:
            return
        if block is None:
            loop.block = self._capture(loop, since, now, late)
        elif now >= block.next_look and block.kind == "culprit":
            block.next_look = now + (now - since)
            self._look_again(loop, block)

    def _capture(self, loop, since, now, late):
        block = _Block()
        block.since = since
        # the second look comes at twice the threshold, then at four times, eight times
        block.next_look = since + 2 * max(_Probe.block_s, now - since - WAKE_S)
        block.mark = block.code = None
        frame = sys._current_frames().get(loop.ident)
        block.stack = _stack(frame)
        called = _callback_frame(frame, loop.depth) if frame is not None else None
        if frame is not None and frame.f_code is _Gc.code:
            block.kind = "gc"
        elif late > _Probe.block_s / 2 and self._other_hog(loop):
            block.kind = "gil"
            block.stack = self.hog_stack(loop) or block.stack
        elif called is None:
            block.kind = "saturated"
        else:
            block.kind = "culprit"
            _mark(block, called)
        return block

    def _look_again(self, loop, block):
        frame = sys._current_frames().get(loop.ident)
        called = _callback_frame(frame, loop.depth) if frame is not None else None
        if called is None or not _marked(block, called):
            block.kind = "saturated"

    def _ended(self, loop, block, now):
        long = loop.lag.long
        duration = next((d for since, d in long if since == block.since), now - block.since)
        self.fold(block.kind, block.stack, duration)

    def fold(self, kind, stack, duration):
        """Count one block that is over."""
        known = self.folded.get((kind, stack))
        if known is not None:
            known[0] += 1
            known[1] += duration
            known[2] = max(known[2], duration)
            known[3] = _wall()
        elif len(self.folded) < PENDING:
            self.folded[kind, stack] = [1, duration, duration, _wall()]
        else:
            self.lost += 1

    # -- which thread has used the CPU

    def baseline(self):
        """Note how much CPU each thread has used so far."""
        self.cpu = _cpu_by_thread() if _thread._count() > 1 else {}

    def _hog(self):
        """Give the native id of the thread that used most CPU since `baseline`; None unless
        it used enough to be one."""
        used = {tid: cpu - self.cpu.get(tid, 0) for tid, cpu in _cpu_by_thread().items()}
        tid = max(used, key=used.get, default=None)
        return tid if tid is not None and used[tid] > _Probe.block_s * 5e8 else None

    def _other_hog(self, loop):
        return bool(self.cpu) and self._hog() not in (None, loop.tid)

    def hog_stack(self, loop):
        """Give what the thread with the most CPU does, () if that cannot be told."""
        hog = self._hog()
        active = getattr(sys.modules.get("threading"), "_active", {})
        for ident, thread in list(active.items()):
            if getattr(thread, "native_id", None) == hog and hog not in (None, loop.tid):
                return _stack(sys._current_frames().get(ident))
        return ()

    def held(self, loop, late):
        """Count a time in which nobody, not even the probe, got the GIL, while the loop waited
        for events: those in it were late, which the loop itself cannot see."""
        stack = self.hog_stack(loop)
        if stack:
            self.fold("gil", stack, late)


def _mark(block, frame):
    """Remember ``frame`` without keeping it (and the program's values in it) alive."""
    if sys.version_info < (3, 10):
        # a frame with a trace function does not keep its line number there
        block.mark = (id(frame), frame.f_lasti)
        return

    def mark(frame, event, argument):
        """Do nothing, should the program be traced."""

    if frame.f_trace is None:
        frame.f_trace = block.mark = mark


def _marked(block, frame):
    if block.mark is None:
        return True
    if sys.version_info < (3, 10):
        return block.mark == (id(frame), frame.f_lasti)
    return frame.f_trace is block.mark


def _cpu_by_thread():
    """Give the CPU nanoseconds of each thread of this process, at most `HOGS`, by native id."""
    used = {}
    try:
        tids = os.listdir("/proc/self/task")
    except OSError:
        return used
    mine = str(_get_native_id())
    for tid in tids[:HOGS]:
        raw = _slurp("/proc/self/task/%s/schedstat" % tid, 64) if tid != mine else None
        if raw:
            used[int(tid)] = int(raw.split()[0])
    return used


# --------------------------------------------------------- garbage and heap


class _Gc:
    """Collections by generation: number, seconds, longest since the last report."""

    code = None

    def __init__(self):
        self.reset()

        def collected(phase, info):
            now = _clock()
            if phase == "start":
                self.began = now
                return
            generation = info["generation"]
            pause = now - self.began
            self.counts[generation] += 1
            self.seconds[generation] += pause
            if pause > self.longest[generation]:
                self.longest[generation] = pause

        _Gc.code = collected.__code__
        self.callback = collected

    def reset(self):
        """Count from nothing."""
        self.counts = [0, 0, 0]
        self.seconds = [0.0, 0.0, 0.0]
        self.longest = [0.0, 0.0, 0.0]
        self.began = 0.0

    def report(self):
        longest, self.longest = self.longest, [0.0, 0.0, 0.0]
        return [list(each) for each in zip(self.counts, self.seconds, longest)]


class _Heap:
    """Size and used bytes of the heap as V8 means them, from the allocators themselves.

    ``malloc``: pymalloc's arenas and glibc's (mallinfo2). Anywhere else ``rss``: the size is the
    anonymous resident memory, and what of it is used is not known.
    """

    def __init__(self):
        self.libc = None
        self.next_at = 0.0
        self.last = None

    def read(self, now):
        """Give {src, size, used}; the last one again while a new one would cost too much."""
        if now < self.next_at:
            return self.last
        before = _thread_time()
        self.last = self._read()
        # of the CPU of this thread, because waiting for the GIL costs nobody anything
        cost = _thread_time() - before
        self.next_at = now + max(REPORT_S / 2, 200.0 * cost)
        return self.last

    def _read(self):
        anonymous = _anonymous_bytes()
        if self.libc is None:
            self.libc = _Libc()
            # that was the import of ctypes, which comes but once
        size_used = self.libc.size_and_used()
        if size_used is not None and anonymous is not None:
            # another malloc took glibc's place: its numbers would be those of nothing
            strange = anonymous > 50e6 and size_used[0] + size_used[1] < 0.3 * anonymous
            size_used = None if strange else size_used
        if size_used is not None:
            return {"src": "malloc", "size": size_used[0], "used": size_used[1]}
        return None if anonymous is None else {"src": "rss", "size": anonymous, "used": None}


def _anonymous_bytes():
    raw = _slurp("/proc/self/status") or b""
    _, found, rest = raw.partition(b"\nRssAnon:")
    return int(rest.split(None, 1)[0]) * 1024 if found else None


class _Libc:
    """glibc and the interpreter's own allocator, by ctypes."""

    def __init__(self):
        import ctypes

        class Info(ctypes.Structure):
            _fields_ = [
                (name, ctypes.c_size_t)
                for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd",
                             "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
            ]  # fmt: skip

        self.mallinfo = self.dump = None
        # CDLL lets go of the GIL: on a fragmented heap of 2 GB this call takes 183 ms
        libc = ctypes.CDLL(None)
        if not hasattr(libc, "mallinfo2"):
            return
        libc.mallinfo2.restype = Info
        self.mallinfo = libc.mallinfo2
        self.ctypes = ctypes
        self.open_stream = libc.open_memstream
        self.open_stream.restype = ctypes.c_void_p
        self.close_stream = libc.fclose
        self.close_stream.argtypes = [ctypes.c_void_p]
        self.free = libc.free
        self.free.argtypes = [ctypes.c_void_p]
        self.free.restype = None
        # and PyDLL keeps it: the interpreter's pools may not change meanwhile
        dump = getattr(ctypes.pythonapi, "_PyObject_DebugMallocStats", None)
        if dump is not None:
            dump.argtypes = [ctypes.c_void_p]
            dump.restype = ctypes.c_int
        self.dump = dump

    def size_and_used(self):
        """Give (size, used) in bytes; None where they cannot be had."""
        if self.mallinfo is None or self.dump is None:
            return None
        pools = self._pymalloc()
        if pools is None:
            return None
        info = self.mallinfo()
        size = pools[0] + info.arena + info.hblkhd
        return size, pools[1] + info.uordblks + info.hblkhd

    def _pymalloc(self):
        ctypes = self.ctypes
        buffer, length = ctypes.c_void_p(), ctypes.c_size_t()
        stream = self.open_stream(ctypes.byref(buffer), ctypes.byref(length))
        if not stream:
            return None
        printed = self.dump(stream)
        self.close_stream(stream)
        try:
            text = ctypes.string_at(buffer.value, length.value) if buffer.value else b""
        finally:
            self.free(buffer)
        if not printed:
            # PYTHONMALLOC=malloc, where mallinfo sees everything; or the program traces its
            # allocations, where the arenas are there but cannot be seen
            tracing = getattr(sys.modules.get("_tracemalloc"), "is_tracing", bool)()
            return None if tracing else (0, 0)
        try:
            used = _number(text, b"# bytes in allocated blocks")
            return _number(text, b"\nTotal "), used
        except ValueError:
            return None  # mimalloc: another text, of the calling thread's heap only


def _number(text, label):
    start = text.index(b"=", text.index(label)) + 1
    return int(text[start : text.index(b"\n", start)].replace(b",", b""))


# ------------------------------------------------------- files that few programs need

REST = ("monit_probe", "_monit_ask", "_monit_prometheus", "_monit_http")


def _path(name):
    return os.path.join(os.path.dirname(_OWN_FILE), name + ".py")


def _beside(name):
    """Give another file of the probe as a module; our folder is on no path any more."""
    known = sys.modules.get(name)
    if known is not None:
        return known
    spec = _frozen_importlib_external.spec_from_file_location(name, _path(name))
    module = _frozen_importlib.module_from_spec(spec)
    spec.loader.exec_module(module)
    return sys.modules.setdefault(name, module)


@_quiet
def compile_rest():
    """Have what is loaded later compiled at a time when its bytecode may be kept."""
    for name in (*REST, *HTTP_SERVERS):
        path = _path(name)
        if not _is_there(_frozen_importlib_external.cache_from_source(path)):
            _frozen_importlib_external.SourceFileLoader(name, path).get_code(name)


# ----------------------------------------------------- what is the program's own


class _Own:
    """Metrics and actions of the program's own, and those that are asked of every program."""

    def __init__(self, folder, loops):
        self.folder, self.loops = folder, loops
        self.walker = None
        self.told = 0
        self.begin()

    def begin(self):
        """Start from nothing, in a new process."""
        self.path = "%s/%d" % (self.folder, os.getpid()) if self.folder else None
        self.desk = None
        self.main = _get_ident()  # at the start, and in the only thread of a process just forked

    def api(self):
        """Give `monit_probe` if the program has imported it; not another module of that name."""
        module = sys.modules.get("monit_probe")
        ours = getattr(module, "__file__", None) == _path("monit_probe")
        return module if ours and not _is_loading(module) else None

    def gather(self, now):
        """Give the own part of a report."""
        api = self.api()
        metrics = _quiet(self.prometheus)(now) or {}
        if api is not None:
            metrics = dict(metrics, **(_quiet(api._metrics_now)(now) or {}))
            _Faults.count += api._Faults.count - self.told
            if api._Faults.count != self.told:
                self.told, _Faults.last = api._Faults.count, api._Faults.last
        return {
            "metrics": dict(list(metrics.items())[-METRICS:]),
            "actions": [{"name": name, "help": text} for name, text in self.offered(api)],
        }

    def prometheus(self, now):
        """Give what prometheus_client counts, in a program that uses it."""
        module = sys.modules.get("prometheus_client.metrics")
        if module is None or _is_loading(module):
            return {}
        if self.walker is None:
            self.walker = _beside("_monit_prometheus").Walker()
        return self.walker.read(now)

    def offered(self, api):
        """Give (name, help) of what can be triggered."""
        names = dict(ACTIONS) if self.folder else {}
        own = list(api._actions.items()) if api is not None and self.folder else ()
        names.update((name, action.help) for name, action in own)
        return list(names.items())[-50:]

    def actions(self):
        """Give the program's actions by name."""
        api = self.api()
        return dict(api._actions) if api is not None else {}

    def look(self):
        """See whether something was asked, and begin it."""
        if self.path is None or not _is_there(self.path):
            return
        if self.desk is None:
            self.desk = _beside("_monit_ask").Desk(self.actions, self.loops, self.main, _OWN_FILE)
        self.desk.take(self.path)

    def answer(self, say):
        """Have ``say`` send what came of actions, each in a report of its own; what nobody takes
        is kept."""
        answers = self.desk.answers if self.desk is not None else ()
        while answers and say({"answers": [answers[0]]}):
            answers.popleft()

    def busy(self):
        """Say whether an answer is likely to come soon."""
        return self.desk is not None and self.desk.busy()


def _is_loading(module):
    return getattr(getattr(module, "__spec__", None), "_initializing", False)


# --------------------------------------------------------------- the thread


class _Probe:
    """The one thread, what it gathers and what it sends."""

    block_s = BLOCK_S

    def __init__(self, path, ask=None):
        self.path = path
        self.own = _Own(ask, self.every_loop)
        self.gc = _Gc()
        gc.callbacks.append(self.gc.callback)
        self.begin()

    def begin(self):
        """Start from nothing: in a new process, which may be the child of a fork."""
        self.pid = os.getpid()
        self.born = time.time_ns()
        self.seq = 0
        self.report_at = 0.0
        """Outlives the thread: a program that forks all the time reports too."""
        self.numbers = 0
        self.loops = {}
        self.heap = _Heap()
        self.delays = _Delays()
        self.watch = _Watch()
        self.unsent = {}
        self.own.begin()
        self.lock = None
        self.tid = 0

    # -- life of the thread

    def start(self):
        """Start the thread, with all signals blocked: one meant for the program's ``sigwait``
        must not be taken, and end the process, here."""
        self.tid = 0
        lock = _allocate_lock()
        lock.acquire()
        self.lock = lock
        asynchronous = _signal.valid_signals() - {
            _signal.SIGSEGV, _signal.SIGBUS, _signal.SIGFPE, _signal.SIGILL, _signal.SIGABRT
        }  # fmt: skip
        before = _signal.pthread_sigmask(_signal.SIG_BLOCK, asynchronous)
        try:
            # not `self.lock`: another thread of the program that forks may have called `stop`
            _start_thread(self._run, (lock,))
        finally:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)

    def stop(self, wait_s):
        """End the thread and wait until the kernel does not know it any more."""
        lock, self.lock = self.lock, None
        if lock is None:
            return
        lock.release()
        end = _clock() + wait_s
        while _clock() < end:
            tid = self.tid
            if tid and not _is_there("/proc/self/task/%d" % tid):
                return
            _sleep(0.0001)

    def _run(self, lock):
        self.tid = _get_native_id()
        wake = _quiet(self._wake)
        now = _clock()
        if not self.report_at:
            _quiet(self._send)(_hello())
            self.report_at = now + FIRST_S
        while True:
            if now >= self.report_at:
                _quiet(self._report)(now)
                self.report_at = max(self.report_at + REPORT_S, now)
                now = _clock()
            period = self._period(now)
            due = now + period
            if lock.acquire(True, period):
                return
            now = _clock()
            wake(now, max(0.0, now - due))

    def _period(self, now):
        """Give how long to sleep: a loop that is busy is looked at again when that has become a
        block, so that each one is caught in the act, however short it is beyond the threshold."""
        if self.own.busy():
            return WAKE_BUSY_S
        period = WAKE_ALONE_S
        for loop in self.every_loop():
            if loop.running:
                look = min(WAKE_S, self.block_s)
                # a loop with a beat can count as busy from the next one at the earliest
                since = loop.due or loop.busy_since
                if since and loop.block is None:
                    due = since + self.block_s - now + 0.001
                    look = min(WAKE_S + max(0.0, since - now), max(due, WAKE_BUSY_S))
                period = min(period, look)
        return period

    def every_loop(self):
        """Give the loops that were ever seen, in a list of the caller's own."""
        return list(self.loops.values())

    def _wake(self, now, late):
        self.delays.add(late)
        if "http" in _state:
            _state["http"].sort()
        _quiet(self.own.look)()
        self.own.answer(self._say)
        held = late > self.block_s
        for loop in self.every_loop():
            self.watch.look(loop, now, late)
            if held and loop.running and loop.block is None and loop.idle_since:
                self.watch.held(loop, late)

    # -- reports

    def _report(self, now):
        _hook_late()
        self.watch.baseline()
        self._send(_quiet(self._gather)(now) or {})

    def _gather(self, now):
        loops = [loop.report(now) for loop in self.every_loop()]
        if len(loops) > LOOPS:
            self.loops = {key: loop for key, loop in self.loops.items() if loop.running}
        longest, self.delays.longest = self.delays.longest, 0.0
        events, rest = self._blocks(now)
        self.watch.folded = rest
        return {
            "heap": _quiet(self.heap.read)(now),
            "gc": self.gc.report(),
            # all but the main one and, while it lives, ours: together that is all but one
            "threads": _thread._count() + (self.lock is None),
            "tasks": _tasks(self.every_loop()),
            "loops": loops[:LOOPS],
            "sched": [[i, n] for i, n in enumerate(self.delays.numbers) if n],
            "sched_max": longest,
            "blocked": events,
            "lost": self.watch.lost,
            "http": _state["http"].report() if "http" in _state else None,
            **(_quiet(self.own.gather)(now) or {}),
        }

    def _blocks(self, now):
        """Give at most `STACKS` folded blocks that are over plus what goes on, and the rest."""
        for loop in self.every_loop():
            # one that ended since the last wake is over: its end is seen here
            if loop.block is not None and loop.block.since != loop.stuck_since(now):
                self.watch.look(loop, now, 0.0)
            del loop.lag.long[:-4]  # the last ones may end a block that is seen later
        items = list(self.watch.folded.items())
        events = [
            {"kind": kind, "stack": stack, "count": n, "total": total, "max": most, "at": at}
            for (kind, stack), (n, total, most, at) in items[:STACKS]
        ]
        for loop in self.every_loop():
            block = loop.block
            if block is not None:
                events.append({"kind": block.kind, "stack": block.stack, "count": 0,
                               "total": now - block.since, "max": now - block.since,
                               "at": _wall()})  # fmt: skip
        return events, dict(items[STACKS:])

    def _send(self, report):
        """Send one report; what must not be lost with it is kept for the next one."""
        report = _merged(self.unsent, report)
        self.unsent = {} if self._say(report) else _keep(report)

    def _say(self, report):
        self.seq += 1
        report.update(
            v=1, rt="python", pid=self.pid, born=self.born, seq=self.seq, mono=_clock(),
            faults=_Faults.count, fault=_Faults.last,
        )  # fmt: skip
        return _datagram(self.path, _encode(report).encode("ascii"))

    # -- loops come and go

    def running_loop(self, loop):
        """The program says which loop runs in this thread, None for no more."""
        ident = _get_ident()
        known = self.loops.get(ident)
        if loop is None:
            if known is not None and known.running:
                known.stop()
            return
        if known is not None and known.running:
            if known.loop is loop:
                return  # a run within a run: what is measured goes on
            known.stop()
        if known is None:
            self.numbers += 1
            known = self.loops[ident] = _Loop(self.numbers)
        known.start(loop)

    def bye(self):
        """Send what is known at the end."""
        if os.getpid() == self.pid:
            self.stop(0.02)
            self.own.answer(self._say)
            report = self._gather(_clock()) if self.heap.last else {}
            report["bye"] = True
            self._send(report)


class _Forks:
    """No thread of ours while the process is doubled: it would be lost in the child with whatever
    it held, and Python 3.12 and later warn of threads at a fork."""

    def __init__(self, probe):
        self.probe = probe
        self.under_way = []
        self.starting = _allocate_lock()

    def before(self):
        """End the thread."""
        self.under_way.append(1)
        # an import of ctypes under way is worth waiting for: its lock would stay locked there
        self.probe.stop(1.0)

    def in_parent(self):
        """Go on, when no other thread of the program forks at this moment."""
        if self.under_way:
            self.under_way.pop()
        # again and again, because what one thread does here another may undo
        while not self.under_way and self.probe.lock is None and self.starting.acquire(False):
            try:
                if self.probe.lock is None:
                    self.probe.start()
                if self.under_way:
                    self.probe.stop(1.0)  # another has begun since, and found no thread to end
            finally:
                self.starting.release()

    def in_child(self):
        """Begin anew."""
        del self.under_way[:]
        self.starting = _allocate_lock()
        probe = self.probe
        for loop in probe.every_loop():
            if loop.selector is not None:
                loop.selector.__dict__.pop("select", None)
        probe.begin()
        probe.gc.reset()
        if "http" in _state:
            _state["http"].reset()
        probe.start()

    def around(self, original):
        """Give ``original`` (os.fork, os.forkpty) with `before` and `in_parent` around it."""

        def fork(*arguments):
            _quiet(self.before)()
            try:
                return original(*arguments)
            finally:
                if os.getpid() == self.probe.pid:
                    _quiet(self.in_parent)()

        fork.__name__ = fork.__qualname__ = original.__name__
        fork.__doc__ = original.__doc__
        return fork

    def install(self):
        """Be called at every fork."""
        if (3, 13) <= sys.version_info < (3, 15):
            # these count the threads after the hooks were called (CPython issue 137109)
            os.register_at_fork(after_in_child=_quiet(self.in_child))
            os.fork = self.around(os.fork)
            os.forkpty = self.around(os.forkpty)
        else:
            os.register_at_fork(
                before=_quiet(self.before),
                after_in_parent=_quiet(self.in_parent),
                after_in_child=_quiet(self.in_child),
            )


def _is_there(path):
    try:
        _stat(path)
    except OSError:
        return False
    return True


def _hello():
    """Give what does not change while the process lives."""
    return {
        "hello": {
            "version": "%d.%d.%d" % sys.version_info[:3],
            "implementation": sys.implementation.name,
            "ppid": os.getppid(),
        }
    }


def _datagram(path, data):
    """Send ``data``; False when nobody took it. A new socket each time, because a program that
    closes all descriptors and opens its own would else be written into."""
    try:
        sock = _socket_type(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    except OSError:
        return False
    try:
        sock.sendto(data, _socket.MSG_DONTWAIT | _socket.MSG_NOSIGNAL, path)
    except OSError:
        return False
    finally:
        sock.close()
    return True


def _keep(report):
    """Give what of an unsent report the next one must carry: all else is cumulative."""
    names = ("hello", "sched_max", "gc", "loops", "http")
    kept = {key: report[key] for key in names if key in report}
    kept["blocked"] = [each for each in report.get("blocked", []) if each["count"]][:PENDING]
    return kept


def _merged(kept, report):
    """Give ``report`` with the longest times and the blocks of one that was not sent."""
    report = dict(report)
    if "hello" in kept:
        report.setdefault("hello", kept["hello"])
    if "loops" not in report:
        return report
    report["sched_max"] = max(report["sched_max"], kept.get("sched_max", 0.0))
    for now, before in zip(report["gc"], kept.get("gc", ())):
        now[2] = max(now[2], before[2])
    longest = {each["id"]: each["max"] for each in kept.get("loops", ())}
    for each in report["loops"]:
        each["max"] = max(each["max"], longest.get(each["id"], 0.0))
    if report["http"] and kept.get("http"):
        report["http"]["max"] = max(report["http"]["max"], kept["http"]["max"])
    report["blocked"] = (kept.get("blocked", []) + report["blocked"])[: 2 * PENDING]
    return report


def _tasks(loops):
    """Give how many tasks asyncio and trio know; None where they cannot be counted cheaply."""
    total = None
    tasks = sys.modules.get("asyncio.tasks")
    found = getattr(tasks, "_scheduled_tasks", None)
    found = getattr(tasks, "_all_tasks", None) if found is None else found
    if found is not None:
        total = len(found) + len(getattr(tasks, "_eager_tasks", ()))
    for loop in loops:
        if loop.way == "trio" and loop.running:
            total = (total or 0) + len(loop.loop.tasks)
    return total


# ---------------------------------------------------------------- hooking in


class _Finder:
    """First of ``sys.meta_path``: finds nothing, but has `hooks` run after their modules."""

    def __init__(self, hooks):
        self.hooks = hooks

    def find_spec(self, name, path=None, target=None):
        """Give another finder's spec for a module with a hook, None for all others."""
        if name not in self.hooks:
            return None
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None else None
            if spec is not None:
                _quiet(self._attach)(name, spec.loader)
                return spec
        return None

    def _attach(self, name, loader):
        execute = loader.exec_module

        def exec_module(module):
            execute(module)
            if module.__name__ == name:
                loader.__dict__.pop("exec_module", None)
                self.ran(name, module)

        loader.exec_module = exec_module

    def ran(self, name, module):
        """Run the hook of ``name``, once."""
        hook = self.hooks.pop(name, None)
        if hook is not None:
            _quiet(hook)(module)


_state = {}


def _hook_late():
    """Hook into modules that came in past the finder: a program may replace sys.meta_path."""
    finder = _state["finder"]
    for name in list(finder.hooks):
        module = sys.modules.get(name)
        if module is not None and not _is_loading(module):
            finder.ran(name, module)
    main = sys.modules.get("__main__")
    if getattr(getattr(main, "__spec__", None), "name", None) == "http.server":
        # python -m http.server: the module runs under another name
        finder.ran("http.server", main)


def _hook_asyncio(events):
    original = events._set_running_loop
    tell = _quiet(_state["probe"].running_loop)

    def _set_running_loop(loop):
        original(loop)
        tell(loop)

    events._set_running_loop = _set_running_loop
    package = sys.modules.get("asyncio")
    if getattr(package, "_set_running_loop", None) is original:
        # asyncio was imported before us; uvloop takes the name from here
        package._set_running_loop = _set_running_loop


def _hook_trio(run):
    original = run.setup_runner
    probe = _state["probe"]

    @_quiet
    def instrument():
        probe.numbers += 1
        loop = _Loop(probe.numbers)
        loop.kind = loop.way = "trio"
        loop.depth = _depth(sys._getframe())
        return loop

    @_quiet
    def begin(loop, runner):
        loop.loop, loop.running, loop.busy_since = runner, True, _clock()
        probe.loops["trio", loop.ident] = loop

    @_quiet
    def end(ident):
        loop = probe.loops.get(("trio", ident))
        if loop is not None and loop.running:
            loop.stop()

    def setup_runner(clock, instruments, *rest, **more):
        loop = instrument()
        if loop is None:
            return original(clock, instruments, *rest, **more)
        runner = original(clock, [*instruments, _Instrument(loop, end)], *rest, **more)
        begin(loop, runner)
        return runner

    run.setup_runner = setup_runner


class _Instrument:
    """What trio calls; an object apart, because trio looks at every name of it."""

    def __init__(self, loop, end):
        self.before_io_wait = loop.before_io_wait
        self.after_io_wait = loop.after_io_wait
        self.after_run = lambda: end(loop.ident)


HTTP_SERVERS = {
    "_monit_http_uvicorn": (
        "uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl",
        "uvicorn.protocols.http.zttp_impl", "uvicorn.protocols.http.zttp_h2_impl",
    ),
    "_monit_http_loops": (
        "hypercorn.protocol.http_stream", "gunicorn.asgi.protocol",
        "aiohttp.web_protocol", "tornado.web",
    ),
    "_monit_http_threads": (
        "gunicorn.workers.sync", "gunicorn.workers.gthread", "gunicorn.workers.base_async",
        "http.server", "wsgiref.simple_server", "werkzeug.serving", "waitress.task",
        "waitress.channel",
    ),
}  # fmt: skip
"""Which file has hooks for which modules; it is loaded with the first of these."""


def _hook_http(file, name):
    """Give the hook of one of `HTTP_SERVERS`."""

    def hook_http(module):
        _state["http"] = _beside("_monit_http")
        _beside(file).HOOKS[name](module)

    return hook_http


def _is_main_interpreter():
    # ending a subinterpreter that has a raw thread aborts the whole process on 3.12
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = __import__(name)
        except ImportError:
            continue
        return interpreters.get_current() == interpreters.get_main()
    return True


@_quiet
def install():
    """Begin to measure this process and those that it forks; once."""
    if _state or not _is_main_interpreter():
        return
    import atexit

    try:
        _Probe.block_s = max(0.02, float(os.environ["MONIT_PROBE_BLOCK_MS"]) / 1000.0)
    except (KeyError, ValueError):
        _Probe.block_s = BLOCK_S
    probe = _state["probe"] = _Probe(
        os.environ["MONIT_PROBE_SOCK"], os.environ.get("MONIT_PROBE_ASK")
    )
    finder = _Finder({"asyncio.events": _hook_asyncio, "trio._core._run": _hook_trio})
    if os.environ.get("MONIT_PROBE_HTTP") != "0":
        for file, names in HTTP_SERVERS.items():
            finder.hooks.update((name, _hook_http(file, name)) for name in names)
    _state["finder"] = finder
    sys.meta_path.insert(0, finder)
    _hook_late()
    _Forks(probe).install()
    atexit.register(_quiet(probe.bye))
    probe.start()
