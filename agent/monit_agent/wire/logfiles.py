"""The names of a stream's files, and the table of a compressed one.

A stream is kept in one file that grows, ``0.out.log``, and in files that were rotated away from
it, ``0.out.0000000000123456.log``. The number is the logical offset (``wire/timeindex.py``) of the
file's first byte, so a name is an address, names sort by age, and nothing else must be
remembered. A rotated file never changes; compressed it is ``….log.gz``. Beside each file lies its
time index, ``….idx``.

A compressed file is a series of gzip members, each of which can be read alone and holds
`FRAME_BYTES` of the log. Its table ``….frames`` is a header of 16 bytes and then rows of 24 bytes,
little endian:

* header: the 8 bytes ``MONITGZ1``, then the logical offset of the first byte (u64)
* row: ``offset`` (u64, logical), ``position`` (u64, in the compressed file), ``time`` (u64,
  nanoseconds of the wall clock, 0 when unknown) of a member's first byte; the last row has the
  end of both files

Standard library only: the keeper and the agent use it. Nothing is opened here.
"""

import os.path
import struct

from monit_agent.wire.paths import AppPaths

FRAME_BYTES = 1024 * 1024
"""So much is decompressed for one line: 6 ms. Larger members are hardly smaller together."""

DIGITS = 16
"""Of the offset in a name: ten petabytes of one stream."""

NOWHERE = "none"
"""In the place of a path: what is printed is not kept."""

COMPRESSED = ".gz"
UNFINISHED = ".tmp"
"""What is added to the name of a file that is being written."""

MAGIC = b"MONITGZ1"
HEADER = struct.Struct("<8sQ")
ROW = struct.Struct("<QQQ")


class BadFramesError(ValueError):
    """The bytes are not the table of a compressed file."""


class StreamNames:
    """The paths of one stream's files, of its present file ``log`` and that file's ``index``."""

    def __init__(self, log: str, index: str) -> None:
        self.log = log
        self.index = index
        self.folder, name = os.path.split(log)
        self._stem, self._extension = os.path.splitext(name)
        self._index_stem = os.path.splitext(index)[0]
        self.is_elsewhere = self.folder != os.path.dirname(index)
        """Whether a user chose the place of the log."""

    def rotated(self, base: int) -> str:
        """Return the rotated file that begins at ``base``."""
        return os.path.join(self.folder, f"{self._stem}.{base:0{DIGITS}d}{self._extension}")

    def compressed(self, base: int) -> str:
        """Return the same file, compressed."""
        return self.rotated(base) + COMPRESSED

    def rotated_index(self, base: int) -> str:
        """Return its time index."""
        return f"{self._index_stem}.{base:0{DIGITS}d}.idx"

    def frames(self, base: int) -> str:
        """Return its table, if it is compressed."""
        return f"{self._index_stem}.{base:0{DIGITS}d}.frames"

    def all_of(self, base: int) -> tuple[str, ...]:
        """Return every path that belongs to one rotated file; those with bytes of the log first."""
        return (
            self.rotated(base),
            self.compressed(base),
            self.frames(base),
            self.rotated_index(base),
        )

    def base_in(self, name: str) -> int | None:
        """Return the offset in the ``name`` of a rotated file of this stream, compressed or not;
        None for any other name."""
        before, after = self._stem + ".", self._extension
        if not name.startswith(before):  # most names in a folder of many streams
            return None
        plain = name.removesuffix(COMPRESSED)
        number = plain[len(before) : len(plain) - len(after)]
        fits = plain == before + number + after
        return int(number) if fits and is_base(number) else None

    def bases(self, listed: list[str]) -> list[int]:
        """Return where the rotated files among the names of a folder begin, ascending."""
        found = {self.base_in(name) for name in listed}
        return sorted(base for base in found if base is not None)


def stream_names(paths: AppPaths, instance: int, stream: str, chosen: str = "") -> StreamNames:
    """Return the names of a stream's files; ``chosen`` is a path from `chosen_path`. Indexes and
    tables are in the app's folder also then."""
    log = paths.log(instance, stream)
    if chosen and chosen != NOWHERE:
        stem, extension = os.path.splitext(chosen)
        log = f"{stem}-{instance}{extension}" if instance else chosen
    return StreamNames(log, paths.index(instance, stream))


def chosen_path(out: str, err: str, stream: str) -> str:
    """Return the path or `NOWHERE` for a stream, of what an app's settings say for both; "" for
    its usual file."""
    if stream == "out":
        return out
    return "" if is_one_stream(out, err) else err


def where_to_look(to: str, app: str, instance: int | None = None) -> str:
    """Return where the output of an app is that keeps no log files, for people; "" where it keeps
    them."""
    if to == "journald":
        one = "" if instance is None else f" MONIT_INSTANCE={instance}"
        return f"in the journal: journalctl MONIT_APP={app}{one}"
    return "not kept" if to == NOWHERE else ""


def is_one_stream(out: str, err: str) -> bool:
    """Return whether standard error goes where standard output goes."""
    return out == err and out not in ("", NOWHERE)


def is_base(text: str) -> bool:
    """Return whether this part of a name is a logical offset."""
    return len(text) == DIGITS and text.isascii() and text.isdigit()


def stream_in(name: str) -> tuple[int, str] | None:
    """Return instance and stream of the ``name`` of any file of a stream in an app's folder."""
    parts = name.split(".")
    known = len(parts) > 2 and parts[0].isascii() and parts[0].isdigit()
    return (int(parts[0]), parts[1]) if known and parts[1] in ("out", "err") else None


def pack_frames(base: int, rows: list[tuple[int, int, int]]) -> bytes:
    """Make the table of a compressed file."""
    return HEADER.pack(MAGIC, base) + b"".join(ROW.pack(*row) for row in rows)


def unpack_frames(raw: bytes) -> list[tuple[int, int, int]]:
    """Return the rows of a table, at least two; raise `BadFramesError`."""
    body = raw[HEADER.size :]
    if raw[: len(MAGIC)] != MAGIC or len(body) < 2 * ROW.size or len(body) % ROW.size:
        raise BadFramesError(f"not the table of a compressed log: {len(raw)} bytes")
    return list(ROW.iter_unpack(body))
