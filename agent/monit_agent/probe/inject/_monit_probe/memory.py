# pyright: basic
"""Size and use of the heap, read from the allocators. Loaded with the first full report."""

import sys

from _monit_probe.basics import read_start, thread_time

PERIOD_S = 0.5
"""The shortest time between two readings."""


class Heap:
    """Size and used bytes of the heap, in the sense of V8.

    ``malloc``: pymalloc's arenas and glibc's (mallinfo2). Anywhere else ``rss``: the size is the
    anonymous resident memory, and the used part is unknown.
    """

    def __init__(self):
        self._allocators = None
        self._next_at = 0.0
        self._last = None

    def read(self, now):
        """Return {src, size, used}; the last one again while a new one would cost too much."""
        if now < self._next_at:
            return self._last
        before = thread_time()
        self._last = self._read()
        # CPU of this thread, because waiting for the GIL costs nobody anything
        cost = thread_time() - before
        self._next_at = now + max(PERIOD_S, 200.0 * cost)
        return self._last

    def _read(self):
        anonymous = _anonymous_bytes()
        if self._allocators is None:
            self._allocators = _Allocators()  # imports ctypes, once
        size_used = self._allocators.size_and_used()
        if size_used is not None and anonymous is not None:
            # another malloc has replaced glibc's, whose numbers then mean nothing
            replaced = anonymous > 50e6 and size_used[0] + size_used[1] < 0.3 * anonymous
            size_used = None if replaced else size_used
        if size_used is not None:
            return {"src": "malloc", "size": size_used[0], "used": size_used[1]}
        return None if anonymous is None else {"src": "rss", "size": anonymous, "used": None}


def _anonymous_bytes():
    raw = read_start("/proc/self/status") or b""
    _, found, rest = raw.partition(b"\nRssAnon:")
    return int(rest.split(None, 1)[0]) * 1024 if found else None


class _Allocators:
    """glibc's allocator and the interpreter's own, by ctypes."""

    def __init__(self):
        import ctypes

        class MallInfo(ctypes.Structure):
            _fields_ = [
                (name, ctypes.c_size_t)
                for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd",
                             "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
            ]  # fmt: skip

        self._mallinfo = self._dump = None
        # CDLL releases the GIL: on a fragmented heap of 2 GB this call takes 183 ms
        libc = ctypes.CDLL(None)
        if not hasattr(libc, "mallinfo2"):
            return
        libc.mallinfo2.restype = MallInfo
        self._mallinfo = libc.mallinfo2
        self._ctypes = ctypes
        self._open_stream = libc.open_memstream
        self._open_stream.restype = ctypes.c_void_p
        self._close_stream = libc.fclose
        self._close_stream.argtypes = [ctypes.c_void_p]
        self._free = libc.free
        self._free.argtypes = [ctypes.c_void_p]
        self._free.restype = None
        # PyDLL keeps the GIL: the interpreter's pools must not change during the call
        dump = getattr(ctypes.pythonapi, "_PyObject_DebugMallocStats", None)
        if dump is not None:
            dump.argtypes = [ctypes.c_void_p]
            dump.restype = ctypes.c_int
        self._dump = dump

    def size_and_used(self):
        """Return (size, used) in bytes; None where they cannot be known."""
        if self._mallinfo is None or self._dump is None:
            return None
        pools = self._pymalloc(self._dump)
        if pools is None:
            return None
        info = self._mallinfo()
        size = pools[0] + info.arena + info.hblkhd
        return size, pools[1] + info.uordblks + info.hblkhd

    def _pymalloc(self, dump):
        ctypes = self._ctypes
        buffer, length = ctypes.c_void_p(), ctypes.c_size_t()
        stream = self._open_stream(ctypes.byref(buffer), ctypes.byref(length))
        if not stream:
            return None
        printed = dump(stream)
        self._close_stream(stream)
        try:
            text = ctypes.string_at(buffer.value, length.value) if buffer.value else b""
        finally:
            self._free(buffer)
        if not printed:
            # PYTHONMALLOC=malloc, where mallinfo sees everything; or the program traces its
            # allocations, where the arenas exist but cannot be seen
            is_tracing = getattr(sys.modules.get("_tracemalloc"), "is_tracing", bool)()
            return None if is_tracing else (0, 0)
        try:
            used = _number_after(text, b"# bytes in allocated blocks")
            return _number_after(text, b"\nTotal "), used
        except ValueError:
            return None  # mimalloc: another text, about the calling thread's heap only


def _number_after(text, label):
    start = text.index(b"=", text.index(label)) + 1
    return int(text[start : text.index(b"\n", start)].replace(b",", b""))
