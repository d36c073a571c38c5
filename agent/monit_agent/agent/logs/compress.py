"""``python -I -S …/agent/logs/compress.py LOG INDEX BASE …``: compress rotated log files.

A process of its own with the lowest priority: in a thread of the agent it would hold the
interpreter while it waits for a processor. Zlib at its fastest level takes 17 ms a megabyte and
leaves a third of an ordinary log; level 6 takes 43 ms and leaves a quarter.

A kill at any point loses nothing: the file is there until the compressed one is, and where both
are, the compressed one is made again.
"""

import contextlib
import fcntl
import os
import sys
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from typing import BinaryIO

if __name__ == "__main__":
    root = os.path.abspath(__file__)
    for _ in ("logs", "agent", "monit_agent", "the folder that holds it"):
        root = os.path.dirname(root)
    sys.path.insert(0, root)

from monit_agent.wire import logfiles, timeindex
from monit_agent.wire.logfiles import FRAME_BYTES, UNFINISHED, StreamNames

LEVEL = 1
_GZIP = 31
"""zlib's word for the header of gzip."""


def compress_rotated(names: StreamNames, base: int, frame_bytes: int = FRAME_BYTES) -> bool:
    """Compress the rotated file that begins at ``base``; return whether it is compressed now.
    Raise OSError; then the file is as it was."""
    with contextlib.ExitStack() as held:
        try:
            source = held.enter_context(open(names.rotated(base), "rb"))
            fcntl.flock(source, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (FileNotFoundError, BlockingIOError):
            return False  # removed, or another process compresses it
        if not _is_at(names.rotated(base), source.fileno()):
            return False
        packed = names.compressed(base)
        for path in (packed, names.frames(base)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        try:
            members = _members(source, base, frame_bytes)
            rows = _write_members(members, packed + UNFINISHED, base, _times(names, base))
            _write(names.frames(base), logfiles.pack_frames(base, rows))
            status = os.fstat(source.fileno())
            os.utime(packed + UNFINISHED, ns=(status.st_atime_ns, status.st_mtime_ns))
            os.rename(packed + UNFINISHED, packed)
        except OSError:
            _remove(packed + UNFINISHED, names.frames(base))
            raise
        if not _is_at(names.rotated(base), source.fileno()):
            _remove(packed, names.frames(base))  # the keeper removed it meanwhile
            return False
        os.unlink(names.rotated(base))
        return True


def _members(source: BinaryIO, base: int, frame_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield each member with the offset behind its last byte."""
    while block := source.read(frame_bytes):
        base += len(block)
        yield base, zlib.compress(block, LEVEL, _GZIP)


def _write_members(
    members: Iterator[tuple[int, bytes]], path: str, base: int, times: list[tuple[int, int]]
) -> list[tuple[int, int, int]]:
    """Write the members to ``path`` and return the rows of their table."""
    rows = [(base, 0, _time_at(times, base))]
    with open(_create(path), "wb") as packed:
        for offset, member in members:
            packed.write(member)
            rows.append((offset, packed.tell(), _time_at(times, offset)))
        packed.flush()
        os.fsync(packed.fileno())
    return rows


def _write(path: str, raw: bytes) -> None:
    with open(_create(path + UNFINISHED), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + UNFINISHED, path)


def _create(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path, flags, 0o600)


def _times(names: StreamNames, base: int) -> list[tuple[int, int]]:
    with contextlib.suppress(OSError), open(names.rotated_index(base), "rb") as index:
        return timeindex.unpack_records(index.read()[timeindex.HEADER.size :])
    return []


def _time_at(times: list[tuple[int, int]], offset: int) -> int:
    """Return when the byte at ``offset`` was printed, 0 when unknown."""
    number = bisect_right(times, offset, key=lambda record: record[0])
    return times[max(0, number - 1)][1] if times else 0


def _is_at(path: str, fd: int) -> bool:
    try:
        there, ours = os.stat(path), os.fstat(fd)
    except OSError:
        return False
    return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)


def _remove(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def main(arguments: list[str]) -> int:
    """Compress the files that ``arguments`` name; 1 when one of them failed."""
    os.nice(19)
    os.umask(0o077)
    failed = 0
    while arguments:
        log, index, base, *arguments = arguments
        try:
            compress_rotated(StreamNames(log, index), int(base))
        except OSError as error:
            failed = 1
            sys.stderr.write(f"cannot compress {log} from {base} on: {error.strerror}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
