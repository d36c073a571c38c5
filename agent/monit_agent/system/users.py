"""The user as whom the workers of root's app run, and the folder where they reach its sockets."""

import binascii
import errno
import grp
import os
import pwd
import stat

from monit_agent.system import kernel_calls
from monit_agent.typed import NamedTuple

SHARED = "/run/monit"
"""Where root puts what every user must reach. It is emptied only when the machine starts."""

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class BadUserError(ValueError):
    """There is no such user or group, or only root can use it; the text is for people."""


class RunAs(NamedTuple):
    """A user with everything that a login would set."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str
    home: str
    shell: str


def run_as(user: str, group: str) -> RunAs | None:
    """Return as whom workers run; None where that is who asks. Raise `BadUserError`.

    Both are names or numbers; "" means the present user, and the user's own group.
    """
    if not user and not group:
        return None
    found = _user(user) if user else _present()
    if group:
        gid = _group(group)
        found = found._replace(gid=gid, groups=_groups(found.name, gid))
    if (found.uid, found.gid) == (os.geteuid(), os.getegid()) and not (group and not user):
        return None
    if os.geteuid() != 0:
        who = f"group {group}" if group and not user else f"user {user}"
        raise BadUserError(
            f"{who}: only root can run workers as somebody else; run monit with sudo"
            + (f", or as that user: sudo -u {user} monit …" if user else "")
        )
    return found


def become(user: RunAs) -> None:
    """Make this process one of the user, for good; raise OSError."""
    os.setgroups(user.groups)
    os.setgid(user.gid)
    os.setuid(user.uid)


class acting_as:  # noqa: N801  called as a function is; `contextlib` costs a keeper memory
    """Let a ``with`` block have the rights of ``user`` and no others; None changes nothing.

    For processes of one thread: the kernel's rules for files and ports are those of the user, also
    where somebody exchanges a folder meanwhile. Signals and debuggers of the user do not reach this
    process. Raise OSError when root may not change its groups.
    """

    __slots__ = ("_before", "_dumpable", "_user")

    def __init__(self, user: RunAs | None) -> None:
        self._user = user if os.geteuid() == 0 else None
        self._before: tuple[list[int], int] = ([], 0)
        self._dumpable = False

    def __enter__(self) -> None:
        if self._user is None:
            return
        self._before, self._dumpable = (os.getgroups(), os.getegid()), kernel_calls.is_dumpable()
        try:
            os.setgroups(self._user.groups)
            os.setegid(self._user.gid)
            os.seteuid(self._user.uid)
        except OSError:
            self._restore()
            raise
        kernel_calls.user_changed()

    def __exit__(self, *_: object) -> None:
        if self._user is not None:
            self._restore()

    def _restore(self) -> None:
        groups, gid = self._before
        os.seteuid(0)
        os.setegid(gid)
        if os.getgroups() != groups:
            os.setgroups(groups)
        if self._dumpable:  # the kernel ends that with each change of the user
            kernel_calls.become_dumpable()
        kernel_calls.user_changed()


def user_of_ids(uid: int, gid: int, groups: tuple[int, ...]) -> RunAs | None:
    """Return the user with these ids, without a lookup; None for root."""
    return RunAs(uid, gid, groups, str(uid), "/", "/bin/sh") if uid else None


def login_variables(user: RunAs) -> dict[str, str]:
    """Return the variables that a login of the user sets."""
    return {"HOME": user.home, "USER": user.name, "LOGNAME": user.name, "SHELL": user.shell}


def _user(text: str) -> RunAs:
    try:
        entry = pwd.getpwuid(int(text)) if _is_number(text) else pwd.getpwnam(text)
    except (KeyError, OverflowError):
        if not _is_number(text) or int(text) >= 2**32 - 1:
            raise BadUserError(f"there is no user {text}") from None
        return RunAs(int(text), int(text), (int(text),), text, "/", "/bin/sh")
    groups = _groups(entry.pw_name, entry.pw_gid)
    return RunAs(
        entry.pw_uid,
        entry.pw_gid,
        groups,
        entry.pw_name,
        entry.pw_dir or "/",
        entry.pw_shell or "/bin/sh",
    )


def _present() -> RunAs:
    return _user(str(os.geteuid()))


def _group(text: str) -> int:
    if _is_number(text):
        if int(text) >= 2**32 - 1:
            raise BadUserError(f"there is no group {text}")
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        raise BadUserError(f"there is no group {text}") from None


def _groups(name: str, gid: int) -> tuple[int, ...]:
    return tuple(sorted({*os.getgrouplist(name, gid), gid}))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


# ---------------------------------------------------------------- what they must reach


def shared_folder(app_folder: str) -> str:
    """Return the folder with an app's sockets for workers of another user: they cannot enter root's
    home."""
    name = os.path.basename(app_folder)
    return f"{SHARED}/{name}-{binascii.crc32(os.fsencode(app_folder)):08x}"


def make_shared_folder(folder: str) -> None:
    """Make the folder if it is missing; raise OSError if others could replace it."""
    for path, mode in ((SHARED, 0o755), (folder, 0o711)):
        if not os.path.isdir(path):
            os.mkdir(path)
            os.chmod(path, mode)
    for path in (os.path.dirname(SHARED), SHARED, folder):
        found = os.lstat(path)
        if found.st_uid != os.geteuid() or found.st_mode & _OTHERS_WRITE:
            raise PermissionError(errno.EPERM, f"{path} can be changed by other users")


def remove_shared_folder(folder: str) -> None:
    """Remove the folder with what is in it, if it exists."""
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def is_only_roots(path: str) -> bool:
    """Return whether nobody but root can put something at a path, or at a part of it."""
    path = os.path.realpath(path)
    folder: str = os.path.dirname(path)
    while True:
        try:
            found = os.stat(folder)
        except FileNotFoundError:
            found = None  # root makes it
        if found is not None and not _is_roots(found, sticky=folder != os.path.dirname(path)):
            return False
        if folder == "/":
            return True
        folder = os.path.dirname(folder)


def _is_roots(found: os.stat_result, *, sticky: bool) -> bool:
    """``sticky``: in such a folder nobody can rename what is root's."""
    if found.st_uid != 0:
        return False
    return not found.st_mode & _OTHERS_WRITE or (sticky and bool(found.st_mode & stat.S_ISVTX))
