"""Standard output and standard error: whole lines, and a reader that does not read blocks nobody.

Each output has a thread that writes, because a write to a terminal, a pipe or a socket may block,
and making the descriptor non-blocking would do so for all who share it.
"""

import errno
import os
import select
import signal
import threading
from collections import deque
from collections.abc import Callable

QUEUE_BYTES = 1 << 20
"""How much may wait for the reader. More is left in the log files, where it is bounded too."""


class LineOutput:
    """One output. ``written()`` is called in the loop's thread when there is room again;
    ``closed()`` there, once, when its reader has gone: what is put after that is dropped."""

    def __init__(self, fd: int, written: Callable[[], None], closed: Callable[[], None]) -> None:
        self.lost_bytes = 0
        self._fd = fd
        self._written = written
        self._closed = closed
        self._lock = threading.Condition()
        self._parts: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._error: int | None = None
        self._is_reported = False
        self._unended: object = None
        self.wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def start(self) -> None:
        """Start the thread. It gets no signals, so that they interrupt the loop."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        threading.Thread(target=self._write_all, name=f"output {self._fd}", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def put(self, source: object, data: bytes) -> None:
        """Write ``data`` after what waits already. A line of another source that has no end yet
        gets one."""
        if not data:
            return
        if self._unended not in (None, source):
            data = b"\n" + data
        self._unended = None if data.endswith(b"\n") else source
        with self._lock:
            if self._error is not None:
                self.lost_bytes += len(data)
                return
            self._parts.append(data)
            self._waiting_bytes += len(data)
            self._lock.notify()

    def has_room(self) -> bool:
        """Return whether more may be put: less than `QUEUE_BYTES` wait."""
        return self._waiting_bytes < QUEUE_BYTES

    def is_empty(self) -> bool:
        """Return whether all was written."""
        return self._waiting_bytes == 0

    def was_woken(self, _events: int) -> None:
        """Call back; for the loop, when ``wakeup`` is ready."""
        os.eventfd_read(self.wakeup)
        if self._error is not None and not self._is_reported:
            self._is_reported = True
            self._closed()
        self._written()

    def problem(self) -> str:
        """Return why the reader is gone."""
        return os.strerror(self._error or 0)

    # ------------------------------------------------------------ the thread

    def _write_all(self) -> None:
        while self._error is None:
            with self._lock:
                while not self._parts:
                    self._lock.wait()
                part = self._parts.popleft()
            error = self._write(part)
            with self._lock:
                self._waiting_bytes -= len(part)
                if error is not None:
                    self._error = error
                    self.lost_bytes += self._waiting_bytes + len(part)
                    self._parts.clear()
                    self._waiting_bytes = 0
            os.eventfd_write(self.wakeup, 1)

    def _write(self, part: bytes) -> int | None:
        """Write everything; return the errno when that is impossible now and later."""
        rest = memoryview(part)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:  # somebody who shares it made it non-blocking
                self._await_room()
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    return error.errno or errno.EIO
                self.lost_bytes += len(rest)  # a full disk may have room later
                return None
        return None

    def _await_room(self) -> None:
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        poller.poll()


def is_same_file(one: int, other: int) -> bool:
    """Return whether two descriptors lead to the same file: then one thread must write for both, or
    lines would be cut by one another."""
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False
