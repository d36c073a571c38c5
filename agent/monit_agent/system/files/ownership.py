"""Whose the folders and files are that monit uses: what another user can change is never used,
because `state.json` says what to execute, and sockets say where secrets go."""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterable

from monit_agent.system.suppress import suppress

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_SHOWN = 3


class NotOursError(Exception):
    """A folder or file belongs to another user, or others can write in it; the text says what to
    do."""


def check_ours(paths: Iterable[str]) -> None:
    """Raise `NotOursError` for the first of ``paths`` that belongs to another user; those that do
    not exist are ours to make."""
    for path in paths:
        try:
            owner = os.stat(path).st_uid
        except OSError:
            continue  # whoever uses it gets the reason
        if owner != os.geteuid():
            raise NotOursError(
                f"{path} belongs to {_user(owner)}, and you are {_user(os.geteuid())}: monit uses "
                f"only what belongs to its user. Run it as {_user(owner)}, or set MONIT_HOME to a "
                "folder of your own"
            )


def require_own_folder(folder: str) -> None:
    """Raise PermissionError if the app's ``folder``, or one of the two above it, which are apps and
    home, belongs to another user: nothing is written there."""
    apps = os.path.dirname(folder)
    try:
        check_ours((os.path.dirname(apps), apps, folder))
    except NotOursError as error:
        raise PermissionError(errno.EPERM, str(error)) from error


def make_private(folder: str, known: Iterable[str]) -> None:
    """Let only our user enter ``folder``, if nothing but ``known`` names is in it. A folder that
    also holds something else keeps its mode; raise `NotOursError` if others can write in it then.
    """
    mode = os.stat(folder).st_mode
    if not mode & 0o077:
        return
    if set(os.listdir(folder)) <= {*known}:
        os.chmod(folder, 0o700)
    elif mode & _OTHERS_WRITE:
        raise NotOursError(
            f"other users can write in {folder}, which also holds other files than monit's. Set "
            f"MONIT_HOME to a folder of its own, such as {os.path.join(folder, 'monit')}"
        )


def why_root_refuses(path: str, fd: int) -> str | None:
    """Return why root does not follow the file at ``path``, open as ``fd``; None when it does, and
    for other users.

    What others can change would let them run programs as root. As sudo and sshd do, this refuses
    what every user, or a group with other members, can change; root's own group counts as root. Who
    owns the file is the choice of whoever wrote it.
    """
    found = os.fstat(fd)
    if os.geteuid() != 0 or not stat.S_ISREG(found.st_mode):
        return None
    writers = _other_writers(found)
    if writers is not None:
        who, bits = writers
        return f"{who} can change this file, and root would run what it says: chmod {bits} {path}"
    folder = os.path.dirname(os.path.realpath(path))
    try:
        found = os.stat(folder)
    except OSError:
        return None
    writers = None if found.st_mode & stat.S_ISVTX else _other_writers(found)
    if writers is not None:
        who, bits = writers
        return (
            f"{who} can replace this file, and root would run what it says: chmod {bits} {folder}"
        )
    return None


def _other_writers(found: os.stat_result) -> tuple[str, str] | None:
    """Return who may write beside root and the owner, and the bits that let them; None: nobody."""
    if found.st_mode & stat.S_IWOTH:
        return "every user", "o-w"
    if not found.st_mode & stat.S_IWGRP or found.st_gid == 0:
        return None
    members = _members(found.st_gid) - {0, found.st_uid}
    if not members:
        return None
    shown = sorted(map(_user, members))
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return f"the group of {', '.join(shown[:_SHOWN])}{more}", "g-w"


def _members(gid: int) -> set[int]:
    """Return the users who are in a group, by their own group or as members."""
    found = {entry.pw_uid for entry in pwd.getpwall() if entry.pw_gid == gid}
    with suppress(KeyError):  # a group without a name has no list of members
        for name in grp.getgrgid(gid).gr_mem:
            with suppress(KeyError):  # a user who is gone
                found.add(pwd.getpwnam(name).pw_uid)
    return found


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def folder_id(path: str) -> str:
    """Return what tells a folder from every other one on this machine, also in containers, until it
    is removed: its device and inode; "" where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"
