"""What is kept of an app's logs beside the files that grow."""

import os
from collections.abc import Callable

from monit_agent.keeper.logs.rotation import index_base, rotated_end
from monit_agent.system.suppress import suppress
from monit_agent.typed import NamedTuple
from monit_agent.wire import timeindex
from monit_agent.wire.logfiles import StreamNames, is_base, stream_in, stream_names
from monit_agent.wire.paths import AppPaths

Key = tuple[int, str]


class OldFile(NamedTuple):
    """A file that is not written to any more."""

    key: Key
    base: int
    names: StreamNames
    compressed: bool
    size: int
    """Bytes on the disk, with its time index."""
    length: int
    """Bytes of the log."""
    at: float
    """Wall time of its last byte."""
    rotated: bool = True
    """False for the last file of an instance that was scaled away."""


class OldFiles:
    """The files of one app, as they were seen last; only what is new is looked at again."""

    def __init__(self, paths: AppPaths, chosen: Callable[[Key], str]) -> None:
        self._paths = paths
        self._chosen = chosen
        self._seen: dict[tuple[Key, int], OldFile] = {}

    def look(self, running: frozenset[Key] | set[Key]) -> list[OldFile]:
        """Return what is there, oldest first; ``running`` are the streams that have a file which
        grows. What cannot be read is left out."""
        found: list[OldFile] = []
        by_stream = _listed_by_stream(self._paths.logs)
        elsewhere: dict[str, list[str]] = {}
        for key in sorted(by_stream):
            names = stream_names(self._paths, *key, self._chosen(key))
            there = by_stream[key]
            if names.is_elsewhere:
                if names.folder not in elsewhere:
                    elsewhere[names.folder] = _listed(names.folder)
                there = elsewhere[names.folder]
            present = set(there)
            for base in names.bases(there):
                packed = os.path.basename(names.rotated(base)) not in present
                found.append(self._rotated(key, base, names, compressed=packed))
            if key not in running and os.path.basename(names.log) in present:
                found += _last_file(key, names)
        self._seen = {(file.key, file.base): file for file in found}
        return sorted((file for file in found if file.size), key=lambda file: file.at)

    def _rotated(self, key: Key, base: int, names: StreamNames, *, compressed: bool) -> OldFile:
        seen = self._seen.get((key, base))
        if seen is not None and seen.rotated and seen.compressed == compressed and seen.size:
            return seen
        size, at = _size_and_time(names.all_of(base))
        length = seen.length if seen is not None else rotated_end(names, base) - base
        return OldFile(key, base, names, compressed, size, length, at)


def remove_old_file(file: OldFile) -> bool:
    """Remove a file and what belongs to it; return whether its bytes are gone. The agent may be
    compressing it meanwhile: it removes what it made of a file that is gone."""
    if not file.rotated:
        return _empty_last_file(file)
    for path in file.names.all_of(file.base):
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def is_there(file: OldFile) -> bool:
    """Return whether a file exists that a listing did not show: while the agent replaces it by a
    compressed one, it may show neither."""
    paths = (file.names.rotated(file.base), file.names.compressed(file.base))
    return file.rotated and any(map(os.path.lexists, paths))


def remove_stray_parts(paths: AppPaths, chosen: Callable[[Key], str]) -> None:
    """Remove time indexes and tables whose log is gone."""
    for name in _listed(paths.logs):
        key, parts = stream_in(name), name.split(".")
        if key is None or len(parts) != 4 or parts[3] not in ("idx", "frames"):
            continue
        names = stream_names(paths, *key, chosen(key))
        usual = stream_names(paths, *key)
        base = int(parts[2]) if is_base(parts[2]) else -1
        logs = (each for n in (names, usual) for each in (n.rotated(base), n.compressed(base)))
        if base >= 0 and not any(map(os.path.lexists, logs)):
            with suppress(OSError):
                os.unlink(os.path.join(paths.logs, name))


def _listed(folder: str) -> list[str]:
    with suppress(OSError):
        return os.listdir(folder)
    return []


def _listed_by_stream(folder: str) -> dict[Key, list[str]]:
    """Return the names of each stream's files, so that none is compared with all streams."""
    found: dict[Key, list[str]] = {}
    for name in _listed(folder):
        key = stream_in(name)
        if key is not None:
            found.setdefault(key, []).append(name)
    return found


def _last_file(key: Key, names: StreamNames) -> list[OldFile]:
    base = index_base(names.index)
    size, at = _size_and_time((names.log,))
    if base is None or not size:
        return []
    return [OldFile(key, base, names, compressed=False, size=size, length=size, at=at,
                    rotated=False)]  # fmt: skip


def _empty_last_file(file: OldFile) -> bool:
    """Remove the file; its index stays and says where the stream continues, so that no offset is
    used twice when the instance comes back."""
    with suppress(OSError):
        with open(file.names.index, "r+b", buffering=0) as index:
            index.write(timeindex.pack_header(file.base + file.length))
            index.truncate()
        os.unlink(file.names.log)
        return True
    return False


def _size_and_time(paths: tuple[str, ...]) -> tuple[int, float]:
    """Return what files take together, and when the newest was written: that of the log."""
    size, at = 0, 0.0
    for path in paths:
        with suppress(OSError):
            found = os.stat(path)
            size += found.st_size
            at = max(at, found.st_mtime)
    return size, at
