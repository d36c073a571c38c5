"""Giving a log file its permanent name: each step, and what a kill between two of them leaves.

The next file is made first, so that a disk without room for it keeps the present one growing.
Then, in this order, each a rename:

1. the log gets its permanent name, which has the offset of its first byte
2. its index gets its own
3. the next index is put in its place; it says where the next log begins
4. the next log is put in its place

After a kill between any two, `finish_interrupted` and `end_of_rotated` lead to the same offsets.
"""

import errno
import fcntl
import os
from collections.abc import Callable

from monit_agent.system.suppress import suppress
from monit_agent.wire import logfiles, timeindex
from monit_agent.wire.logfiles import UNFINISHED, StreamNames, is_base

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def rotate(names: StreamNames, base: int, end: int) -> tuple[int, int]:
    """Rotate the file that begins at ``base``; return the descriptors of the next log and of its
    index, which begin at ``end``. Raise OSError; then the old file may still be written to."""
    log = index = -1
    try:
        log = _create(names.log + UNFINISHED)
        _keep_mode(names, log)
        index = _create(names.index + UNFINISHED)
        os.pwrite(index, timeindex.pack_header(end), 0)
        os.rename(names.log, names.rotated(base))
        os.rename(names.index, names.rotated_index(base))
        os.rename(names.index + UNFINISHED, names.index)
        os.rename(names.log + UNFINISHED, names.log)
    except OSError:
        for fd in (log, index):
            if fd >= 0:
                os.close(fd)
        remove_unfinished(names)
        raise
    return log, index


def finish_interrupted(names: StreamNames) -> None:
    """Do what a killed keeper left undone: an index that belongs to a rotated file gets its name.
    Raise OSError."""
    remove_unfinished(names)
    base = index_base(names.index)
    if base is None or os.path.lexists(names.log):
        return
    if os.path.exists(names.rotated(base)) and not os.path.lexists(names.rotated_index(base)):
        os.rename(names.index, names.rotated_index(base))


def remove_unfinished(names: StreamNames) -> None:
    """Remove what was made for a rotation that did not come about."""
    for path in (names.log, names.index):
        with suppress(OSError):
            os.unlink(path + UNFINISHED)


def index_base(path: str) -> int | None:
    """Return the offset at which an index begins; None without one that can be read."""
    with suppress(OSError, timeindex.BadIndexError), open(path, "rb") as file:
        return timeindex.unpack_header(file.read(timeindex.HEADER.size))
    return None


class RotatedListing:
    """The rotated files in folders of logs, each listed once for all streams that are opened in one
    round of the loop: the folder of 1,000 instances has 4,000 files."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def rotated_in(self, folder: str) -> list[str]:
        """Return the names of rotated files in a folder; [] when none can be seen."""
        if folder not in self._names:
            self._names[folder] = rotated_in(folder)
        return self._names[folder]

    def forget(self) -> None:
        """List the folders again when they are needed."""
        self._names.clear()


def rotated_in(folder: str) -> list[str]:
    """Return the names of rotated files in a folder now; [] when none can be seen."""
    with suppress(OSError):
        return [name for name in os.listdir(folder) if any(map(is_base, name.split(".")))]
    return []


def end_of_rotated(names: StreamNames, listed: Callable[[str], list[str]]) -> int:
    """Return where the newest rotated file of a stream ends, 0 without one. ``listed`` returns the
    names of the rotated files in a folder."""
    bases = names.bases(listed(names.folder))
    return rotated_end(names, bases[-1]) if bases else 0


def known_end(names: StreamNames, listed: Callable[[str], list[str]]) -> int:
    """Return where a stream that has no open file ends."""
    base = index_base(names.index)
    return max(base or 0, end_of_rotated(names, listed))


def rotated_end(names: StreamNames, base: int) -> int:
    """Return where the rotated file that begins at ``base`` ends; ``base`` when that cannot be
    read."""
    with suppress(OSError):
        return base + os.stat(names.rotated(base)).st_size
    with suppress(OSError, logfiles.BadFramesError), open(names.frames(base), "rb") as file:
        return logfiles.unpack_frames(file.read())[-1][0]
    return base


def claim_file(fd: int) -> None:
    """Claim a log file at a place that a user chose: two that write to one file would destroy it.
    Raise OSError when another process has it."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(errno.EBUSY, "another app keeps its log in this file") from error


def _keep_mode(names: StreamNames, following: int) -> None:
    """Let who may read a file at a place that a user chose read the next one too."""
    if not names.is_elsewhere:
        return
    claim_file(following)
    with suppress(OSError):
        present = os.stat(names.log)
        os.fchown(following, -1, present.st_gid)
        os.fchmod(following, present.st_mode & 0o777)


def _create(path: str) -> int:
    with suppress(FileNotFoundError):
        os.unlink(path)  # of a keeper that was killed
    return os.open(path, _FLAGS, 0o600)
