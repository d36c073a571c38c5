# pyright: basic
"""What blocks an event loop. Loaded by the probe's thread when the program has a loop."""

import _thread
import os
import sys

from _monit_probe.basics import Settings, get_native_id, is_own, read_start, wall_clock
from _monit_probe.collector import Collections

FRAMES, TEXT = 30, 200
"""Frames of a stack, and characters of a file's or function's name."""
PENDING = 50
"""Different blocks that may wait to be reported."""
REPORTED = 5
"""Different blocks in one report."""
THREADS = 64
"""Threads whose CPU is read; in a program with more of them the busiest may be missed."""
LOOP_MACHINERY = (
    "/asyncio/base_events.py", "/asyncio/events.py", "/asyncio/runners.py", "/selectors.py",
    "/asyncio/unix_events.py", "/uvloop/__init__.py", "/trio/_core/_run.py",
    "/trio/_core/_io_epoll.py", "/nest_asyncio.py",
)  # fmt: skip
"""Files of event loops: their frames call the program's callbacks."""


class _Block:
    """A loop that has been busy for longer than the threshold and still is."""

    __slots__ = ("kind", "mark", "next_look", "since", "stack")

    def __init__(self, since, next_look):
        self.since, self.next_look = since, next_look
        self.kind = ""
        self.stack = ()
        self.mark = None


class BlockFinder:
    """Finds out what blocks a loop, and adds up equal findings."""

    def __init__(self):
        self._over = {}
        """[count, seconds, longest, at] of blocks that are over, by (kind, stack)."""
        self.lost = 0
        self._cpu = {}

    def check(self, loop, now, late):
        """Check whether ``loop`` is blocked; ``late`` is how late the probe's thread woke up."""
        since = loop.stuck_since(now)
        block = loop.block
        if block is not None and block.since != since:
            self._end(loop, block, now)
            block = loop.block = None
        if not since or now - since < Settings.block_s:
            return
        if block is None:
            loop.block = self._capture(loop, since, now, late)
        elif now >= block.next_look and block.kind == "callback":
            block.next_look = now + (now - since)
            self._look_again(loop, block)

    def _capture(self, loop, since, now, late):
        # the second look is at twice the threshold, the next at four times, eight times
        block = _Block(since, since + 2 * max(Settings.block_s, now - since - 0.1))
        frame = sys._current_frames().get(loop.ident)
        block.stack = _stack(frame)
        called = _callback_frame(frame, loop.depth)
        if frame is not None and frame.f_code is Collections.callback_code:
            block.kind = "gc"
        elif late > Settings.block_s / 2 and self._is_other_thread_busy(loop):
            block.kind = "gil"
            block.stack = self._busiest_stack(loop) or block.stack
        elif called is None:
            block.kind = "saturated"
        else:
            block.kind = "callback"
            _mark(block, called)
        return block

    def _look_again(self, loop, block):
        called = _callback_frame(sys._current_frames().get(loop.ident), loop.depth)
        if called is None or not _is_marked(block, called):
            block.kind = "saturated"

    def _end(self, loop, block, now):
        recent = loop.lag.recent
        seconds = next((each for since, each in recent if since == block.since), now - block.since)
        self._count(block.kind, block.stack, seconds)

    def _count(self, kind, stack, seconds):
        known = self._over.get((kind, stack))
        if known is not None:
            known[0] += 1
            known[1] += seconds
            known[2] = max(known[2], seconds)
            known[3] = wall_clock()
        elif len(self._over) < PENDING:
            self._over[kind, stack] = [1, seconds, seconds, wall_clock()]
        else:
            self.lost += 1

    def report(self, loops, now):
        """Return at most `REPORTED` different blocks that are over, and all that last."""
        for loop in loops:
            # one that ended since the last wake is over: its end is seen here
            if loop.block is not None and loop.block.since != loop.stuck_since(now):
                self.check(loop, now, 0.0)
            del loop.lag.recent[:-4]  # the last ones may end a block that is seen later
        items = list(self._over.items())
        self._over = dict(items[REPORTED:])
        rows = [
            {"kind": kind, "stack": stack, "count": n, "total": total, "max": most, "at": at}
            for (kind, stack), (n, total, most, at) in items[:REPORTED]
        ]
        for loop in loops:
            block = loop.block
            if block is not None:
                rows.append({"kind": block.kind, "stack": block.stack, "count": 0,
                             "total": now - block.since, "max": now - block.since,
                             "at": wall_clock()})  # fmt: skip
        return rows

    # -- which thread has used the CPU

    def note_cpu(self):
        """Note how much CPU each thread has used so far."""
        self._cpu = _cpu_by_thread() if _thread._count() > 1 else {}

    def _busiest_thread(self):
        """Return the native id of the thread that used most CPU since `note_cpu`; None if no
        thread used enough to block the others."""
        used = {tid: cpu - self._cpu.get(tid, 0) for tid, cpu in _cpu_by_thread().items()}
        tid = max(used, key=lambda tid: used[tid], default=None)
        return tid if tid is not None and used[tid] > Settings.block_s * 5e8 else None

    def _is_other_thread_busy(self, loop):
        return bool(self._cpu) and self._busiest_thread() not in (None, loop.tid)

    def _busiest_stack(self, loop):
        """Return what the busiest other thread does, () if that is unknown."""
        busiest = self._busiest_thread()
        active = getattr(sys.modules.get("threading"), "_active", {})
        for ident, thread in list(active.items()):
            native_id = getattr(thread, "native_id", None)
            if native_id == busiest and busiest not in (None, loop.tid):
                return _stack(sys._current_frames().get(ident))
        return ()

    def count_gil_wait(self, loop, late):
        """Count a time in which no thread, not even the probe's, got the GIL while the loop waited
        for events. What became due then was late, which the loop itself cannot see."""
        stack = self._busiest_stack(loop)
        if stack:
            self._count("gil", stack, late)


# --------------------------------------------------------------------- frames


def _stack(frame):
    """Return [file, line, function] of the innermost frames, innermost first; no values."""
    rows = []
    while frame is not None and len(rows) < FRAMES:
        code = frame.f_code
        if not is_own(code):
            name = getattr(code, "co_qualname", code.co_name)
            rows.append((code.co_filename[-TEXT:], frame.f_lineno or 0, name[:TEXT]))
        frame = frame.f_back
    return tuple(rows)


def _callback_frame(frame, depth):
    """Return the outermost frame that the loop called; None while the loop's own code runs.

    ``depth`` is the number of the program's frames below the loop.
    """
    chain = []
    while frame is not None:
        if not is_own(frame.f_code):
            chain.append(frame)
        frame = frame.f_back
    for each in chain[: max(0, len(chain) - depth)][::-1]:
        if not each.f_code.co_filename.endswith(LOOP_MACHINERY):
            return each
    return None


def _mark(block, frame):
    """Make ``frame`` recognisable without keeping it, and the values in it, alive."""
    if sys.version_info < (3, 10):
        # a frame with a trace function does not keep its line number there
        block.mark = (id(frame), frame.f_lasti)
        return

    def mark(frame, event, argument):
        """Do nothing if the program is traced."""

    if frame.f_trace is None:
        frame.f_trace = block.mark = mark


def _is_marked(block, frame):
    if block.mark is None:
        return True
    if sys.version_info < (3, 10):
        return block.mark == (id(frame), frame.f_lasti)
    return frame.f_trace is block.mark


def _cpu_by_thread():
    """Return the CPU nanoseconds of the other threads, at most `THREADS`, by native id."""
    used = {}
    try:
        tids = os.listdir("/proc/self/task")
    except OSError:
        return used
    own = str(get_native_id())
    for tid in tids[:THREADS]:
        raw = read_start("/proc/self/task/%s/schedstat" % tid, 64) if tid != own else None
        if raw:
            used[int(tid)] = int(raw.split()[0])
    return used
