"""Copies of the probe's files, where workers can read them.

The copies are in a folder named after their contents. There every interpreter version can keep
their bytecode (5 to 12 ms of each start), and an upgrade of monit does not remove them under
running programs.

A worker may run as another user than its keeper (``runuser``, ``setpriv``, ``gosu``), and Node does
not start when it cannot read a file that ``NODE_OPTIONS`` names. So a keeper that runs as root puts
the files into ``/run/monit``, which every user may read; any other keeper into its home, which is
private. Users who are not root have no folder that they own and others may read for as long as the
machine runs: cleaners empty ``/tmp``, and a logout empties ``/dev/shm``.
"""

import binascii
import os
import stat

from monit_agent.keeper.journal import note
from monit_agent.keeper.workers.shared_leftovers import mark_used
from monit_agent.typed import NamedTuple
from monit_agent.wire.paths import PACKAGE

SHARED = "/run/monit"
"""Where root's copies are. It is emptied only when the machine starts, as no worker runs."""

_SOURCE = os.path.join(PACKAGE, "probe")
_SUFFIXES = (".py", ".cjs")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class ProbeFiles(NamedTuple):
    """A copy of the probe's files."""

    folder: str
    for_every_user: bool
    """Whether every user may read them."""


class _Installed(NamedTuple):
    files: ProbeFiles
    name: str
    """Of the folder, by its contents."""
    parts: tuple[str, ...]


_installed: dict[tuple[str, str], _Installed] = {}
"""By home and shared folder."""


def install(home: str, shared: str = SHARED) -> ProbeFiles | None:
    """Return the copy of the probe's files, made if it is missing; None when there can be none.

    What was copied first counts, so call this when the process starts: later, an upgrade may have
    removed the files, or put those of another version in their place.
    """
    known = _installed.get((home, shared))
    if known is not None and _is_whole(known):
        return known.files
    try:
        contents = {name: _read(os.path.join(_SOURCE, name)) for name in _files(_SOURCE)}
    except OSError as error:
        note(f"workers start without the probe: {error}")
        return None
    name = f"probe-{binascii.crc32(b''.join(contents.values())):08x}"
    if known is not None and known.name != name:
        note("workers start without the probe: its copy was removed, and its files were replaced")
        return None
    files = _copy_all(contents, name, home, shared)
    if files is not None:
        if files.for_every_user:
            mark_used(files.folder)
        _installed[home, shared] = _Installed(files, name, tuple(contents))
    return files


def _is_whole(known: _Installed) -> bool:
    return all(os.path.exists(os.path.join(known.files.folder, part)) for part in known.parts)


def _copy_all(contents: dict[str, bytes], name: str, home: str, shared: str) -> ProbeFiles | None:
    if os.geteuid() == 0 and _is_ours_alone(os.path.dirname(shared)):
        folder = os.path.join(shared, name)
        try:
            _make_folder(shared)
            if _is_ours_alone(shared):
                _copy(contents, folder)
                return ProbeFiles(folder, for_every_user=True)
        except OSError as error:
            note(f"the probe is readable only to its owner: {folder}: {error.strerror}")
    folder = os.path.join(home, "cache", name)
    if ":" in home:
        note(f"workers start without the probe: PYTHONPATH cannot hold {home!r}, because of ':'")
        return None
    try:
        _copy(contents, folder)
    except OSError as error:
        note(f"workers start without the probe: {error}")
        return None
    return ProbeFiles(folder, for_every_user=False)


def _is_ours_alone(folder: str) -> bool:
    """Return whether only this user can change what is in the folder."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    private = found.st_uid == os.geteuid() and not found.st_mode & _OTHERS_WRITE
    return private and stat.S_ISDIR(found.st_mode)


def _files(folder: str, below: str = "") -> list[str]:
    """Return the probe's files for Python and Node, relative to ``folder``."""
    found: list[str] = []
    for entry in sorted(os.listdir(os.path.join(folder, below))):
        name = os.path.join(below, entry)
        if entry.endswith(_SUFFIXES):
            found.append(name)
        elif "." not in entry and entry != "__pycache__":
            found += _files(folder, name)
    return found


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _copy(contents: dict[str, bytes], folder: str) -> None:
    for name, content in contents.items():
        target = os.path.join(folder, name)
        if not os.path.exists(target):
            _write(target, content)


def _write(path: str, content: bytes) -> None:
    _make_folder(os.path.dirname(path))
    half = f"{path}.{os.getpid()}"
    with open(half, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)  # whatever the umask is
    os.replace(half, path)  # keepers of several apps may do this at once


def _make_folder(path: str) -> None:
    """Make a folder and its parents, readable to every user who gets there."""
    if os.path.isdir(path):
        return
    _make_folder(os.path.dirname(path))
    try:
        os.mkdir(path)
    except FileExistsError:
        return  # another keeper was faster
    os.chmod(path, 0o755)  # noqa: S103  for every user, whatever the umask is
