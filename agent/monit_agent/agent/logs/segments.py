"""The files of a stream as one run of bytes, at one moment.

The keeper appends, rotates and removes all the while. What is open here stays readable, and the
file that grows is taken together with the offset of its first byte, so that no byte is seen under
another one's address.
"""

import os
import zlib
from bisect import bisect_right
from contextlib import suppress
from typing import Self

from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import BadFramesError, StreamNames, unpack_frames

_TRIES = 20
"""A rotation is a few renames: after one look in the middle of it the next one sees its end."""

_GZIP = 31
"""zlib's word for members with the header of gzip."""


class _Segment:
    """The bytes of one file, from logical offset ``base`` up to ``end``."""

    def __init__(self, fd: int, base: int, end: int) -> None:
        self.fd = fd
        self.base = base
        self.end = end

    def read(self, offset: int, count: int) -> bytes:
        """Return at most ``count`` bytes from ``offset`` on; b"" when they cannot be read."""
        count = min(count, self.end - offset)
        return os.pread(self.fd, count, offset - self.base) if count > 0 else b""

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill the beginning of ``view`` with the bytes from ``offset`` on; return how many."""
        count = min(len(view), self.end - offset)
        return os.preadv(self.fd, [view[:count]], offset - self.base) if count > 0 else 0


class _CompressedSegment(_Segment):
    """The same of a compressed file. ``rows`` is its table."""

    def __init__(self, fd: int, base: int, end: int, rows: list[tuple[int, int, int]]) -> None:
        super().__init__(fd, base, end)
        self._rows = rows
        self._begins = [row[0] for row in rows]
        self._member = (-1, b"")
        """Number and bytes of the member that was read last: a search reads it in blocks."""

    def read(self, offset: int, count: int) -> bytes:
        """Decompress the members that hold the bytes, and no others."""
        stop = min(offset + count, self.end)
        parts: list[bytes] = []
        at = offset
        while at < stop:
            number = bisect_right(self._begins, at) - 1
            first = self._begins[number]
            try:
                member = self._decompress(number)
            except zlib.error:
                break  # the disk damaged it: what is before it is whole
            parts.append(member[at - first : stop - first])
            at = self._begins[number + 1]
        return b"".join(parts)

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill the beginning of ``view`` with the bytes from ``offset`` on; return how many."""
        found = self.read(offset, len(view))
        view[: len(found)] = found
        return len(found)

    def _decompress(self, number: int) -> bytes:
        if self._member[0] != number:
            position, end = self._rows[number][1], self._rows[number + 1][1]
            raw = os.pread(self.fd, end - position, position)
            self._member = number, zlib.decompress(raw, _GZIP)
        return self._member[1]


class Segments:
    """All files of a stream, to be used in a ``with`` statement.

    ``begin`` and ``end`` are the stream's; there may be gaps between two files, where another
    program removed one.
    """

    def __init__(self, names: StreamNames) -> None:
        self._names = names
        self._open: dict[int, _Segment | None] = {}
        self._bases: list[int] | None = None

    def __enter__(self) -> Self:
        self._present = self._open_present()
        return self

    def __exit__(self, *_: object) -> None:
        for segment in self._open.values():
            if segment is not None:
                os.close(segment.fd)
        if self._present.fd >= 0:
            os.close(self._present.fd)

    def is_settled(self) -> bool:
        """Return whether no byte that was read can have come after the file that grows was emptied
        (a file that was rotated keeps its bytes)."""
        present = self._present
        if present.fd < 0 or not self._is_in_place(present.fd, 0):
            return True
        return self._base() == present.base and self._is_in_place(
            present.fd, present.end - present.base
        )

    @property
    def end(self) -> int:
        """The logical offset of the next byte."""
        return self._present.end

    @property
    def begin(self) -> int:
        """The logical offset of the first byte that is there."""
        return self.bases[0]

    @property
    def bases(self) -> list[int]:
        """Where each file begins, ascending; the last is the one that grows."""
        if self._bases is None:
            self._bases = [*self._rotated_bases(), self._present.base]
        return self._bases

    def index_path(self, base: int) -> str:
        """Return the path of a file's time index."""
        grows = base == self._present.base and self._present.fd >= 0
        return self._names.index if grows else self._names.rotated_index(base)

    def after_gap(self, offset: int) -> int:
        """Return where the next file after ``offset`` begins, or the end."""
        at = bisect_right(self.bases, offset)
        return self.bases[at] if at < len(self.bases) else self.end

    def end_before(self, offset: int) -> int:
        """Return where the last file that begins before ``offset`` ends, at most there; the
        beginning of that file if it cannot be read."""
        base = self.bases[max(0, bisect_right(self.bases, offset - 1) - 1)]
        segment = self._segment_at(base)
        return min(segment.end, offset) if segment is not None and segment.end < offset else base

    def bases_within(self, start: int, stop: int) -> list[int]:
        """Return where the files begin that hold the bytes from ``start`` to ``stop``."""
        if start >= self._present.base:
            return [self._present.base]
        first = max(0, bisect_right(self.bases, start) - 1)
        return [base for base in self.bases[first:] if base < stop]

    def read(self, offset: int, count: int) -> bytes:
        """Return at most ``count`` bytes from ``offset`` on; b"" in a gap and at the end."""
        parts: list[bytes] = []
        while count > 0:
            segment = self._segment_at(offset)
            part = segment.read(offset, count) if segment is not None else b""
            if not part:
                break
            parts.append(part)
            offset, count = offset + len(part), count - len(part)
        return b"".join(parts)

    def read_before(self, stop: int, count: int) -> bytes:
        """Return at most ``count`` bytes that end at ``stop``, of one file; b"" behind a gap and at
        the beginning."""
        segment = self._segment_at(stop - 1)
        if segment is None:
            return b""
        first = max(segment.base, stop - count)
        found = segment.read(first, stop - first)
        return found if len(found) == stop - first else b""

    def read_into(self, offset: int, view: memoryview) -> int:
        """Fill the beginning of ``view`` with the bytes from ``offset`` on, of one file; return how
        many, 0 in a gap and at the end."""
        segment = self._segment_at(offset)
        return segment.read_into(offset, view) if segment is not None else 0

    def read_into_before(self, stop: int, view: memoryview) -> int:
        """Fill the beginning of ``view`` with the bytes that end at ``stop``, of one file; return
        how many, 0 behind a gap and at the beginning."""
        segment = self._segment_at(stop - 1)
        if segment is None:
            return 0
        first = max(segment.base, stop - len(view))
        size = stop - first
        return size if segment.read_into(first, view[:size]) == size else 0

    def _segment_at(self, offset: int) -> _Segment | None:
        """Return the file that holds a byte; None in a gap."""
        if offset >= self._present.base:
            return self._present if offset < self._present.end else None
        number = bisect_right(self.bases, offset) - 1
        if number < 0:
            return None
        base = self.bases[number]
        if base not in self._open:
            self._open[base] = self._open_rotated(base, self.bases[number + 1])
        segment = self._open[base]
        return segment if segment is not None and offset < segment.end else None

    def _rotated_bases(self) -> list[int]:
        """Return where the rotated files begin. Looked for after the file that grows was opened,
        so that none before it is missing."""
        listed: set[str] = set()
        for _ in range(2):  # one look may show neither a file nor the compressed one that follows
            with suppress(OSError):
                listed.update(os.listdir(self._names.folder))
        found = self._names.bases(list(listed))
        return [base for base in found if base < self._present.base]

    def _open_rotated(self, base: int, following: int) -> _Segment | None:
        for _ in range(2):  # it may be compressed between the two attempts
            with suppress(OSError):
                fd = os.open(self._names.rotated(base), os.O_RDONLY | os.O_CLOEXEC)
                return _Segment(fd, base, min(base + os.fstat(fd).st_size, following))
            with suppress(OSError, BadFramesError):
                with open(self._names.frames(base), "rb") as table:
                    rows = unpack_frames(table.read())
                fd = os.open(self._names.compressed(base), os.O_RDONLY | os.O_CLOEXEC)
                return _CompressedSegment(fd, base, min(rows[-1][0], following), rows)
        return None

    def _open_present(self) -> _Segment:
        """Open the file that grows; in the middle of a rotation there is none."""
        base = 0
        for _ in range(_TRIES):
            base = self._base()
            try:
                fd = os.open(self._names.log, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            size = os.fstat(fd).st_size
            if self._base() == base and self._is_in_place(fd, size):
                return _Segment(fd, base, base + size)
            os.close(fd)
        return self._end_of_rotated(base)

    def _end_of_rotated(self, base: int) -> _Segment:
        """Return an empty file in the place of one that is missing."""
        nothing = self._present = _Segment(-1, max(base, 1 << 62), 1 << 62)
        bases = self._rotated_bases()
        last = self._open_rotated(bases[-1], nothing.base) if bases else None
        if last is not None:
            os.close(last.fd)
        end = max(base, last.end if last is not None else 0)
        return _Segment(-1, end, end)

    def _is_in_place(self, fd: int, size: int) -> bool:
        """Return whether the path names what is open, and nobody emptied it meanwhile."""
        ours = os.fstat(fd)
        try:
            there = os.stat(self._names.log)
        except OSError:
            return False
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev) and ours.st_size >= size

    def _base(self) -> int:
        """Return where the file that grows begins; 0 without a readable index."""
        with suppress(OSError, timeindex.BadIndexError), open(self._names.index, "rb") as index:
            return timeindex.unpack_header(index.read(timeindex.HEADER.size))
        return 0
