"""One stream's log file and the time index beside it.

The keeper is the only writer. Bytes go to an explicit offset, because splice refuses files opened
for appending. So a file that another program truncated is noticed instead of filled with zeros.
A file that has reached its limit is rotated at the next end of a line, while bytes are moved: no
timer can let it grow further.
"""

import errno
import os
from collections.abc import Callable

from monit_agent.keeper.logs import rotation
from monit_agent.keeper.logs.line_end import length_to_line_end
from monit_agent.keeper.upgrade.inherited import Inherited, Values, bytes_of, text_of
from monit_agent.system.files.ownership import require_own_folder
from monit_agent.system.suppress import suppress
from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import StreamNames

_READ_BYTES = 65536
_MODE = 0o600

LINE_BYTES = 1024 * 1024
"""A longer line is divided between two files, as `monit logs` divides it too."""

ROTATION_RETRY_NS = 2_000_000_000


class LogFile:
    """The bytes of one stream. ``base`` is the logical offset of the file's first byte, ``size``
    the number of bytes. ``listed`` returns the names of the rotated files in a folder."""

    def __init__(
        self, names: StreamNames, listed: Callable[[str], list[str]] = rotation.rotated_in
    ) -> None:
        self.names = names
        self._listed = listed
        self.target = names.log
        """What is written to, for people."""
        self.is_busy = False
        """It takes nothing for a moment, and will soon."""
        self.base = 0
        self.size = 0
        self.limit = 0
        """Size at which the file is rotated; 0: never."""
        self.rotations = 0
        self.last_rotated: tuple[int, int, float] | None = None
        """Offset, size and time of the file that was rotated last."""
        self.rotation_problem: str | None = None
        """Why the file grows beyond its limit; None when it does not."""
        self.removed_bytes = 0
        """Bytes that another program removed with the file, or by truncating it, since the keeper
        started."""
        self._next_rotation_ns = 0
        self._fd = -1
        self._index_fd = -1
        self._index_end = 0
        self._last_ns = 0
        self._splices = hasattr(os, "splice")
        self.unwritten = b""
        """What was taken out of the pipe, and is written before what is still in it."""
        self._known = False
        self.must_finish_line = False
        """The last line is ended before the next byte is written."""

    @property
    def end(self) -> int:
        """The logical offset of the next byte."""
        return self.base + self.size

    def open(self) -> None:
        """Open or create both files and continue at their end; raise OSError."""
        self._make_folders()
        rotation.finish_interrupted(self.names)
        self.base = max(self.base, rotation.end_of_rotated(self.names, self._listed))
        self._fd = self._open_log()
        self.size = os.fstat(self._fd).st_size
        self._open_index()
        self._known = True

    def hand_on(self, keep: Callable[[int], int]) -> Values:
        """Return what the next program needs to write on; nothing while there are no files."""
        if self._fd < 0 or self._index_fd < 0:
            return {}
        return {
            "fd": keep(self._fd),
            "index_fd": keep(self._index_fd),
            "base": self.base,
            "size": self.size,
            "index_end": self._index_end,
            "last_ns": self._last_ns,
            "unwritten": text_of(self.unwritten),
            "must_finish_line": self.must_finish_line,
            "removed_bytes": self.removed_bytes,
        }

    def resume(self, inherited: Inherited, given: Values) -> None:
        """Write on where the program before this one stopped."""
        self._fd, self._index_fd = inherited.take(given["fd"]), inherited.take(given["index_fd"])
        self.base, self.size = given["base"], given["size"]
        self._index_end, self._last_ns = given["index_end"], given["last_ns"]
        self.unwritten = bytes_of(given["unwritten"])
        self.must_finish_line = given["must_finish_line"]
        self.removed_bytes = given["removed_bytes"]
        self._known = True

    def let_read(self, gid: int) -> None:
        """Let a group read a file at a place that a user chose, unless its mode was changed."""
        if self._fd < 0 or not self.names.is_elsewhere:
            return
        with suppress(OSError):
            if os.fstat(self._fd).st_mode & 0o777 == _MODE:
                os.fchown(self._fd, -1, gid)
                os.fchmod(self._fd, _MODE | 0o040)

    def close(self) -> None:
        """Close both files."""
        for fd in (self._fd, self._index_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._index_fd = -1

    def read_last(self, begin: int, most: int) -> bytes:
        """Return at most ``most`` of the last bytes from the logical offset ``begin`` on; nothing
        when the file cannot be read."""
        first = max(begin - self.base, self.size - most, 0)
        with suppress(OSError), open(self.names.log, "rb") as file:
            file.seek(first)
            return file.read(most)
        return b""

    def repair(self) -> None:
        """Continue with a new or shorter file if another program truncated, removed or replaced it;
        offsets continue. Raise OSError when there can be no file."""
        if not self._known:
            self.close()
            self.open()
            return
        if self._fd >= 0 and self._index_fd >= 0:
            status = os.fstat(self._fd)
            if status.st_nlink and status.st_size >= self.size:
                return
            if status.st_nlink:
                self._continue_truncated(status.st_size)
                return
            self.removed_bytes += self.size
        self.start_new_file()

    def has_room(self) -> bool:
        """Return whether the disk has room; raise OSError."""
        return os.statvfs(self.names.log).f_bavail > 0

    def was_moved(self) -> bool:
        """Return whether the path names another file now (ours was renamed)."""
        try:
            there, ours = os.stat(self.names.log), os.fstat(self._fd)
        except OSError:
            return True
        return (there.st_ino, there.st_dev) != (ours.st_ino, ours.st_dev)

    def start_new_file(self) -> None:
        """Close the file that was moved and begin another."""
        self.close()
        self._make_folders()
        rotation.finish_interrupted(self.names)
        self._fd = self._open_log()
        self._index_fd = _open(self.names.index)
        self._set_base(self.end, 0)

    def flush(self) -> None:
        """Empty the file; offsets continue."""
        self._set_base(self.end, 0)

    def rotate(self) -> None:
        """Rename the file to its permanent name and begin the next one; raise OSError, with the
        file as it was."""
        end, status = self.end, os.fstat(self._fd)
        following = rotation.rotate(self.names, self.base, end)
        self.close()
        self.last_rotated = self.base, status.st_size, status.st_mtime
        self._fd, self._index_fd = following
        self._index_end = timeindex.HEADER.size
        self._last_ns = 0
        self.base, self.size = end, 0
        self.rotations += 1

    def finish_line(self) -> None:
        """End a last line that has no newline: what follows comes from another worker. Where the
        newline cannot be written now, `move_from` does it before the next byte."""
        if self.unwritten:
            self.must_finish_line = self.unwritten[-1:] != b"\n"
            return
        self.must_finish_line = False
        if not self.size or os.pread(self._fd, 1, self.size - 1) in (b"\n", b""):
            return
        self.must_finish_line = True
        self.size += os.pwrite(self._fd, b"\n", self.size)
        self.must_finish_line = False

    def move_from(self, pipe: int, most: int, wall_ns: int) -> int:
        """Move up to ``most`` bytes from ``pipe`` and return how many. Raise BlockingIOError
        when it is empty, another OSError when the file cannot be written."""
        if self.must_finish_line and not self.unwritten:
            self.finish_line()
        if self.limit:
            most = self._room(pipe, most, wall_ns)
        start = self.end
        moved = self._move(pipe, most)
        self.size += moved
        undated = self._index_end == timeindex.HEADER.size
        if undated or wall_ns >= self._last_ns + timeindex.GRAIN_NS:
            self._add_time(start, wall_ns)
        return moved

    def _room(self, pipe: int, most: int, wall_ns: int) -> int:
        """Return how many bytes may follow in this file, after rotating it if it is time to."""
        if self.size < self.limit:
            return min(most, self.limit - self.size)
        if wall_ns < self._next_rotation_ns:
            return most
        divided = self.size >= self.limit + LINE_BYTES
        if not divided and os.pread(self._fd, 1, self.size - 1) != b"\n":
            return min(most, length_to_line_end(pipe))
        try:
            self.rotate()
        except OSError as error:  # it grows instead: no byte is lost for want of a name
            self.rotation_problem = error.strerror or str(error)
            self._next_rotation_ns = wall_ns + ROTATION_RETRY_NS
            return most
        self.rotation_problem = None
        self._next_rotation_ns = 0
        return min(most, self.limit)

    def _continue_truncated(self, left: int) -> None:
        """Continue a file of which another program has left ``left`` bytes: they keep their
        offsets, in a file of their own, and what follows has those that it would have had."""
        self.removed_bytes += self.size - left
        if not left:
            self._set_base(self.end, 0)
            return
        try:
            self.rotate()
        except OSError:
            self._set_base(self.end - left, left)

    def _move(self, pipe: int, most: int) -> int:
        if self._splices and not self.unwritten:
            try:
                return os.splice(pipe, self._fd, most, offset_dst=self.size)
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise
                self._splices = False  # a file system that cannot
        if not self.unwritten:
            self.unwritten = os.read(pipe, min(most, _READ_BYTES))
        written = os.pwrite(self._fd, self.unwritten, self.size)
        self.unwritten = self.unwritten[written:]  # kept after an error: a retry loses nothing
        return written

    def _add_time(self, offset: int, wall_ns: int) -> None:
        # a clock that was set back must not make the times of a file decrease
        at = max(wall_ns, self._last_ns)
        with suppress(OSError):  # a full disk: the error of the bytes is recorded
            os.pwrite(self._index_fd, timeindex.pack_record(offset, at), self._index_end)
            self._index_end += timeindex.RECORD.size
            self._last_ns = at

    def _make_folders(self) -> None:
        folder = os.path.dirname(self.names.index)
        require_own_folder(os.path.dirname(folder))
        for each in (folder, self.names.folder):
            os.makedirs(each, mode=0o700, exist_ok=True)

    def _open_log(self) -> int:
        fd = _open(self.names.log)
        if not self.names.is_elsewhere:
            return fd
        try:
            rotation.claim_file(fd)
        except OSError:
            os.close(fd)
            raise
        return fd

    def _set_base(self, base: int, size: int) -> None:
        """Let the file begin at ``base``. The index is written before the file is truncated:
        after a kill between the two, offsets jump forward but never back."""
        if os.fstat(self._index_fd).st_nlink == 0:
            os.close(self._index_fd)
            self._index_fd = _open(self.names.index)
        os.pwrite(self._index_fd, timeindex.pack_header(base), 0)
        os.ftruncate(self._fd, size)
        os.ftruncate(self._index_fd, timeindex.HEADER.size)
        self._index_end = timeindex.HEADER.size
        self._last_ns = 0
        self.base, self.size = base, size

    def _open_index(self) -> None:
        self._index_fd = _open(self.names.index)
        raw = os.pread(self._index_fd, os.fstat(self._index_fd).st_size, 0)
        try:
            header = timeindex.unpack_header(raw)
        except timeindex.BadIndexError:
            header = -1
        if header < self.base:  # none, or that of another file
            self._set_base(self.base, self.size)
            return
        self.base = header
        records = timeindex.unpack_records(raw[timeindex.HEADER.size :])
        # a power failure may leave times of bytes that never reached the disk
        kept = [date for date in records if self.base <= date[0] <= self.end]
        self._last_ns = kept[-1][1] if kept else 0
        self._index_end = timeindex.HEADER.size + len(kept) * timeindex.RECORD.size
        whole = b"".join(timeindex.pack_record(*date) for date in kept)
        if raw[timeindex.HEADER.size :] != whole:
            os.pwrite(self._index_fd, whole, timeindex.HEADER.size)
            os.ftruncate(self._index_fd, self._index_end)


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
