"""Which release a folder holds: a file ``REVISION``, the commit of a git repository, or the name of
a folder in ``releases/``.

Files of other people are read here: within bounds, without waiting for a pipe, and an error means
that the revision is not known. Links are followed, so root reads with the rights of who can change
the folder: a program that it starts may be another user's in the end (``setpriv``, ``sudo``).
"""

import os
import stat

from monit_agent.system.users import RunAs, acting_as, user_of_ids

LEVELS = 8
"""Folders to search upwards: enough for ``packages/api/src/bin``, too few to reach a file that has
nothing to do with the app."""

SHOWN_MAX = 64
COMMIT_DIGITS = 12

_NOBODY = RunAs(65534, 65534, (), "65534", "/", "/bin/sh")
_FILE_BYTES = 4096
_REFS_BYTES = 1024 * 1024
_HEX = frozenset("0123456789abcdef")


def revision_of(folder: str, until: float | None = None, *, as_owner: bool = False) -> str | None:
    """Return the revision of the code in ``folder``; None when it is not known.

    Args:
        folder: where a program runs.
        until: a wall second; what was written after it does not count, because a process that runs
            since then has other code.
        as_owner: let root read each folder with the rights of the user who can change it. Only for
            processes of one thread.

    Raises:
        OSError: root may not change its groups here.
    """
    folder = os.path.realpath(folder)
    for _ in range(LEVELS):
        with acting_as(_user_besides_root(folder) if as_owner else None):
            found = _revision_in(folder, until)
        if found is not None:
            return found or None
        folder = os.path.dirname(folder)
    return None


def _revision_in(folder: str, until: float | None) -> str | None:
    """Return the revision that this very folder names, "" if that is not known, and None if it
    names none."""
    written = _read(os.path.join(folder, "REVISION"), until)
    if written is not None:
        return shown_revision(written.splitlines()[0] if written.strip() else "") or ""
    git = os.path.join(folder, ".git")
    if os.path.lexists(git):
        return _commit(git, until) or ""
    parent = os.path.dirname(folder)
    if os.path.basename(parent) == "releases":
        return shown_revision(os.path.basename(folder)) or ""
    return "" if parent == folder else None


def _user_besides_root(folder: str) -> RunAs | None:
    """Return a user who can change what is in a folder, with the rights of the user alone and not
    of the user's groups; None if that is only root, or who asks is not root."""
    if os.geteuid() != 0:
        return None
    at = folder
    while True:
        try:
            found = os.stat(at)
        except OSError:
            return _NOBODY
        if found.st_uid != 0:
            return user_of_ids(found.st_uid, _NOBODY.gid, ())
        # in a folder like /tmp nobody can exchange what is root's
        is_kept = at != folder and found.st_mode & stat.S_ISVTX
        if not is_kept and _others_can_write(found):
            return _NOBODY
        if at == "/":
            return None
        at = os.path.dirname(at)


def _others_can_write(found: os.stat_result) -> bool:
    by_group = found.st_mode & stat.S_IWGRP and found.st_gid != 0
    return bool(found.st_mode & stat.S_IWOTH or by_group)


def _commit(git: str, until: float | None) -> str | None:
    """Return the commit that is checked out; ``git`` is a folder, or a file that names one."""
    pointer = _read(git, None)
    if pointer is not None:
        if not pointer.startswith("gitdir: "):
            return None
        git = os.path.join(os.path.dirname(git), pointer[8:].strip())
    head = (_read(os.path.join(git, "HEAD"), until) or "").strip()
    if not head.startswith("ref: "):
        return _short(head)
    common = (_read(os.path.join(git, "commondir"), None) or ".").strip()
    name = head[5:]
    for place in (git, os.path.join(git, common)):
        found = _read(os.path.join(place, name), until)
        if found is not None:
            return _short(found.strip())
    packed = _read(os.path.join(git, common, "packed-refs"), until, _REFS_BYTES) or ""
    lines = (line.split(" ", 1) for line in packed.splitlines())
    return next((_short(words[0]) for words in lines if words[1:] == [name]), None)


def _short(commit: str) -> str | None:
    is_commit = len(commit) >= COMMIT_DIGITS and _HEX.issuperset(commit)
    return commit[:COMMIT_DIGITS] if is_commit else None


def shown_revision(text: str) -> str | None:
    """Return a text as a revision; None for one that cannot be shown as it is."""
    text = text.strip()
    return text if text and len(text) <= SHOWN_MAX and text.isprintable() else None


def _read(path: str, until: float | None, most: int = _FILE_BYTES) -> str | None:
    """Return the beginning of a regular file; None for anything else, or a younger one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError):
        return None
    try:
        found = os.fstat(fd)
        is_young = until is not None and found.st_mtime > until
        if is_young or not stat.S_ISREG(found.st_mode):
            return None
        # a link to /proc/self/fd opens what this process has open, wherever that lies
        if not os.path.samestat(found, os.stat(os.readlink(f"/proc/self/fd/{fd}"))):
            return None
        return os.read(fd, most).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(fd)
