"""Removes from ``/run/monit`` what no app uses any more: copies of the probe of earlier versions,
and folders with sockets of apps whose home was removed without `monit delete`.

Only root puts anything there. What is removed too early is made again: a keeper makes its folder
before each start of a worker, and copies the probe's files where they are missing.
"""

import os
import stat
import time

from monit_agent.keeper.journal import note
from monit_agent.system import procfs
from monit_agent.system.sockets import socket
from monit_agent.system.users import SHARED

SOCKETS_S = 3600.0
"""A folder whose sockets nobody has bound is removed after this: the next keeper of an app that
lost its keeper and its agent binds them."""

PROBE_S = 86400.0
"""The same for a copy of the probe. Each keeper that uses a copy sets its time when it starts."""

_HEX = frozenset("0123456789abcdef")


def mark_used(folder: str) -> None:
    """Note that a keeper uses a copy of the probe from now on."""
    try:
        os.utime(folder)
    except OSError as error:
        note(f"cannot set the time of {folder}: {error.strerror}")


def remove_leftovers(shared: str = SHARED) -> None:
    """Remove what is left over in ``shared``; what cannot be removed stays."""
    if os.geteuid() != 0:
        return
    try:
        names = [name for name in os.listdir(shared) if _is_named_by_us(name)]
    except OSError:
        return
    for name in names:
        folder = os.path.join(shared, name)
        try:
            if _is_left_over(folder, is_probe=name.startswith("probe-")):
                _remove(folder)
        except OSError as error:
            note(f"cannot remove {folder}: {error.strerror}")


def _is_named_by_us(name: str) -> bool:
    before, _, checksum = name.rpartition("-")
    return bool(before) and len(checksum) == 8 and _HEX.issuperset(checksum)


def _is_left_over(folder: str, *, is_probe: bool) -> bool:
    found = os.lstat(folder)
    if found.st_uid != 0 or not stat.S_ISDIR(found.st_mode):
        return False
    if is_probe:
        old = found.st_mtime < time.time() - PROBE_S
        return old and not _is_used_by_process(folder, found.st_mtime)
    old = found.st_mtime < time.time() - SOCKETS_S
    return old and _holds_only_sockets(folder) and not _is_bound(folder)


def _holds_only_sockets(folder: str) -> bool:
    each = (os.lstat(os.path.join(folder, name)) for name in os.listdir(folder))
    return all(stat.S_ISSOCK(found.st_mode) for found in each)


def _is_bound(folder: str) -> bool:
    """Return whether a process has a socket in the folder, also one of another network namespace;
    True where that is not known."""
    return any(_has_owner(os.path.join(folder, name)) for name in os.listdir(folder))


def _has_owner(path: str) -> bool:
    # a datagram socket connects to its like without sending anything, and to a listener not at all
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        return False
    except OSError:
        return True
    finally:
        probe.close()
    return True


def _is_used_by_process(folder: str, used_at: float) -> bool:
    """Return whether a program may load the probe from a folder, or a keeper that started before
    the folder was last used may start one that does."""
    path, keeper = os.fsencode(folder), b"monit_agent/keeper/__main__.py"
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    ticks = os.sysconf("SC_CLK_TCK")
    for pid in procfs.all_pids():
        if path in (procfs.read_file(f"/proc/{pid}/environ") or b""):
            return True
        is_keeper = keeper in (procfs.read_file(f"/proc/{pid}/cmdline") or b"")
        found = procfs.process_stat(pid) if is_keeper else None
        # a clock that was set since then must not make it look younger
        if found is not None and booted + found.start_ticks / ticks < used_at + PROBE_S / 2:
            return True
    return False


def _remove(folder: str) -> None:
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if stat.S_ISDIR(os.lstat(path).st_mode):
            _remove(path)
        else:
            os.unlink(path)
    os.rmdir(folder)
