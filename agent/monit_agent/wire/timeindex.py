"""The time index beside a log file: which byte was printed when.

A file is a header of 16 bytes and then records of 16 bytes, little endian:

* header: the 8 bytes ``MONITIX1``, then ``base`` (u64)
* record: ``offset`` (u64), ``time`` (u64, nanoseconds of the wall clock)

Offsets are logical: they count every byte the stream ever carried and never go back,
so that (app, instance, stream, offset) names a line for ever. ``base`` is the logical
offset of the first byte that is still in the log file; emptying the log moves it on.
A record says that the bytes from ``offset`` up to the next record's were read at
``time``. Times never decrease within a file; a record is written at most every
`GRAIN_NS`, so a line's time is exact to that grain.

Standard library only: the keeper writes it, the agent reads it.
"""

import struct

MAGIC = b"MONITIX1"
HEADER = struct.Struct("<8sQ")
RECORD = struct.Struct("<QQ")
GRAIN_NS = 10_000_000


class BadIndexError(ValueError):
    """The bytes are not a time index that this version can read."""


def pack_header(base: int) -> bytes:
    """Make the header of an index whose log begins at logical offset ``base``."""
    return HEADER.pack(MAGIC, base)


def unpack_header(raw: bytes) -> int:
    """Return ``base`` of an index file's first 16 bytes; `BadIndexError` if they are not one."""
    if len(raw) < HEADER.size:
        raise BadIndexError(f"an index header has {HEADER.size} bytes, these are {len(raw)}")
    magic, base = HEADER.unpack_from(raw)
    if magic != MAGIC:
        raise BadIndexError(f"an index begins with {MAGIC!r}, this with {magic!r}")
    return base


def pack_record(offset: int, wall_ns: int) -> bytes:
    """Make one record: bytes from ``offset`` on were read at ``wall_ns``."""
    return RECORD.pack(offset, wall_ns)


def unpack_records(raw: bytes) -> list[tuple[int, int]]:
    """Return the whole records in ``raw`` as (offset, wall_ns); a torn last one is left out."""
    whole = len(raw) - len(raw) % RECORD.size
    return list(RECORD.iter_unpack(raw[:whole]))
