"""One stream's log file and the time index beside it.

The keeper is the only writer. Bytes go to an explicit offset: splice refuses files opened
for appending, and so a file that somebody else cut short is noticed instead of
filled with zeros.
"""

import errno
import os

from monit_agent.keep.lenient import suppress
from monit_agent.wire import timeindex

_READ_BYTES = 65536


class LogFile:
    """Where a stream's bytes lie. ``base`` is the logical offset of the file's first byte,
    ``size`` how many bytes follow."""

    def __init__(self, path: str, index_path: str) -> None:
        self.path = path
        self.index_path = index_path
        self.base = 0
        self.size = 0
        self._fd = -1
        self._index_fd = -1
        self._index_end = 0
        self._last_ns = 0
        self._splices = hasattr(os, "splice")
        self._unwritten = b""
        self._known = False

    @property
    def end(self) -> int:
        """The logical offset of the next byte."""
        return self.base + self.size

    def open(self) -> None:
        """Open or make both files and go on where they end; OSError when that fails."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        self._fd = _open(self.path)
        self.size = os.fstat(self._fd).st_size
        self._open_index()
        self._known = True

    def close(self) -> None:
        """Let go of both files."""
        for fd in (self._fd, self._index_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._index_fd = -1

    def heal(self) -> None:
        """Notice that somebody cut the file short, removed it or put another in its place;
        offsets go on from where they were. OSError when there can be no file."""
        if not self._known:
            self.close()
            self.open()
            return
        if self._fd >= 0 and self._index_fd >= 0:
            status = os.fstat(self._fd)
            if status.st_nlink and status.st_size >= self.size:
                return
            if status.st_nlink:
                self._begin_at(self.end - status.st_size, status.st_size)
                return
        self.make_anew()

    def is_elsewhere(self) -> bool:
        """Tell whether the path names another file now (somebody renamed ours)."""
        try:
            there, ours = os.stat(self.path), os.fstat(self._fd)
        except OSError:
            return True
        return (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev)

    def make_anew(self) -> None:
        """Leave the present file to whoever moved it and begin another."""
        self.close()
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        self._fd = _open(self.path)
        self._index_fd = _open(self.index_path)
        self._begin_at(self.end, 0)

    def flush(self) -> None:
        """Empty the file; offsets go on."""
        self._begin_at(self.end, 0)

    def take(self, pipe: int, most: int, wall_ns: int) -> int:
        """Move up to ``most`` bytes from ``pipe`` and give how many; BlockingIOError when it is
        empty, another OSError when the file cannot be written."""
        start = self.end
        moved = self._move(pipe, most)
        self.size += moved
        if wall_ns >= self._last_ns + timeindex.GRAIN_NS:
            self._date(start, wall_ns)
        return moved

    def _move(self, pipe: int, most: int) -> int:
        if self._splices:
            try:
                return os.splice(pipe, self._fd, most, offset_dst=self.size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise
                self._splices = False  # a file system that cannot
        if not self._unwritten:
            self._unwritten = os.read(pipe, min(most, _READ_BYTES))
        moved = 0
        while self._unwritten:  # kept over an error, so that a retry loses nothing of it
            written = os.pwrite(self._fd, self._unwritten, self.size + moved)
            self._unwritten = self._unwritten[written:]
            moved += written
        return moved

    def _date(self, offset: int, wall_ns: int) -> None:
        # a clock that was set back must not make the times of a file decrease
        at = max(wall_ns, self._last_ns)
        with suppress(OSError):  # a full disk: the bytes' own trouble is told
            os.pwrite(self._index_fd, timeindex.pack_record(offset, at), self._index_end)
            self._index_end += timeindex.RECORD.size
            self._last_ns = at

    def _begin_at(self, base: int, size: int) -> None:
        """Let the file begin at ``base``. The index says so before the file is cut: after
        a death between the two, offsets jump ahead but never back."""
        if os.fstat(self._index_fd).st_nlink == 0:
            os.close(self._index_fd)
            self._index_fd = _open(self.index_path)
        os.pwrite(self._index_fd, timeindex.pack_header(base), 0)
        os.ftruncate(self._fd, size)
        os.ftruncate(self._index_fd, timeindex.HEADER.size)
        self._index_end = timeindex.HEADER.size
        self._last_ns = 0
        self.base, self.size = base, size

    def _open_index(self) -> None:
        self._index_fd = _open(self.index_path)
        raw = os.pread(self._index_fd, os.fstat(self._index_fd).st_size, 0)
        try:
            self.base = timeindex.unpack_header(raw)
        except timeindex.BadIndexError:
            self._begin_at(self.base, self.size)
            return
        records = timeindex.unpack_records(raw[timeindex.HEADER.size :])
        # a power cut may leave dates of bytes that never reached the disk
        kept = [date for date in records if self.base <= date[0] <= self.end]
        self._last_ns = kept[-1][1] if kept else 0
        self._index_end = timeindex.HEADER.size + len(kept) * timeindex.RECORD.size
        whole = b"".join(timeindex.pack_record(*date) for date in kept)
        if raw[timeindex.HEADER.size :] != whole:
            os.pwrite(self._index_fd, whole, timeindex.HEADER.size)
            os.ftruncate(self._index_fd, self._index_end)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
