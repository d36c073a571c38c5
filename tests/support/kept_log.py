"""All that is kept of a stream, read as any tool would: rotated files by name, then the one that
grows."""

import contextlib
import gzip
import os
from pathlib import Path

from monit_agent.keeper.logs.rotation import end_of_rotated, index_base, rotated_in
from monit_agent.wire.logfiles import StreamNames, stream_names
from monit_agent.wire.paths import AppPaths


def kept_log(paths: AppPaths, instance: int = 0, stream: str = "out") -> bytes:
    """Return the bytes of all files of a stream, in order."""
    return kept_bytes(stream_names(paths, instance, stream))


def kept_bytes(names: StreamNames) -> bytes:
    """Return the bytes of all files with these names; a plain file wins over its compressed one."""
    parts: list[bytes] = []
    for base in names.bases(os.listdir(names.folder)):
        plain = Path(names.rotated(base))
        parts.append(
            plain.read_bytes()
            if plain.exists()
            else gzip.decompress(Path(names.compressed(base)).read_bytes())
        )
    with contextlib.suppress(FileNotFoundError):  # for a moment while it is rotated
        parts.append(Path(names.log).read_bytes())
    return b"".join(parts)


def log_end(paths: AppPaths, instance: int = 0, stream: str = "out") -> int:
    """Return how many bytes a stream had in its life; less for a moment while it is rotated."""
    names = stream_names(paths, instance, stream)
    try:
        return (index_base(names.index) or 0) + os.stat(names.log).st_size
    except FileNotFoundError:
        return end_of_rotated(names, rotated_in)


def rotated_paths(names: StreamNames) -> list[Path]:
    """Return the rotated files, oldest first."""
    folder = os.listdir(names.folder)
    return [
        path
        for base in names.bases(folder)
        for path in (Path(names.rotated(base)), Path(names.compressed(base)))
        if path.exists()
    ]
